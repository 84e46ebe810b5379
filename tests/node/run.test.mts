/** The handler form: outcomes, order, concurrency, and how it ends. */

import assert from 'node:assert/strict';
import { AsyncLocalStorage } from 'node:async_hooks';
import { once } from 'node:events';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { ClosedError, connect, InvalidError, Outcome, Reject, type StargazerError } from '@stargazer/core';
import { both, gate, quick } from './fixture.mjs';

both('returning_is_ack', async ({ bus, dead }) => {
  for (let n = 0; n < 3; n++) await bus.publish('s', n);
  const read: unknown[] = [];
  await bus.consume('s', 'g').run(
    async (n) => {
      read.push(n);
      return n === 1 ? Outcome.ack() : undefined;
    },
    { untilIdle: true },
  );
  assert.deepEqual(read, [0, 1, 2]);
  assert.equal((await bus.pending('s', 'g')).count, 0);
  assert.deepEqual(await bus.entries(dead), []);
});

both('what_fails_too_often_is_dead_lettered', async ({ bus, dead }) => {
  await bus.publish('s', 1);
  const attempts: unknown[] = [];
  await bus.consume('s', 'g', { retryBaseMs: 10, maxAttempts: 3 }).run(
    (_, d) => {
      attempts.push([d.attempt, d.redelivered]);
      throw new RangeError('no such city');
    },
    { untilIdle: true },
  );
  assert.deepEqual(attempts, [
    [1, false],
    [2, true],
    [3, true],
  ]);
  const [letter] = await bus.entries(dead);
  assert.deepEqual([letter?.text('error'), letter?.text('attempt')], ['RangeError: no such city', '3']);
});

both('throwing_reject_is_a_dead_letter', async ({ bus, dead }) => {
  await bus.publish('s', 1);
  await bus.consume('s', 'g').run(
    () => {
      throw new Reject('never');
    },
    { untilIdle: true },
  );
  const [letter] = await bus.entries(dead);
  assert.deepEqual([letter?.text('error'), letter?.text('reason')], ['never', 'rejected']);
});

both('an_outcome_is_itself', async ({ bus, dead }) => {
  await bus.publish('s', 1);
  const attempts: number[] = [];
  await bus.consume('s', 'g').run(
    (_, d) => {
      attempts.push(d.attempt);
      return d.attempt === 1 ? Outcome.retry({ afterMs: 5, reason: 'later' }) : Outcome.reject('enough');
    },
    { untilIdle: true },
  );
  assert.deepEqual(attempts, [1, 2]);
  assert.equal((await bus.entries(dead))[0]?.text('error'), 'enough');
});

both('anything_else_returned_is_invalid', async ({ bus }) => {
  await bus.publish('s', 1);
  const consumer = bus.consume('s', 'g');
  for (const wrong of [null, 5, 'ack', { kind: 'ack' }]) {
    const run = consumer.run((() => wrong) as unknown as () => undefined);
    await assert.rejects(run, (error: StargazerError) => {
      assert.ok(error instanceof InvalidError);
      assert.equal(error.context.field, 'handler');
      return true;
    });
  }
  const { value } = await consumer.next({ timeoutMs: 5000 });
  assert.deepEqual([value?.data, value?.attempt], [1, 1]);
});

both('a_retry_keeps_the_order_of_its_lane', async ({ bus }) => {
  for (let n = 0; n < 6; n++) await bus.publish('s', n, { key: n % 2 ? 'odd' : 'even' });
  const read: unknown[] = [];
  await bus.consume<number>('s', 'g', { retryBaseMs: 20 }).run(
    (n, d) => {
      if (n === 0 && d.attempt < 3) throw new Error('not yet');
      read.push(n);
    },
    { untilIdle: true },
  );
  assert.deepEqual(
    read.filter((n) => (n as number) % 2 === 0),
    [0, 2, 4],
  );
  assert.deepEqual(read.slice(0, 3), [1, 3, 5]);
});

