/** Pulling: iteration, batches, outcomes, and what is in hand when one leaves. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type Bus,
  ClosedError,
  type Consumer,
  connect,
  InvalidError,
  inbound,
  type Outbound,
  Outcome,
  TimeoutError,
} from '@stargazer/core';
import { both } from './fixture.mjs';

/** The next one, which must come. */
async function next<T>(consumer: Consumer<T>) {
  const { value } = await consumer.next({ timeoutMs: 5000 });
  assert.ok(value !== undefined);
  return value;
}

both('a_delivery_says_what_it_is', async ({ bus }) => {
  const sent = inbound('web', {
    channel: 'c1',
    user: 'u1',
    text: 'Grüße 👩‍👩‍👧‍👦',
    trace_id: 'trace',
    extra: { n: 2 ** 40 },
  });
  const receipt = await bus.publishInbound(sent, { messageId: 'm1', traceparent: '00-parent' });
  const d = await next(bus.consumeInbound());
  assert.deepEqual(
    [d.id, d.stream, d.lane, d.attempt, d.redelivered, d.traceId, d.messageId, d.cancelled],
    [receipt.id, receipt.stream, 'web:c1', 1, false, 'trace', 'm1', false],
  );
  assert.deepEqual(d.data, sent);
  assert.equal(d.field('tp')?.toString(), '00-parent');
  assert.equal(d.field('nothing'), undefined);
  assert.ok(d.raw.length > 100);
  assert.equal(d.signal.aborted, false);
});

both('a_receipt_tells_where_the_entry_is_stored', async ({ bus }, t) => {
  const receipt = await bus.publish('s', { n: 1 });
  assert.equal(receipt.durability, t.name === 'on memory' ? 'memory' : 'server');
  assert.equal(receipt.duplicate, false);
  assert.deepEqual(
    (await bus.entries('s')).map((entry) => [entry.id, entry.data]),
    [[receipt.id, { n: 1 }]],
  );
  const info = await bus.streamInfo('s');
  assert.deepEqual([info.length, info.lastId, info.firstEntry], [1, receipt.id, receipt.id]);
});

both('a_capped_stream_tells_the_time_to_loss', async ({ bus: other, again }) => {
  const bus = await again({ retention: 'capped', maxLen: 1000 });
  const timeToLoss = async (of: Bus) => (await of.streamInfo('s')).groups[0]?.timeToLossMs;
  const ms = ({ id }: { id: string }) => Number(id.split('-')[0]);
  const consumer = bus.consume('s', 'g');
  await consumer.open();
  assert.equal(await timeToLoss(bus), undefined);
  const first = await bus.publish('s', 0);
  let [last, count] = [first, 1];
  for (; ms(last) === ms(first); count++) last = await bus.publish('s', 0);
  const delivery = await next(consumer);
  assert.equal(await timeToLoss(bus), Math.floor(((ms(last) - ms(first)) * (1000 - count)) / (count - 1)));
  assert.equal(await timeToLoss(other), undefined);
  await Promise.all(Array.from({ length: 1300 }, (_, n) => bus.publish('s', n)));
  assert.equal(await timeToLoss(bus), 0);
  await delivery.ack();
  await consumer.close();
});

both('replicas_that_are_not_there_are_waited_for_and_told', async ({ again }, t) => {
  const inMemory = t.name === 'on memory';
  const bus = await again({ publishTimeoutMs: 100, replicaTimeoutMs: 50 });
  await assert.rejects(bus.publish('s', { n: 1 }, { messageId: 'm', waitReplicas: 1 }), (error: unknown) => {
    assert.ok(error instanceof (inMemory ? InvalidError : TimeoutError));
    assert.equal(error.context.stored, inMemory ? 'no' : 'unknown');
    return true;
  });
  const second = await bus.publish('s', { n: 1 }, { messageId: 'm', waitReplicas: 0 });
  assert.equal(second.duplicate, !inMemory);
  assert.equal((await bus.entries('s')).length, 1);
});

