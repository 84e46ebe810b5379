/** Dead letters: looked at, put back, thrown away; and what a consumer tells about them. */

import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import path from 'node:path';
import test from 'node:test';
import {
  type Bus,
  ConflictError,
  type DeadLetter,
  FullError,
  InvalidError,
  type LetterFilter,
  type LetterQuery,
  MalformedError,
  NotFoundError,
  type Notice,
  Reject,
} from '@stargazer/core';
import { root } from '../harness/server.mjs';
import { bench, both, theServer } from './fixture.mjs';
import { command } from './raw.mjs';

let messages = 0;

/** Publishes to `orders`, once for each lane, and dead-letters it: by failing in the lane `fails`. */
async function bury(bus: Bus, lanes: string[], body: unknown = { text: 'x' }): Promise<void> {
  for (const lane of lanes) {
    await bus.publish('orders', body, { key: lane, messageId: `m${++messages}`, traceId: 'trace-1' });
    await using consumer = bus.consume('orders', 'g', { name: 'w', maxAttempts: 1 });
    const handler = () => {
      if (lane === 'fails') throw new Error('it broke');
      throw new Reject(`not for us: ${lane}`);
    };
    await consumer.run(handler, { untilIdle: true });
  }
}

async function one(bus: Bus): Promise<DeadLetter> {
  const { letters } = await bus.deadLetters().list();
  assert.equal(letters.length, 1);
  return letters[0] as DeadLetter;
}

const length = async (bus: Bus) => (await bus.streamInfo('orders')).length;

both('dead_letters_are_counted_and_listed', async ({ bus, dead }) => {
  const letters = bus.deadLetters();
  const empty = await letters.inspect();
  assert.deepEqual([empty.count, empty.oldest, empty.complete, empty.many], [0, null, true, false]);
  const before = Date.now() - 60_000;
  await bury(bus, ['fails', 'a', 'b', 'a', 'fails']);
  const summary = await letters.inspect();
  assert.deepEqual([summary.count, summary.matching, summary.problems], [5, 5, 0]);
  assert.deepEqual({ ...summary.reasons }, { max_attempts: 2, rejected: 3 });
  assert.ok((summary.oldest ?? 0) > before && (summary.newest ?? 0) >= (summary.oldest ?? 0));

  const page = await letters.list();
  assert.deepEqual([page.letters.length, page.cursor], [5, null]);
  const oldest = page.letters.map((letter) => letter.id).reverse();
  for (const oldestFirst of [true, false]) {
    const seen: string[] = [];
    const query: LetterQuery = { limit: 2, oldestFirst };
    while (true) {
      const part = await letters.list(query);
      seen.push(...part.letters.map((letter) => letter.id));
      if (part.cursor === null) break;
      query.cursor = part.cursor;
    }
    assert.deepEqual(seen, oldestFirst ? oldest : [...oldest].reverse());
  }

  const first = page.letters.at(-1) as DeadLetter;
  assert.deepEqual([first.reason, first.error, first.lane], ['max_attempts', 'Error: it broke', 'fails']);
  assert.deepEqual([first.attempts, first.group, first.traceId, first.problem], [1, 'g', 'trace-1', null]);
  assert.deepEqual(first.data, { text: 'x' });
  assert.ok(before < first.firstAt && first.firstAt <= first.deadAt);
  assert.deepEqual(await letters.get(first.id), first);

  const filters: [LetterFilter, number][] = [
    [{ reason: 'rejected' }, 3],
    [{ lane: 'a' }, 2],
    [{ stream: 'orders' }, 5],
    [{ stream: 'others' }, 0],
    [{ consumer: 'w' }, 5],
    [{ text: 'FOR US: B' }, 1],
    [{ minAttempts: 2 }, 0],
    [{ since: before }, 5],
    [{ until: new Date(before) }, 0],
    [{ messageId: first.messageId as string, replayable: true }, 1],
  ];
  for (const [filter, count] of filters) {
    assert.equal((await letters.list(filter)).letters.length, count, JSON.stringify(filter));
  }
  assert.equal((await bus.deadLetters(dead).inspect()).count, 5);
  await assert.rejects(letters.get('1-1'), NotFoundError);
});

