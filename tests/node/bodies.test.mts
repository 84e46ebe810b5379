/** Bodies read as what a schema or a function says they are, and what becomes of those that are not. */

import assert from 'node:assert/strict';
import test from 'node:test';
import { connect, InvalidError, type SchemaLike, TimeoutError } from '@stargazer/core';
import { z } from 'zod';
import { both } from './fixture.mjs';

const Order = z.object({ id: z.number().int(), lines: z.array(z.string()), note: z.string().default('none') });

/** A schema that takes its time, as one that looks something up. */
const slow: SchemaLike<number> = {
  '~standard': {
    version: 1,
    vendor: 'test',
    validate: async (value) =>
      typeof value === 'number' ? { value: value * 2 } : { issues: [{ message: 'no number', path: ['n'] }] },
  },
};

both('bodies are read as a schema says', async ({ bus }) => {
  await bus.publish('orders', { id: 1, lines: ['a'], other: true });
  await using orders = bus.consume('orders', 'g', { body: Order });
  const { value: delivery } = await orders.next();
  assert.deepEqual(delivery?.data, { id: 1, lines: ['a'], note: 'none' });
  assert.equal(delivery?.data, delivery?.data);
  await delivery?.ack();
});

both('what_does_not_fit_is_a_dead_letter', async ({ bus }) => {
  const bodies = [{ id: 'one', lines: [] }, { id: 1, lines: ['a'] }, null, { id: 2 }, { id: 3, lines: [] }];
  for (const [at, body] of bodies.entries()) await bus.publish('orders', body, { key: `k${at % 2}` });
  const seen: number[] = [];
  await bus.consume('orders', 'handlers', { body: Order }).run(({ id }) => void seen.push(id), { untilIdle: true });
  assert.deepEqual(seen.sort(), [1, 3]);
  const { letters } = await bus.deadLetters().list({ reason: 'malformed' });
  assert.equal(letters.length, 3);
  assert.ok(letters.every(({ attempts }) => attempts === 1));
  assert.match(letters.at(-1)?.error ?? '', /malformed: .*`id`: /);
});

both('who_pulls_gets_what_fits', async ({ bus }) => {
  for (const body of ['x', 1, 'y', 2]) await bus.publish('s', body);
  await using pulled = bus.consume('s', 'g', { body: slow });
  const found: number[] = [];
  while (found.length < 2) {
    for (const delivery of await pulled.nextBatch(10, { timeoutMs: 10_000 })) {
      found.push(delivery.data);
      await delivery.ack();
    }
  }
  assert.deepEqual(found, [2, 4]);
});

both('what does not fit does not begin the time anew', async ({ bus }) => {
  await using pulled = bus.consume('s', 'g', { body: slow });
  let late = false;
  const publishing = (async () => {
    while (!late) await bus.publish('s', 'x');
  })();
  try {
    await assert.rejects(pulled.next({ timeoutMs: 200 }), TimeoutError);
    await assert.rejects(pulled.nextBatch(5, { timeoutMs: 200 }), TimeoutError);
  } finally {
    late = true;
    await publishing;
  }
});

both('a function reads bodies, too, and an object with parse', async ({ bus }) => {
  const text = (body: unknown): string => {
    if (typeof body !== 'string') throw new TypeError('no text');
    return body.toUpperCase();
  };
  for (const body of [text, { parse: text }]) {
    for (const one of ['a', 5, 'b']) await bus.publish('texts', one);
    const seen: string[] = [];
    await using texts = bus.consume('texts', 'g', { body });
    await texts.run((found) => void seen.push(found), { untilIdle: true });
    assert.deepEqual(seen, ['A', 'B']);
  }
  const { letters } = await bus.deadLetters().list();
  assert.deepEqual(
    letters.map(({ reason, error }) => [reason, error]),
    [
      ['malformed', 'malformed: TypeError: no text'],
      ['malformed', 'malformed: TypeError: no text'],
    ],
  );
});

both('an_entry_without_a_body_is_malformed_at_once', async ({ bus }) => {
  const { stream } = await bus.publish('s', 'first');
  await bus.store().logAppend(stream, { other: 'x' });
  const seen: unknown[] = [];
  await using consumer = bus.consume('s', 'g');
  await consumer.run((body) => void seen.push(body), { untilIdle: true });
  assert.deepEqual(seen, ['first']);
  assert.deepEqual({ ...(await bus.deadLetters().inspect()).reasons }, { malformed: 1 });
});

test('what reads no bodies is refused by name', async () => {
  await using bus = await connect('memory://');
  for (const body of [null, 5, 'x', {}, { parse: 5 }]) {
    assert.throws(
      () => bus.consume('s', 'g', { body: body as never }),
      (error: unknown) => error instanceof InvalidError && error.context.field === 'body',
    );
  }
});