both('the_doctor_names_what_it_looked_at', async ({ bus }, t) => {
  const findings = new Map((await bus.doctor()).map((finding) => [finding.check, finding]));
  assert.deepEqual([findings.get('version')?.level, findings.get('version')?.advice], ['ok', '']);
  if (t.name === 'on memory') return;
  assert.deepEqual(
    ['eviction', 'rights', 'persistence'].map((check) => findings.get(check)?.level),
    ['ok', 'ok', 'warning'],
  );
});

both('a_message_id_is_stored_once', async ({ bus }) => {
  const first = await bus.publish('s', { n: 1 }, { messageId: 'm' });
  const second = await bus.publish('s', { n: 1 }, { messageId: 'm' });
  assert.deepEqual([second.id, first.duplicate, second.duplicate], [first.id, false, true]);
  assert.equal((await bus.streamInfo('s')).length, 1);
});

both('publishes_keep_their_order', async ({ bus }) => {
  const receipts = await Promise.all(Array.from({ length: 500 }, (_, n) => bus.publish('s', n, { key: 'k' })));
  const read: unknown[] = [];
  const consumer = bus.consume<number>('s', 'g');
  await consumer.run((n, d) => void read.push([n, d.id]), { untilIdle: true });
  assert.deepEqual(
    read,
    receipts.map(({ id }, n) => [n, id]),
  );
});

both('leaving_releases_what_is_in_hand', async ({ bus }) => {
  for (let n = 0; n < 5; n++) await bus.publish('s', n, { key: String(n) });
  for await (const d of bus.consume('s', 'g')) {
    assert.equal(d.data, 0);
    await d.ack();
    break;
  }
  for await (const d of bus.consume('s', 'g')) {
    assert.equal(d.data, 1);
    break;
  }
  assert.equal((await bus.pending('s', 'g')).count, 4);
  const left = await bus.consume('s', 'g').nextBatch(10);
  assert.ok(left.length > 0);
  assert.ok(left.every((d) => d.attempt === 1));
});

both('await_using_closes_a_consumer', async ({ bus }) => {
  await bus.publish('s', 1);
  let kept: Consumer<unknown>;
  {
    await using consumer = bus.consume('s', 'g');
    kept = consumer;
    await next(consumer);
  }
  assert.deepEqual(await kept.next(), { done: true, value: undefined });
  await assert.rejects(kept.open(), ClosedError);
  assert.equal((await next(bus.consume('s', 'g'))).data, 1);
});

both('a_release_is_not_counted', async ({ bus }) => {
  await bus.publish('s', 1);
  const consumer = bus.consume('s', 'g');
  await (await next(consumer)).release();
  const again = await next(consumer);
  assert.deepEqual([again.data, again.attempt], [1, 1]);
  await again.ack();
});

both('a_retry_waits_as_long_as_asked', async ({ bus }) => {
  await bus.publish('s', 1, { key: 'k' });
  await bus.publish('s', 2, { key: 'k' });
  const consumer = bus.consume('s', 'g');
  const start = performance.now();
  await (await next(consumer)).retry({ afterMs: 150 });
  const again = await next(consumer);
  assert.ok(performance.now() - start >= 145);
  assert.deepEqual([again.data, again.attempt, again.redelivered], [1, 2, true]);
  await again.ack();
  assert.equal((await next(consumer)).data, 2);
});

both('a_reject_is_dead_lettered_at_once', async ({ bus, dead }) => {
  const { id, stream } = await bus.publish('s', { n: 1 }, { key: 'k', traceId: 'trace' });
  const consumer = bus.consume('s', 'g');
  const d = await next(consumer);
  const raw = Buffer.from(d.raw);
  await d.reject('not for us');
  await consumer.close();
  const [letter, ...others] = await bus.entries(dead);
  assert.equal(others.length, 0);
  assert.deepEqual(letter?.raw, raw);
  const said = ['original_stream', 'original_msg_id', 'error', 'attempt', 'trace_id', 'group', 'key', 'reason'];
  assert.deepEqual(
    said.map((name) => letter?.text(name)),
    [stream, id, 'not for us', '1', 'trace', 'g', 'k', 'rejected'],
  );
  assert.equal((await bus.pending('s', 'g')).count, 0);
});