both('entries_of_a_lane_run_in_stream_order', async ({ bus, again }) => {
  const [lanes, length] = [20, 15];
  for (let n = 0; n < length; n++) {
    await Promise.all(
      Array.from({ length: lanes }, (_, lane) => bus.publish('s', { lane, n }, { key: `lane ${lane}` })),
    );
  }
  const read = new Map<number, number[]>();
  const running = new Set<number>();
  const other = await again();
  const handle = async ({ lane, n }: { lane: number; n: number }) => {
    assert.ok(!running.has(lane), 'two handlers of one lane at a time');
    running.add(lane);
    read.set(lane, [...(read.get(lane) ?? []), n]);
    await sleep((lane * 7 + n * 3) % 5);
    running.delete(lane);
  };
  await Promise.all(
    [bus, other, bus].map((from) =>
      from.consume<{ lane: number; n: number }>('s', 'g', { concurrency: 8 }).run(handle, { untilIdle: true }),
    ),
  );
  const expected = Array.from({ length }, (_, n) => n);
  assert.equal(read.size, lanes);
  for (const [lane, order] of read) assert.deepEqual(order, expected, `lane ${lane}`);
});

both('the_next_of_a_lane_starts_after_the_outcome', async ({ bus }) => {
  await bus.publish('s', 1, { key: 'k' });
  await bus.publish('s', 2, { key: 'k' });
  await bus.publish('s', 3, { key: 'other' });
  const held = gate();
  const started: unknown[] = [];
  const other = gate();
  const run = bus.consume('s', 'g').run(
    async (n) => {
      started.push(n);
      if (n === 3) other.open();
      if (n === 1) await held.promise;
    },
    { untilIdle: true },
  );
  await other.promise;
  assert.deepEqual(started, [1, 3]);
  held.open();
  await run;
  assert.deepEqual(started, [1, 3, 2]);
});

both('lanes_run_side_by_side', async ({ bus }) => {
  for (let n = 0; n < 8; n++) await bus.publish('s', n, { key: `lane ${n}` });
  const together = gate();
  let waiting = 0;
  // Ends only if all eight run at the same time.
  await bus.consume('s', 'g').run(
    () => {
      if (++waiting === 8) together.open();
      return together.promise;
    },
    { concurrency: 8, untilIdle: true },
  );
  assert.equal(waiting, 8);
});

both('tools_run_in_no_order', async ({ bus, tools }) => {
  for (let n = 0; n < 8; n++) {
    await bus.publishToolsRequest({ reply_to: 'replies', correlation_id: String(n), tool_name: `tool${n}` });
  }
  const together = gate();
  const lanes = new Set<unknown>();
  let waiting = 0;
  await bus.consume(tools, tools, { ordering: 'none' }).run(
    (_, d) => {
      lanes.add(d.lane);
      if (++waiting === 8) together.open();
      return together.promise;
    },
    { concurrency: 8, untilIdle: true },
  );
  assert.deepEqual([...lanes], [undefined]);
});

both('a_failing_handler_is_retried', async ({ bus, dead }) => {
  await bus.publish('s', 1);
  const seen: unknown[] = [];
  await bus.consume('s', 'g', quick).run(
    (_, d) => {
      seen.push([d.attempt, d.redelivered]);
      if (d.attempt < 3) throw new Error('not yet');
    },
    { untilIdle: true },
  );
  assert.deepEqual(seen, [
    [1, false],
    [2, true],
    [3, true],
  ]);
  assert.deepEqual(await bus.entries(dead), []);
});

both('waiting_lanes_starve_no_other', async ({ bus }) => {
  await Promise.all(Array.from({ length: 1000 }, (_, n) => bus.publish('s', { n }, { key: `lane ${n}` })));
  const fresh = gate();
  let waiting = 0;
  const stop = new AbortController();
  const run = bus.consume<{ n: number }>('s', 'g').run(
    ({ n }) => {
      if (n === -1) {
        fresh.open();
        return;
      }
      if (++waiting === 1000) void bus.publish('s', { n: -1 }, { key: 'a new one' });
      return Outcome.retry({ afterMs: 60_000 });
    },
    { concurrency: 1, signal: stop.signal },
  );
  await fresh.promise;
  stop.abort();
  await run;
  assert.equal(waiting, 1000);
});

both('as_many_handlers_run_as_allowed', async ({ bus }) => {
  await Promise.all(Array.from({ length: 40 }, (_, n) => bus.publish('s', n, { key: String(n) })));
  let [running, most] = [0, 0];
  await bus.consume('s', 'g').run(
    async () => {
      most = Math.max(most, ++running);
      await sleep(2);
      running--;
    },
    { concurrency: 5, untilIdle: true },
  );
  assert.equal(most, 5);
});