both('wrong arguments are named', async ({ bus }) => {
  const letters = bus.deadLetters();
  const wrong: [() => Promise<unknown>, string][] = [
    [() => letters.list({ limit: 0 }), 'limit'],
    [() => letters.list({ lane: 1 as unknown as string }), 'lane'],
    [() => letters.list({ since: 'now' as unknown as number }), 'since'],
    [() => letters.list({ colour: 'red' } as LetterFilter), 'colour'],
    [() => letters.get('x'), 'id'],
    [() => letters.replay(undefined as unknown as 'all'), 'which'],
    [() => letters.replay({}), 'ids'],
    [() => letters.replay('all', { rate: -1 }), 'rate'],
    [() => letters.discard({ lane: 'a' } as LetterFilter & { count: number }), 'count'],
  ];
  for (const [call, field] of wrong) {
    await assert.rejects(call, (error) => error instanceof InvalidError && error.context.field === field, field);
  }
});

both('a_replayed_entry_is_the_same_and_keeps_its_history', async ({ bus }) => {
  await bury(bus, ['fails']);
  const letters = bus.deadLetters();
  const letter = await one(bus);
  const report = await letters.replay([letter.id]);
  assert.deepEqual([report.failed, report.more], [[], false]);
  const [entry] = await bus.entries('orders');
  assert.deepEqual({ ...report.replayed[0] }, { letter: letter.id, stream: letter.stream, id: entry?.id });
  assert.deepEqual(entry?.raw, letter.raw);
  const receipt = await bus.publish('orders', {}, { messageId: letter.messageId as string });
  assert.deepEqual([receipt.id, receipt.duplicate], [entry?.id, true]);
  await using consumer = bus.consume('orders', 'g');
  const { value: d } = await consumer.next({ timeoutMs: 5000 });
  assert.deepEqual([d?.attempt, d?.redelivered, d?.replays], [1, true, 1]);
  assert.deepEqual([d?.lane, d?.messageId, d?.traceId], ['fails', letter.messageId, 'trace-1']);
  await d?.reject('again');
  await consumer.close();
  const again = await one(bus);
  assert.deepEqual([again.error, again.replays, again.history.length], ['again', 1, 1]);
  const past = again.history[0];
  assert.deepEqual(
    [past?.reason, past?.error, past?.entry, past?.attempts],
    ['max_attempts', 'Error: it broke', letter.entry, 1],
  );
  assert.ok((past?.replayedAt ?? 0) >= (past?.deadAt ?? Number.POSITIVE_INFINITY));
});

both('a_replay_repeated_stores_once', async ({ bus }) => {
  await bury(bus, ['a']);
  const letters = bus.deadLetters();
  const { id } = await one(bus);
  const first = await letters.replay([id]);
  const second = await letters.replay([id]);
  assert.equal(second.replayed[0]?.id, first.replayed[0]?.id);
  assert.equal(second.replayed[0]?.stream, null);
  assert.equal(await length(bus), 1);
  const never = await letters.replay(['1-1']);
  assert.ok(never.failed[0]?.error instanceof NotFoundError);
});

both(
  'a_replay_into_a_full_stream_keeps_the_letter',
  async ({ bus }) => {
    await bury(bus, ['a', 'a', 'a']);
    await bus.publish('orders', 1);
    const letters = bus.deadLetters();
    const report = await letters.replay('all');
    assert.deepEqual([report.replayed.length, report.more], [1, true]);
    assert.ok(report.failed[0]?.error instanceof FullError);
    const kept = (await letters.list()).letters.map((letter) => letter.id);
    assert.ok(kept.includes(report.failed[0]?.letter as string));
    assert.equal(await length(bus), 2);
  },
  { cap: 2 },
);

both('letters_are_replayed_by_filter', async ({ bus }) => {
  await bury(bus, ['a', 'fails', 'a', 'a']);
  const letters = bus.deadLetters();
  const planned = await letters.replay({ lane: 'a' }, { limit: 2, dryRun: true });
  assert.deepEqual([planned.replayed.map((letter) => letter.id), planned.more], [[null, null], true]);
  assert.equal(await length(bus), 0);
  const report = await letters.replay({ lane: 'a' }, { limit: 2 });
  assert.deepEqual(
    report.replayed.map((letter) => letter.letter),
    planned.replayed.map((letter) => letter.letter),
  );
  assert.deepEqual([await length(bus), report.more], [2, true]);
  const rest = await letters.replay({ lane: 'a' }, { rate: 1000 });
  assert.deepEqual([rest.replayed.length, rest.more], [1, false]);
  assert.equal((await letters.inspect()).count, 1);
});

