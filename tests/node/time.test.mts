/** Time that a test moves. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connect, InvalidError, TimeoutError } from '@stargazer/core';
import { busFixture, testBus } from '@stargazer/core/testing';
import { z } from 'zod';
import { gate, until } from './fixture.mjs';

test('time_stands_still_until_it_is_moved', async (t) => {
  const bus = await testBus(t);
  await bus.publish('s', 1);
  const consumer = bus.consume('s', 'g', { retryBaseMs: 3_600_000, retryMaxMs: 3_600_000 });
  const first = await consumer.next();
  assert.equal(first.value?.attempt, 1);
  await first.value?.retry();
  const before = bus.time.nowMs;
  await bus.time.advance(7_200_000);
  assert.ok(bus.time.nowMs - before >= 7_200_000);
  const second = await consumer.next();
  assert.equal(second.value?.attempt, 2);
  await second.value?.ack();
  await consumer.close();
});

test('a time limit is of the bus and is told whole', async (t) => {
  const bus = await testBus(t);
  const numbers = bus.consume('s', 'g', { body: z.number() });
  const letters = async () => (await bus.deadLetters().inspect()).count;
  for (const waiting of [
    () => numbers.next({ timeoutMs: 60_000 }),
    () => numbers.nextBatch(5, { timeoutMs: 60_000 }),
  ]) {
    const ended = waiting().catch((error: unknown) => error);
    let settled = false;
    ended.finally(() => {
      settled = true;
    });
    const before = await letters();
    for (const refused of [1, 2]) {
      await bus.publish('s', 'no number');
      await until('it is refused', async () => (await letters()) === before + refused);
      if (refused === 1) await bus.time.advance(40_000);
    }
    await bus.time.advance(19_000);
    assert.equal(settled, false);
    await bus.time.advance(2_000);
    const error = await ended;
    assert.ok(error instanceof TimeoutError && /within 60000 ms/.test(error.message), String(error));
  }
  await numbers.close();
});

test('the time that a call has left is of the bus', async (t) => {
  const bus = await testBus(t);
  const left: (number | undefined)[] = [];
  const [told, begun] = [gate(), gate()];
  await using serving = bus.serve({
    slow: async (request) => {
      left.push(request.timeLeftMs);
      begun.open();
      await told.promise;
      left.push(request.timeLeftMs);
    },
  });
  await serving.ready();
  const call = bus.call('slow', {}, { timeoutMs: 60_000 });
  await begun.promise;
  await bus.time.advance(20_000);
  told.open();
  // Who returns nothing answers null.
  assert.equal(await call, null);
  const [first, second] = left as [number, number];
  assert.ok(Math.abs(first - 60_000) < 1000, String(first));
  assert.ok(Math.abs(first - second - 20_000) < 10, String(second));
});

test('time_that_is_everybodys_is_not_moved', async () => {
  await assert.rejects(connect('memory://shared', { virtualTime: true }), InvalidError);
  const bus = await connect('memory://');
  await assert.rejects(bus.time.advance(1), /virtual/);
  assert.throws(() => bus.time.nowMs, InvalidError);
  await assert.rejects(bus.time.advance(undefined as never), InvalidError);
  await bus.close();
});

test('the fixture of vitest opens and closes', async () => {
  let published: string | undefined;
  await busFixture()({}, async (bus) => {
    published = (await bus.publish('s', 1)).id;
  });
  assert.ok(published);
});