both('the_first_outcome_counts', async ({ bus, dead }) => {
  await bus.publish('s', 1);
  const consumer = bus.consume('s', 'g');
  const d = await next(consumer);
  await d.ack();
  await d.reject('too late');
  await consumer.close();
  assert.equal((await bus.pending('s', 'g')).count, 0);
  assert.deepEqual(await bus.entries(dead), []);
});

both('nothing_in_time_is_a_timeout', async ({ bus }) => {
  const consumer = bus.consume('s', 'g');
  const start = performance.now();
  await assert.rejects(consumer.next({ timeoutMs: 60 }), TimeoutError);
  assert.ok(performance.now() - start >= 55);
  await bus.publish('s', 1);
  assert.equal((await next(consumer)).data, 1);
});

both('a_batch_holds_what_is_there', async ({ bus }) => {
  await Promise.all(Array.from({ length: 10 }, (_, n) => bus.publish('s', n, { key: String(n) })));
  const consumer = bus.consume('s', 'g');
  const read: unknown[] = [];
  while (read.length < 10) {
    const batch = await consumer.nextBatch(4, { timeoutMs: 5000 });
    assert.ok(batch.length >= 1 && batch.length <= 4);
    for (const d of batch) {
      read.push(d.data);
      void d.ack();
    }
  }
  assert.deepEqual(read, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  await assert.rejects(consumer.nextBatch(0), InvalidError);
  await consumer.close();
  assert.deepEqual(await consumer.nextBatch(1), []);
  assert.equal((await bus.pending('s', 'g')).count, 0);
});

both('closing_ends_those_who_wait', async ({ bus, again }) => {
  const consumer = bus.consume('s', 'g');
  await consumer.open();
  const waiting = [consumer.next(), consumer.next()];
  await consumer.close();
  await consumer.close();
  for (const { done } of await Promise.all(waiting)) assert.equal(done, true);

  const other = await again();
  const there = other.consume('s', 'g');
  await there.open();
  const pending = there.next();
  await other.close();
  assert.equal((await pending).done, true);
});

both('a_delivery_carries_a_bus', async ({ bus }) => {
  await bus.publishInbound(inbound('web', { channel: 'c1', user: 'u1', text: 'hi' }));
  const d = await next(bus.consumeInbound());
  const fenced = d.bus;
  assert.equal(d.bus, fenced);
  void fenced.publishOutbound('web', { type: 'message', channel_id: 'c1', text: 'published before the ack' });
  await d.ack();
  const answer = await next(bus.consumeOutbound('web'));
  const { text, platform } = answer.data as Outbound;
  assert.deepEqual([text, platform], ['published before the ack', 'web']);
});

test('a bus of a settled delivery must have been taken before', async () => {
  const bus = await connect('memory://');
  await bus.publish('s', 1);
  const d = await next(bus.consume('s', 'g'));
  await d.ack();
  assert.throws(() => d.bus, ClosedError);
  await bus.close();
});

test('an outcome that is none is refused, and the delivery stays in hand', async () => {
  const bus = await connect('memory://');
  await bus.publish('s', 1);
  const consumer = bus.consume('s', 'g');
  const d = await next(consumer);
  await assert.rejects(d.reject(5 as unknown as string), InvalidError);
  await assert.rejects(d.retry({ afterMs: -1 }), InvalidError);
  await assert.rejects(d.retry({ reason: 5 as unknown as string }), InvalidError);
  await assert.rejects(d.settle({ kind: 'ack' } as unknown as Outcome), InvalidError);
  assert.equal((await bus.pending('s', 'g')).count, 1);
  await d.settle(Outcome.ack());
  await consumer.close();
  assert.equal((await bus.pending('s', 'g')).count, 0);
  await bus.close();
});