both('a_signal_ends_a_run', async ({ bus }) => {
  await bus.publish('s', 1);
  const stop = new AbortController();
  const ended: string[] = [];
  const run = bus.consume('s', 'g').run(
    async () => {
      stop.abort();
      await sleep(20);
      ended.push('handler');
    },
    { signal: stop.signal },
  );
  await run;
  ended.push('run');
  assert.deepEqual(ended, ['handler', 'run']);
  const closed = bus.consume('s', 'g');
  await closed.close();
  await assert.rejects(
    closed.run(() => {}),
    ClosedError,
  );
});

both('closing_waits_for_handlers', async ({ bus }) => {
  await bus.publish('s', 1);
  const started = gate();
  let done = false;
  const consumer = bus.consume('s', 'g');
  const run = consumer.run(async () => {
    started.open();
    await sleep(50);
    done = true;
  });
  await started.promise;
  await consumer.close();
  assert.ok(done);
  await run;
  assert.equal((await bus.pending('s', 'g')).count, 0);
});

both('a_slow_handler_is_cut_off', async ({ bus }) => {
  await bus.publish('s', 1);
  const reasons: unknown[] = [];
  await bus.consume('s', 'g', { handlerTimeoutMs: 50, retryBaseMs: 5 }).run(
    async (_, d) => {
      if (d.attempt > 1) return;
      assert.equal(d.cancelled, false);
      await new Promise((_, reject) => {
        d.signal.addEventListener('abort', () => reject(d.signal.reason), { once: true });
      }).catch((reason: StargazerError) => {
        reasons.push(reason.code, d.cancelled);
        throw reason;
      });
    },
    { untilIdle: true },
  );
  assert.deepEqual(reasons, ['stale', true]);
});

test('a consumer runs one handler at a time', async () => {
  const bus = await connect('memory://');
  const consumer = bus.consume('s', 'g');
  const stop = new AbortController();
  const run = consumer.run(() => {}, { signal: stop.signal });
  await assert.rejects(
    consumer.run(() => {}),
    InvalidError,
  );
  await assert.rejects(consumer.next(), InvalidError);
  stop.abort();
  await run;
  await bus.close();
});

test('what is stored around a run is seen by its handlers', async () => {
  const bus = await connect('memory://');
  const storage = new AsyncLocalStorage<string>();
  for (let n = 0; n < 100; n++) await bus.publish('s', n, { key: String(n) });
  const seen = new Set<unknown>();
  const handler = async () => {
    seen.add(storage.getStore());
    await bus.publish('t', 1);
    seen.add(storage.getStore());
  };
  await storage.run('around', () => bus.consume('s', 'g').run(handler, { untilIdle: true }));
  assert.deepEqual([...seen], ['around']);
  await bus.close();
});

both('a_failing_handler_is_told', async ({ bus }) => {
  await bus.publish('s', 1);
  const warned = once(process, 'warning') as Promise<[Error & { code?: string; detail?: string }]>;
  await bus.consume('s', 'g', { ...quick, maxAttempts: 1 }).run(
    () => {
      throw new Error('it broke');
    },
    { untilIdle: true },
  );
  const [warning] = await warned;
  assert.match(warning.message, /^a handler failed; <Delivery .* of .*, attempt 1> is retried unless it was the last$/);
  assert.equal(warning.code, 'STARGAZER_HANDLER_FAILED');
  assert.match(String(warning.detail), /it broke/);
});

both('what cannot be looked at may be thrown', async ({ bus, dead }) => {
  await bus.publish('s', 1);
  const thrown = Object.defineProperty(new Error(), 'message', {
    get: () => {
      throw new Error('no');
    },
  });
  await bus.consume('s', 'g', { ...quick, maxAttempts: 1 }).run(
    () => {
      throw thrown;
    },
    { untilIdle: true },
  );
  const [letter] = await bus.entries(dead);
  assert.equal(letter?.text('error'), 'something was thrown whose text cannot be read');
});

test('what cannot be run is refused before a delivery is taken', async () => {
  await using bus = await connect('memory://');
  await bus.publish('s', 1);
  await using consumer = bus.consume('s', 'g');
  const run = consumer.run.bind(consumer) as (handler: unknown, options?: unknown) => Promise<void>;
  for (const [handler, options, field] of [
    [null, undefined, 'handler'],
    ['x', undefined, 'handler'],
    [() => {}, null, 'options'],
    [() => {}, { until_idle: true }, 'until_idle'],
  ] as const) {
    await assert.rejects(run(handler, options), (error: StargazerError) => {
      assert.ok(error instanceof InvalidError);
      assert.equal(error.context.field, field);
      return true;
    });
  }
  const left = await bus.entries('s');
  assert.equal(left.length, 1);
});
