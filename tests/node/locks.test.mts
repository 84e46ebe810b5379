/** Locks, leases and singleton jobs. */

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import {
  type Bus,
  ConflictError,
  connect,
  InvalidError,
  type Singleton,
  type SingletonSettings,
  StaleError,
  TimeoutError,
} from '@stargazer/core';
import { Server } from '../harness/server.mjs';
import { bench, both, gate, theServer, until } from './fixture.mjs';
import { command } from './raw.mjs';
import { load } from './values.mjs';

const TTL = 1000;
const name = () => `t${randomUUID()}`;

both('a_lock_has_one_holder', async ({ bus, again }) => {
  const own = name();
  const [held, waits] = [bus.lock(own, { ttlMs: TTL }), (await again()).lock(own, { ttlMs: TTL })];
  await held.acquire();
  assert.equal(await waits.tryAcquire(), undefined);
  await assert.rejects(waits.acquire({ timeoutMs: 100 }), TimeoutError);
  let taken = false;
  const woken = waits.acquire().then(() => {
    taken = true;
  });
  // Longer than it lasts: it is renewed beside its owner.
  await sleep(TTL * 2);
  assert.ok(held.held && !taken);
  assert.ok(await held.release());
  await woken;
  assert.ok(await bus.lock(`${own}-other`, { ttlMs: TTL }).tryAcquire(), 'names do not meet');
  assert.ok(await waits.release());
  assert.equal(await waits.release(), false);
});

both('the_loss_of_a_lock_ends_what_runs_under_it', async ({ bus }) => {
  const own = name();
  const lock = bus.lock(own, { ttlMs: TTL, maxRenewals: 0 });
  let reason: unknown;
  const work = lock.run(async (signal) => {
    await sleep(60_000, undefined, { signal }).catch(() => {
      reason = signal.reason;
    });
    return 'ended by itself';
  });
  await assert.rejects(work, StaleError);
  assert.ok(reason instanceof StaleError);
  {
    await using held = await lock.acquire();
    await once(held.signal, 'abort');
    assert.throws(() => held.signal.throwIfAborted(), StaleError);
  }
  const told = bus.lock(own, { ttlMs: TTL, maxRenewals: 0, abortOnLoss: false });
  const result = await told.run(async (signal) => {
    assert.ok((await told.lost()) instanceof StaleError);
    return signal.aborted || told.held;
  });
  assert.equal(result, false);
  assert.ok(await bus.lock(own, { ttlMs: TTL }).tryAcquire());
});

both('a_lock_is_entered_again_by_its_object', async ({ bus }) => {
  const own = name();
  const [lock, other] = [bus.lock(own, { ttlMs: TTL }), bus.lock(own, { ttlMs: TTL })];
  await lock.run(async () => {
    await lock.run(async () => assert.equal(await other.tryAcquire(), undefined));
    assert.ok(lock.held);
    assert.equal(await other.tryAcquire(), undefined);
  });
  assert.equal(lock.held, false);
  assert.ok(await other.tryAcquire());
  assert.ok(await other.renew());
  assert.equal(await lock.renew(), false);
});

both('who_stops_waiting_for_a_lock_takes_nothing', async ({ bus }) => {
  const own = name();
  const [held, asks] = [bus.lock(own, { ttlMs: TTL }), bus.lock(own, { ttlMs: TTL })];
  await held.acquire();
  await assert.rejects(asks.acquire({ signal: AbortSignal.timeout(50) }), { name: 'TimeoutError' });
  await held.release();
  for (let n = 0; n < 20; n++) {
    // Given up at some point between the request and its answer.
    const controller = new AbortController();
    const asking = asks.acquire({ signal: controller.signal });
    if (n % 2 === 0) await sleep(0);
    controller.abort(new Error('enough'));
    await asking.then(
      () => asks.release(),
      (error) => assert.equal(error.message, 'enough'),
    );
  }
  const third = bus.lock(own, { ttlMs: TTL });
  await third.acquire({ timeoutMs: TTL / 2 });
  await sleep(TTL);
  assert.ok(third.held && !asks.held);
});

test('a_lock_of_the_original_is_the_same_lock', async (t) => {
  const server = await theServer();
  const { bus } = await bench(t, server.url);
  const channel = randomUUID();
  const key = `sg:lock:channel:${channel}`;
  const port = server.about.port;
  const holds = (token: string) =>
    command(port, 'EVAL', "return redis.call('GET', KEYS[1]) == ARGV[1] and 1 or 0", '1', key, token);
  assert.equal(await command(port, 'SET', key, 'theirs', 'NX', 'EX', '30'), '+OK');
  const lock = bus.channelLock(channel);
  assert.equal(await lock.tryAcquire(), undefined);
  await command(port, 'DEL', key);
  await lock.acquire({ timeoutMs: 5000 });
  assert.match(lock.token ?? '', /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f-]{21}$/);
  assert.equal(await holds(lock.token ?? ''), ':1');
  const left = Number((await command(port, 'PTTL', key)).slice(1));
  assert.ok(left > 0 && left <= 30_000);
  assert.equal(await bus.lock(key).tryAcquire(), undefined, 'a name with a colon is the key');
  assert.ok(await lock.release());
  // Theirs in our place: ours is told at its next renewal, and leaves theirs alone.
  const short = bus.channelLock(channel, { ttlMs: TTL });
  await short.acquire();
  await command(port, 'SET', key, 'theirs', 'EX', '30');
  assert.ok((await short.lost()) instanceof StaleError);
  assert.equal(await short.release(), false);
  assert.equal(await holds('theirs'), ':1');
});

