/** Time that a test moves. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connect, InvalidError } from '@stargazer/core';
import { busFixture, testBus } from '@stargazer/core/testing';

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
