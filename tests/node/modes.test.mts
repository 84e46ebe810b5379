/** The ordering modes beside lanes: one consumer at a time, and the locks of the original. */

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Inbound, type InboundInput, inbound, TimeoutError } from '@stargazer/core';
import { bench, both, theServer, until } from './fixture.mjs';
import { command } from './raw.mjs';

const say = (channel: string, text: string): InboundInput => inbound('web', { channel, user: 'u1', text });

both('one_exclusive_consumer_works_and_another_takes_over', async ({ bus }) => {
  const seen: { who: number; channel: string; text: string }[] = [];
  const consumers = await Promise.all([0, 1].map(() => bus.consumeInbound({ ordering: 'exclusive' }).open()));
  const running = consumers.map((consumer, who) =>
    consumer.run(async (msg: Inbound) => {
      await sleep(1);
      seen.push({ who, channel: msg.channel_id, text: msg.content });
    }),
  );
  const publish = async (from: number, to: number) => {
    for (let n = from; n < to; n++) await bus.publishInbound(say(`c${n % 3}`, String(n).padStart(2, '0')));
  };
  await publish(0, 30);
  await until('the first half is handled', async () => seen.length >= 30);
  const [worker, ...others] = new Set(seen.map(({ who }) => who));
  assert.ok(worker !== undefined && others.length === 0, 'the other stands by');
  await consumers[worker]?.close();
  const start = performance.now();
  await publish(30, 60);
  await until('the second half is handled', async () => seen.length >= 60);
  // The default lease is 15 s: nobody waits for it.
  assert.ok(performance.now() - start < 8000);
  assert.deepEqual([...new Set(seen.slice(30).map(({ who }) => who))], [1 - worker]);
  for (const channel of ['c0', 'c1', 'c2']) {
    const texts = seen.filter((one) => one.channel === channel).map(({ text }) => text);
    assert.deepEqual(texts, [...texts].sort());
  }
  await consumers[1 - worker]?.close();
  await Promise.all(running);
});

both('locked_channels_run_one_at_a_time', async ({ bus }) => {
  const running = new Set<string>();
  const twice: string[] = [];
  let most = 0;
  let done = 0;
  const consumers = [0, 1].map(() => bus.consumeInbound({ ordering: 'lock', concurrency: 4 }));
  const tasks = consumers.map((consumer) =>
    consumer.run(async ({ channel_id }: Inbound) => {
      if (running.has(channel_id)) twice.push(channel_id);
      running.add(channel_id);
      most = Math.max(most, running.size);
      await sleep(5);
      running.delete(channel_id);
      done++;
    }),
  );
  for (let n = 0; n < 60; n++) await bus.publishInbound(say(`c${n % 3}`, 'x'));
  await until('all are handled', async () => done >= 60);
  await Promise.all(consumers.map((consumer) => consumer.close()));
  await Promise.all(tasks);
  assert.deepEqual([twice, done], [[], 60]);
  assert.ok(most > 1, 'channels run side by side');
});

test('a_channel_that_another_program_locked_waits', async (t) => {
  const { url } = await theServer();
  const port = Number(new URL(url).port);
  const { bus } = await bench(t, url);
  const channel = `c-${randomUUID().slice(0, 8)}`;
  for (const id of [channel, `web:${channel}`]) {
    const theirs = `sg:lock:channel:${id}`;
    const lock = async () => (await command(port, 'SET', theirs, 'theirs', 'NX', 'EX', '30')) === '+OK';
    assert.ok(await lock());
    await bus.publishInbound(say(channel, 'waits'));
    await bus.publishInbound(say('free', 'runs'));
    const inbox = await bus.consumeInbound({ ordering: 'lock', lockId: 'both', lockTtlMs: 1000 }).open();
    const { value: first } = await inbox.next({ timeoutMs: 5000 });
    assert.equal(first?.data.content, 'runs');
    await first?.ack();
    await assert.rejects(inbox.next({ timeoutMs: 500 }), TimeoutError);
    assert.equal(await command(port, 'DEL', theirs), ':1');
    const { value: second } = await inbox.next({ timeoutMs: 5000 });
    assert.equal(second?.data.content, 'waits');
    for (let n = 0; n < 15; n++) {
      assert.ok(!(await lock()), 'it is ours and renewed');
      await sleep(100);
    }
    await second?.ack();
    await until('the lock is free', lock);
    await inbox.close();
    assert.equal(await command(port, 'DEL', theirs), ':1', 'closing touches no lock of others');
  }
});