test('a_silent_server_costs_the_lock_in_time', async (t) => {
  const server = await Server.start();
  t.after(() => server.close());
  // No request ends by itself: the loss is told by the clock, not by an answer that fails.
  const { bus } = await bench(t, server.url, { responseTimeoutMs: 600_000 });
  const ttlMs = 2000;
  const [lock, lease] = [bus.lock('report', { ttlMs }), bus.lease('status', { ttlMs })];
  const held = await lock.acquire();
  const leads = await lease.acquire();
  await server.pause();
  const [lost, led] = await Promise.all([lock.lost(), lease.lost()]);
  assert.ok(lost instanceof StaleError && led instanceof StaleError);
  await until('the signals are aborted', async () => held.signal.aborted && leads.signal.aborted);
  assert.ok(!lock.held && !lease.isLeader);
  await server.resume();
  await held[Symbol.asyncDispose]();
  await lock.acquire({ timeoutMs: 20_000 });
});

test('a_lock_outlives_a_restart_that_forgets_nothing', async (t) => {
  const server = await Server.start('--appendonly');
  t.after(() => server.close());
  const { bus, again } = await bench(t, server.url);
  const [held, waits] = [bus.lock('report', { ttlMs: 10_000 }), (await again()).lock('report', { ttlMs: 10_000 })];
  await held.acquire();
  let taken = false;
  const asks = waits.acquire().then(() => {
    taken = true;
  });
  await sleep(100);
  await server.restart();
  await until('it is renewed again', () => held.renew().catch(() => false));
  assert.ok(held.held && !taken);
  assert.ok(await held.release());
  await asks;
  assert.ok(waits.held, 'who waits goes on waiting over the restart');
});

both('leaders_have_numbers_that_grow', async ({ bus, again }) => {
  const own = name();
  const [first, second] = [bus.lease(own, { ttlMs: TTL }), (await again()).lease(own, { ttlMs: TTL })];
  let last = 0;
  for (let n = 0; n < 3; n++) {
    const { fence } = await first.acquire();
    assert.ok(fence > last);
    assert.deepEqual([first.fence, (await first.acquire()).fence], [fence, fence]);
    assert.equal(await second.tryAcquire(), undefined);
    assert.ok(await first.resign());
    assert.equal(first.isLeader, false);
    last = await second.run((fence) => fence);
    assert.ok(last > fence);
  }
  // The key of a leader lapses; the counter does not.
  await sleep(TTL * 1.2);
  assert.ok((await first.acquire()).fence > last);
});

const JOB: SingletonSettings = { ttlMs: TTL, backoffMs: 10, maxBackoffMs: 10, maxRestarts: 2 };

const phase = (singleton: Singleton, wanted: string) =>
  until(`it is ${wanted}`, async () => singleton.state.phase === wanted);

both('a_singleton_runs_on_one_process', async ({ bus, again }) => {
  const own = name();
  let running = 0;
  const job = async (_fence: number, signal: AbortSignal) => {
    assert.equal(++running, 1);
    await sleep(60_000, undefined, { signal }).finally(() => running--);
  };
  const other: Bus = await again();
  const [first, second] = [bus.singleton(own, JOB), other.singleton(own, JOB)];
  const run = first.run(job);
  await phase(first, 'running');
  const waiting = second.run(job);
  await sleep(TTL);
  assert.equal(second.state.phase, 'waiting');
  const led = first.state.fence ?? 0;
  first.stop();
  await run;
  await phase(second, 'running');
  assert.ok((second.state.fence ?? 0) > led);
  assert.equal(first.state.phase, 'stopped');
  await other.close();
  await waiting;
  assert.deepEqual([second.state.phase, running], ['stopped', 0]);
});

both('a job that is told twice keeps the lead until it has ended', async ({ bus, again }) => {
  const [own, other] = [name(), await again()];
  const singleton = bus.singleton(own, JOB);
  const [mayEnd, told] = [gate(), gate()];
  const run = singleton.run(async (_, signal) => {
    signal.addEventListener('abort', () => told.open(), { once: true });
    await mayEnd.promise;
  });
  await phase(singleton, 'running');
  singleton.stop();
  await told.promise;
  singleton.stop();
  assert.equal(await other.lease(own).tryAcquire(), undefined, 'it leads');
  mayEnd.open();
  await run;
  assert.equal(singleton.state.phase, 'stopped');
  // Stopping it once more stops no later run.
  singleton.stop();
  let runs = 0;
  await singleton.run(() => {
    runs += 1;
  });
  assert.deepEqual([runs, singleton.state.phase], [1, 'finished']);
});

