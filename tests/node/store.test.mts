/** What the server keeps under keys: the same words and answers as in Rust, where each is proven in depth. */

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { ConflictError, type Heard, InvalidError } from '@stargazer/core';
import { both, until } from './fixture.mjs';

const key = () => `t:${randomUUID()}`;
const text = (value: Uint8Array | null) => (value === null ? null : Buffer.from(value).toString());

both('texts_are_bytes_and_conditions_hold', async ({ bus }) => {
  const [store, k] = [bus.store(), key()];
  assert.equal(await store.get(k), null);
  await store.set(k, Buffer.from([0, 255]));
  assert.deepEqual(await store.get(k), Buffer.from([0, 255]));
  assert.equal(await store.setIfAbsent(k, 'other'), false);
  assert.equal(await store.compareAndSet(k, 'other', 'new'), false);
  assert.equal(await store.compareAndSet(k, Buffer.from([0, 255]), 'Ü'), true);
  assert.equal(text(await store.get(k)), 'Ü');
  assert.equal(await store.compareAndDelete(k, 'other'), false);
  assert.equal(await store.exists(k), true);
  assert.equal(await store.compareAndDelete(k, 'Ü'), true);
  assert.equal(await store.exists(k), false);
  assert.equal(await store.setIfAbsent(k, 'again'), true);
  assert.equal(await store.delete(k, `${k}:none`), 1);
  assert.equal(await store.delete(), 0);
});

both('keys_end_with_their_time', async ({ bus }) => {
  const [store, k] = [bus.store(), key()];
  await store.set(k, 'x', { ttlMs: 100_000 });
  const left = (await store.timeToLive(k)) ?? 0;
  assert.ok(left > 99_000 && left <= 100_000);
  await store.set(k, 'x');
  assert.equal(await store.timeToLive(k), null);
  assert.equal(await store.expire(k, 20), true);
  await until('it is gone', async () => !(await store.exists(k)));
  assert.equal(await store.expire(k, 1000), false);
});

both('counters_count', async ({ bus }) => {
  const [store, k] = [bus.store(), key()];
  assert.deepEqual([await store.increment(k), await store.increment(k, 10), await store.increment(k, -1)], [1, 11, 10]);
  assert.equal(await store.increment(`${k}b`, 2n ** 53n + 1n), 2n ** 53n + 1n);
  assert.equal(await store.hashIncrement(`${k}h`, 'f', 5), 5);
  assert.equal(await store.hashIncrement(`${k}h`, 'f'), 6);
  const most = 999_999_999_999_999_999n;
  for (const count of [
    (by: number | bigint) => store.increment(`${k}m`, by),
    (by: number | bigint) => store.hashIncrement(`${k}h`, 'm', by),
  ]) {
    assert.equal(await count(most), most);
    for (const by of [1, most, 10n ** 18n, 2n ** 63n, 2n ** 70n]) {
      await assert.rejects(async () => count(by), InvalidError);
    }
    assert.equal(await count(-1), most - 1n, 'it counts on');
  }
});

both('hashes_keep_fields', async ({ bus }) => {
  const [store, k] = [bus.store(), key()];
  assert.equal(await store.hashSet(k, { a: '1', b: Buffer.from([255]) }, { ttlMs: 50_000 }), 2);
  assert.equal(await store.hashSet(k, { a: '2' }), 0);
  assert.equal(text(await store.hashGet(k, 'a')), '2');
  assert.equal(await store.hashGet(k, 'c'), null);
  assert.deepEqual({ ...(await store.hashGetAll(k)) }, { a: Buffer.from('2'), b: Buffer.from([255]) });
  assert.equal(await store.hashSetIfAbsent(k, 'a', '3'), false);
  assert.equal(await store.hashSetIfAbsent(k, 'c', '3'), true);
  assert.equal(await store.hashExists(k, 'c'), true);
  assert.equal(await store.hashLen(k), 3);
  assert.equal(await store.hashDelete(k, 'a', 'x'), 1);
  assert.notEqual(await store.timeToLive(k), null);
});

both('sets_keep_members', async ({ bus }) => {
  const [store, k] = [bus.store(), key()];
  assert.equal(await store.setAdd(k, ['a', Buffer.from([255]), 'a']), 2);
  assert.deepEqual((await store.setMembers(k)).sort(Buffer.compare), [Buffer.from('a'), Buffer.from([255])]);
  assert.equal(await store.setContains(k, Buffer.from([255])), true);
  assert.equal(await store.setRemove(k, ['a', 'b']), 1);
  assert.equal(await store.setContains(k, 'a'), false);
});

both('sorted_sets_are_read_by_score', async ({ bus }) => {
  const [store, k] = [bus.store(), key()];
  const members: [string, number][] = [
    ['b', 2],
    ['a', 2],
    ['c', -1.5],
  ];
  assert.equal(await store.sortedAdd(k, members), 3);
  const named = async (...range: [number?, number?, { count?: number }?]) =>
    (await store.sortedRange(k, ...range)).map(([member, score]) => [text(member), score]);
  assert.deepEqual(await named(), [
    ['c', -1.5],
    ['a', 2],
    ['b', 2],
  ]);
  assert.deepEqual(await named(0, Infinity, { count: 1 }), [['a', 2]]);
  assert.equal(await store.sortedRemove(k, ['a', 'x']), 1);
});

