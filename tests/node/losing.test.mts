/** Consumers and servers that go away. */

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect, inbound, message, StaleError, TimeoutError, UnavailableError } from '@stargazer/core';
import { Server } from '../harness/server.mjs';
import { bench, both, names, quick, theServer, until } from './fixture.mjs';
import { command } from './raw.mjs';

const say = (channel: string, text: string) => inbound('web', { channel, user: 'u1', text });

/** Takes two deliveries and says so; then holds them until it is killed. */
const HOLDER = `
  import { connect } from '@stargazer/core';
  const [url, settings, quick] = process.argv.slice(1);
  const bus = await connect(url, JSON.parse(settings));
  const inbox = bus.consumeInbound(JSON.parse(quick));
  await inbox.next();
  await inbox.next();
  console.log('held');
  await inbox.next();
`;

test('the_work_of_a_dead_consumer_runs_elsewhere', async (t) => {
  const { url } = await theServer();
  const settings = names();
  const { bus } = await bench(t, url, settings);
  for (let n = 0; n < 6; n++) await bus.publishInbound(say(`c${n % 2}`, String(n)));
  const parameters = [url, JSON.stringify(settings), JSON.stringify(quick)];
  const holder = spawn(process.execPath, ['--input-type=module', '-e', HOLDER, '--', ...parameters], {
    cwd: import.meta.dirname,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(holder.stdout, 'data');
  holder.kill('SIGKILL');
  await once(holder, 'exit');
  const died = performance.now();
  const inbox = bus.consumeInbound(quick);
  const seen = new Map<string, [string, number, boolean][]>();
  for (let n = 0; n < 6; n++) {
    const { value: d } = await inbox.next({ timeoutMs: 15_000 });
    assert.ok(d !== undefined);
    const lane = d.lane ?? '';
    seen.set(lane, [...(seen.get(lane) ?? []), [d.data.content, d.attempt, d.redelivered]]);
    void d.ack();
  }
  assert.ok(performance.now() - died < 10_000);
  for (const [lane, texts] of [
    ['web:c0', ['0', '2', '4']],
    ['web:c1', ['1', '3', '5']],
  ] as const) {
    const found = seen.get(lane) ?? [];
    assert.deepEqual(
      found.map(([text]) => text),
      texts,
    );
    assert.deepEqual(found[0]?.slice(1), [2, true]);
  }
});

both('a_long_handler_runs_once', async ({ bus, again, inbound: stream }) => {
  await bus.publishInbound(say('c1', 'long'));
  let runs = 0;
  const handler = async () => {
    runs++;
    // Longer than lease and sweep.
    await sleep(4000);
  };
  const other = await again();
  await Promise.all([bus, other].map((from) => from.consumeInbound(quick).run(handler, { untilIdle: true })));
  await until('it is finished', async () => (await bus.streamInfo(stream)).length === 0);
  assert.equal(runs, 1);
});

test('a_settle_of_a_stale_session_is_refused', async (t) => {
  const server = await theServer();
  const settings = names();
  const { bus } = await bench(t, server.url, settings);
  await bus.publishInbound(say('c1', 'x'));
  const inbox = bus.consumeInbound();
  const { value: d } = await inbox.next();
  assert.ok(d !== undefined);
  // Somebody took the session over.
  const { port } = server.about;
  const key = `${settings.inboundStream}:${settings.workerGroup?.replaceAll(':', '%3A')}:consumers`;
  const { consumers } = await bus.pending(settings.inboundStream, settings.workerGroup as string);
  await command(port, 'HSET', key, [...consumers.keys()][0] as string, '9:other');
  await assert.rejects(d.bus.publishOutbound('web', message('c1', 'late')), StaleError);
  await d.ack();
  await assert.rejects(inbox.next({ timeoutMs: 1000 }), (error) => {
    return error instanceof StaleError || error instanceof TimeoutError;
  });
  const pending = await bus.pending(settings.inboundStream, settings.workerGroup as string);
  assert.equal(pending.count, 1, 'the refused ack finished nothing');
});

test('a lost lease aborts the signal of what is in hand', async () => {
  const server = await Server.start();
  const bus = await connect(server.url, { role: 'worker' });
  try {
    await bus.publishInbound(say('c1', 'x'));
    const { value: d } = await bus.consumeInbound({ leaseMs: 1000, sweepMs: 200 }).next();
    assert.ok(d !== undefined && !d.signal.aborted);
    const aborted = once(d.signal, 'abort');
    await server.pause();
    await aborted;
    assert.ok(d.cancelled && d.signal.reason instanceof StaleError);
    await server.resume();
    await d.ack();
    await bus.publishInbound(say('c2', 'reachable again'));
  } finally {
    await bus.close().finally(() => server.close());
  }
});

test('a_restarted_server_is_used_again', async (t) => {
  const server = await Server.start();
  const bus = await connect(server.url, { role: 'worker' });
  t.after(() => bus.close().finally(() => server.close()));
  await bus.publishInbound(say('c1', 'before'));
  const inbox = bus.consumeInbound(quick);
  const { value: first } = await inbox.next();
  assert.ok(first !== undefined);
  await first.ack();
  await until('the ack is stored', async () => (await bus.streamInfo(first.stream)).length === 0);
  await server.kill();
  await server.restart();
  const back = performance.now();
  const next = inbox.next({ timeoutMs: 20_000 });
  await until('the publish is taken', async () => {
    try {
      await bus.publishInbound(say('c1', 'after'));
      return true;
    } catch (error) {
      assert.ok(error instanceof UnavailableError, String(error));
      return false;
    }
  });
  assert.equal((await next).value?.data.content, 'after');
  assert.ok(performance.now() - back < 6000);
});

test('a_lost_group_is_made_again', async (t) => {
  const server = await theServer();
  const settings = names();
  const { bus } = await bench(t, server.url, settings);
  const inbox = bus.consumeInbound(quick);
  const { id } = await bus.publishInbound(say('c1', 'unfinished'));
  const { value: first } = await inbox.next();
  const made = (async () => {
    for await (const notice of inbox.notices()) if (notice.kind === 'group_recreated') return notice;
    return undefined;
  })();
  await command(server.about.port, 'XGROUP', 'DESTROY', settings.inboundStream, settings.workerGroup as string);
  await bus.publishInbound(say('c1', 'unread'));
  await first?.release();
  // Whether the loss is noticed before or after the release decides about the outcome being refused.
  const next = () => inbox.next({ timeoutMs: 15_000 });
  const { value: again } = await next().catch((error) =>
    error instanceof StaleError ? next() : Promise.reject(error),
  );
  assert.deepEqual([again?.id, again?.data.content], [id, 'unfinished']);
  await again?.ack();
  const { value: last } = await inbox.next({ timeoutMs: 10_000 });
  assert.equal(last?.data.content, 'unread');
  assert.deepEqual(await made, { kind: 'group_recreated', from: '0-0', missing: 'group' });
  await last?.ack();
});