both('a singleton runs again after its end and once at a time', async ({ bus }) => {
  const singleton = bus.singleton(name(), JOB);
  const fences: number[] = [];
  const job = async (fence: number) => {
    fences.push(fence);
    await assert.rejects(singleton.run(job), ConflictError);
    assert.equal(singleton.state.phase, 'running', 'the first run goes on');
  };
  await singleton.run(job);
  singleton.stop();
  await singleton.run(job);
  assert.equal(fences.length, 2);
  assert.ok((fences[1] as number) > (fences[0] as number));
  assert.equal(singleton.state.phase, 'finished');
  for (let round = 0; round < 2; round++) {
    const broken = singleton.run(() => {
      throw new RangeError('it broke');
    });
    await assert.rejects(broken, RangeError);
    assert.equal(singleton.state.restarts, 2, 'counted anew');
  }
  const early = bus.singleton(name(), JOB);
  early.stop();
  await early.run(job);
  assert.deepEqual([fences.length, early.state.phase], [2, 'stopped']);
});

both('a_singleton_starts_again_as_its_policy_says', async ({ bus }) => {
  for (const [restart, fails, starts, ends] of [
    ['on_error', true, 3, 'failed'],
    ['on_error', false, 1, 'finished'],
    ['always', false, 3, 'failed'],
    ['never', true, 1, 'failed'],
  ] as const) {
    const singleton = bus.singleton(name(), { ...JOB, restart });
    let runs = 0;
    const run = singleton.run(() => {
      runs++;
      if (fails) throw new RangeError('it broke');
    });
    if (fails) await assert.rejects(run, RangeError);
    else await run;
    const { phase, restarts, fence, error } = singleton.state;
    assert.deepEqual([runs, phase, restarts, fence], [starts, ends, starts - 1, undefined]);
    assert.equal(error, fails ? 'RangeError: it broke' : undefined);
  }
});

/** Takes a lock, says so, and is killed. */
const HOLDER = `
  import { connect } from '@stargazer/core';
  const [url, name] = process.argv.slice(1);
  const bus = await connect(url);
  const held = await bus.lock(name, { ttlMs: 1000 }).acquire();
  console.log('held');
  setInterval(() => held.signal, 1000);
`;

test('the lock of a dead process lapses, and a held lock keeps no process alive', async (t) => {
  const { url } = await theServer();
  const own = name();
  const holder = spawn(process.execPath, ['--input-type=module', '-e', HOLDER, '--', url, own], {
    cwd: import.meta.dirname,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(holder.stdout, 'data');
  const { bus } = await bench(t, url);
  const lock = bus.lock(own, { ttlMs: 1000 });
  assert.equal(await lock.tryAcquire(), undefined);
  holder.kill('SIGKILL');
  await once(holder, 'exit');
  await lock.acquire({ timeoutMs: 5000 });
  await lock.release();
  const idle = spawn(
    process.execPath,
    ['--input-type=module', '-e', HOLDER.replace(/ {2}setInterval.*\n/, ''), '--', url, own],
    { cwd: import.meta.dirname, stdio: ['ignore', 'ignore', 'inherit'] },
  );
  assert.deepEqual(await once(idle, 'exit'), [0, null]);
});

test('the example of locks runs', async () => {
  const { url } = await theServer();
  const example = new URL('../../../../examples/locks/locks.mjs', import.meta.url);
  const child = spawn(process.execPath, [fileURLToPath(example), url], { stdio: ['ignore', 'pipe', 'inherit'] });
  let said = '';
  child.stdout.on('data', (data) => {
    said += data;
  });
  assert.deepEqual(await once(child, 'close'), [0, null]);
  assert.equal(said.trim().split('\n').at(-1), 'upkeep runs here: true');
});

test('names stand under their keys', async () => {
  await using bus = await connect('memory://');
  const vectors = load('names.json') as unknown as Record<string, { name: string; key: string }[]>;
  for (const { name, key } of vectors['locks'] ?? []) assert.equal(bus.lock(name).key, key);
  for (const { name, key } of vectors['channel_locks'] ?? []) assert.equal(bus.channelLock(name).key, key);
});

test('wrong settings of locks are refused', async (t) => {
  await using bus = await connect('memory://');
  t.diagnostic(bus.url);
  for (const settings of [{ ttlMs: 0 }, { ttlMs: 'long' }, { maxRenewals: -1 }, { ttl: 3 }]) {
    const [field] = Object.keys(settings) as [string];
    assert.throws(
      () => bus.lock('x', settings as object),
      (error) => error instanceof InvalidError && error.message.includes(field),
    );
  }
  assert.throws(() => bus.lease('', {}), InvalidError);
  assert.throws(() => bus.singleton('x', { restart: 'sometimes' as 'never' }), InvalidError);
  assert.throws(() => bus.singleton('x', { backoffMs: 2, maxBackoffMs: 1 }), /backoffMs/);
  await assert.rejects(bus.lock('x').acquire({ timeoutMs: -1 }), InvalidError);
  await assert.rejects(bus.singleton('x').run(undefined as never), InvalidError);
});