both('lists_keep_their_order', async ({ bus }) => {
  const [store, k] = [bus.store(), key()];
  assert.equal(await store.listPush(k, ['a', 'b']), 2);
  assert.equal(await store.listPush(k, ['c'], { ttlMs: 50_000 }), 3);
  assert.deepEqual((await store.listRange(k)).map(text), ['a', 'b', 'c']);
  assert.deepEqual((await store.listRange(k, -2, -1)).map(text), ['b', 'c']);
  await store.listTrim(k, 1, -1);
  const popped = [await store.listPop(k), await store.listPop(k), await store.listPop(k)];
  assert.deepEqual(popped.map(text), ['b', 'c', null]);
});

both('a_batch_is_carried_out_as_a_whole', async ({ bus }) => {
  const [store, k] = [bus.store(), key()];
  assert.deepEqual(await store.batch().commit(), []);
  const batch = store
    .batch()
    .set(k, 'v')
    .hashSet(`${k}h`, { f: '1' })
    .increment(`${k}n`, 5)
    .setAdd(`${k}s`, ['m'])
    .listPush(`${k}l`, ['x'])
    .logAppend(`${k}g`, { f: '1' })
    .setIfAbsent(k, 'w');
  assert.equal(batch.length, 7);
  const answers = await batch.commit();
  assert.deepEqual(answers.slice(0, 5), [true, 1, 5, 1, 1]);
  assert.equal(answers[6], false);
  assert.equal((await store.logRead(`${k}g`))[0]?.id, answers[5]);
  const mixed = store.batch().set(`${k}new`, 'x').hashSet(k, { f: '1' });
  await assert.rejects(mixed.commit(), InvalidError);
  assert.equal(await store.exists(`${k}new`), false);
});

both('a_batch_hangs_on_its_conditions', async ({ bus }) => {
  const [store, k] = [bus.store(), key()];
  await store.setAdd(k, ['member']);
  await store.batch().requireMember(k, 'member').requireAbsent(`${k}a`).set(`${k}a`, '1').commit();
  const unmet = async (batch: Promise<unknown>, place: string) => {
    await assert.rejects(batch, (error: Error) => error instanceof ConflictError && error.context.unmet === place);
  };
  await unmet(store.batch().set(`${k}b`, '2').requireAbsent(`${k}a`).commit(), '1');
  await unmet(store.batch().requireMember(k, 'other').set(`${k}b`, '2').commit(), '0');
  assert.equal(await store.exists(`${k}b`), false);
});

both('a_key_of_another_kind_is_told', async ({ bus }) => {
  const [store, k] = [bus.store(), key()];
  await store.listPush(k, ['a']);
  await assert.rejects(store.get(k), /list/);
});

both('a_log_is_read_from_any_place', async ({ bus }) => {
  const [store, k] = [bus.store(), key()];
  assert.equal(await store.logLast(k), '0-0');
  const ids: string[] = [];
  for (let n = 0; n < 5; n++) ids.push(await store.logAppend(k, { n: String(n) }, { maxLen: 1000 }));
  assert.equal(await store.logLast(k), ids.at(-1));
  assert.deepEqual(
    (await store.logRead(k)).map((entry) => entry.id),
    ids,
  );
  const [entry] = await store.logRead(k, ids[1], { count: 1 });
  assert.deepEqual([entry?.id, text(entry?.fields.n ?? null)], [ids[2], '2']);
  assert.equal(await store.logTrim(k, ids[1] as string), 2);
  assert.equal((await store.logRead(k)).length, 3);
  await assert.rejects(store.logRead(k, 'no id'), InvalidError);
});

both('a_tail_hears_of_what_comes', async ({ bus }) => {
  const [store, k] = [bus.store(), key()];
  assert.deepEqual(await store.logTail(k, '0-0', { waitMs: 10 }), []);
  const tail = store.logTail(k, '0-0', { waitMs: 30_000 });
  const written = await store.logAppend(k, { a: 'b' });
  assert.deepEqual(
    (await tail).map((entry) => entry.id),
    [written],
  );
});

both('notifications_reach_those_who_listen', async ({ bus }) => {
  const [store, k] = [bus.store(), key()];
  assert.equal(await store.notify(k, 'nobody'), 0);
  const ear = await store.subscribe(k, `${k}2`);
  assert.equal(await store.notify(k, Buffer.from([255])), 1);
  await store.notify(`${k}2`, 'second');
  assert.deepEqual(
    [await ear.next(), await ear.next()],
    [
      { lost: false, channel: k, payload: Buffer.from([255]) },
      { lost: false, channel: `${k}2`, payload: Buffer.from('second') },
    ],
  );
  ear.close();
  assert.equal(await ear.next(), undefined);
  await assert.rejects(store.subscribe(), /channel/);
  const still = await store.subscribe(k);
  await bus.close();
  const heard: Heard[] = [];
  for await (const one of still) heard.push(one);
  assert.deepEqual(heard, []);
});

both('wrong arguments of the store are named', async ({ bus }) => {
  const [store, k] = [bus.store(), key()];
  const named = (call: Promise<unknown>, name: string) =>
    assert.rejects(call, (error: Error) => error instanceof InvalidError && error.context.field === name);
  await named(store.set(k, 5 as unknown as string), 'value');
  await named(store.set(k, 'x', { ttlMs: -1 }), 'ttlMs');
  await named(store.hashSet(k, { a: 1 as unknown as string }), 'fields');
  await named(store.logTrim(k, undefined as unknown as string), 'upTo');
});