both('discarding_by_filter_needs_the_right_count', async ({ bus }) => {
  await bury(bus, ['a', 'fails', 'a']);
  const letters = bus.deadLetters();
  for (const count of [1, 3]) {
    const refused = (error: unknown) => error instanceof ConflictError && error.context.found === '2';
    await assert.rejects(letters.discard({ lane: 'a', count }), refused);
  }
  const removed = await letters.discard({ lane: 'a', count: 2 });
  assert.deepEqual(
    removed.map((letter) => letter.lane),
    ['a', 'a'],
  );
  const left = await one(bus);
  assert.deepEqual(await letters.discard([left.id, '1-1']), [left]);
  assert.equal((await letters.inspect()).count, 0);
});

test('letters_of_the_original_can_be_replayed', async (t) => {
  const server = await theServer();
  const { bus, dead } = await bench(t, server.url);
  const { stream } = await bus.publish('orders', { first: true });
  const original = {
    original_stream: stream,
    original_msg_id: '7-0',
    error: 'boom',
    attempt: '3',
    data: Buffer.from('81a474657874a178', 'hex'),
    ts: '1.5',
    trace_id: 't',
  };
  await command(server.about.port, 'XADD', dead, '*', ...Object.entries(original).flat());
  const letter = await one(bus);
  assert.deepEqual([letter.reason, letter.attempts, letter.firstAt, letter.problem], ['unknown', 3, 7, null]);
  const report = await bus.deadLetters().replay([letter.id]);
  const [, entry] = await bus.entries('orders');
  assert.equal(report.replayed[0]?.id, entry?.id);
  assert.deepEqual(entry?.data, { text: 'x' });
});

both('a_letter_that_is_none_can_only_be_discarded', async ({ bus, dead }) => {
  await bus.publish(dead, { what: 1 });
  await bury(bus, ['a']);
  const letters = bus.deadLetters();
  const [good, junk] = (await letters.list()).letters;
  assert.equal(good?.problem, null);
  assert.equal(typeof junk?.problem, 'string');
  assert.equal((await letters.inspect({ replayable: false })).matching, 1);
  const report = await letters.replay('all');
  assert.ok(report.failed[0]?.letter === junk?.id && report.failed[0]?.error instanceof MalformedError);
  assert.equal(report.replayed.length, 1);
  assert.deepEqual(
    (await letters.discard([junk?.id as string])).map((letter) => letter.id),
    [junk?.id],
  );
});

both('a_big_body_lives_as_long_as_its_letter', async ({ bus }) => {
  const big = { text: 'big'.repeat(40_000) };
  await bury(bus, ['a'], big);
  const letters = bus.deadLetters();
  const letter = await one(bus);
  assert.deepEqual([letter.raw.length, letter.bodyBytes > 120_000], [0, true]);
  assert.deepEqual((await letters.get(letter.id)).data, big);
  await letters.replay([letter.id]);
  await using consumer = bus.consume('orders', 'g');
  const { value: d } = await consumer.next({ timeoutMs: 5000 });
  assert.deepEqual(d?.data, big);
  await d?.reject('again');
  await consumer.close();
  const again = await one(bus);
  assert.deepEqual((await letters.get(again.id)).data, big);
  await letters.discard([again.id]);
});

both('notices_tell_what_happens_until_the_end', async ({ bus }) => {
  const consumer = bus.consume('orders', 'g');
  await consumer.open();
  const notices: Notice[] = [];
  const listening = (async () => {
    for await (const notice of consumer.notices()) notices.push(notice);
  })();
  await bus.publish('orders', 1);
  const { value: d } = await consumer.next({ timeoutMs: 5000 });
  await d?.reject('no');
  await consumer.close();
  await listening;
  const told = notices.find((notice) => notice.kind === 'dead_lettered');
  assert.ok(told?.kind === 'dead_lettered' && told.id === d?.id && told.reason === 'rejected');
  for await (const notice of consumer.notices()) assert.fail(`told after the end: ${notice.kind}`);
});

test('every kind of notice has its word', () => {
  const load = createRequire(import.meta.url);
  const native = load(path.join(root, 'bindings/node/native.cjs')) as { noticeKinds(): string[] };
  const { KINDS } = load(path.join(root, 'bindings/node/lib/notice.js')) as { KINDS: string[] };
  assert.deepEqual([...KINDS, 'closed'].sort(), native.noticeKinds().sort());
});
