/** A process ends by itself exactly when nothing is pending, and ends well whatever is. */

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { connect, StargazerError } from '@stargazer/core';
import { Server } from '../harness/server.mjs';
import { theServer } from './fixture.mjs';

interface Ended {
  readonly code: number | null;
  readonly said: string;
}

/** Runs a program in a process of its own, which must end within the test's time. */
async function program(source: string, ...parameters: string[]): Promise<Ended> {
  const lines = `import * as sg from '@stargazer/core';\n${source}`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', lines, '--', ...parameters], {
    cwd: import.meta.dirname,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const [said, complained, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'exit') as Promise<[number | null]>,
  ]);
  return { code, said: said.trim() + complained.trim() };
}

test('an idle bus lets the process end', async () => {
  const { url } = await theServer();
  const source = `
    const bus = await sg.connect(process.argv[1]);
    const inbox = await bus.consume('idle', 'g').open();
    console.log('connected');
  `;
  assert.deepEqual(await program(source, 'memory://'), { code: 0, said: 'connected' });
  assert.deepEqual(await program(source, url), { code: 0, said: 'connected' });
});

test('publishes that nobody awaits are stored before the process ends', async () => {
  const { url } = await theServer();
  const publish = `
    const bus = await sg.connect(process.argv[1]);
    for (let n = 0; n < 200; n++) void bus.publish('unawaited', n);
  `;
  assert.deepEqual(await program(publish, url), { code: 0, said: '' });
  const count = `
    const bus = await sg.connect(process.argv[1]);
    console.log((await bus.streamInfo('unawaited')).length);
  `;
  assert.deepEqual(await program(count, url), { code: 0, said: '200' });
});

test('whoever waits for a delivery keeps the process alive', async () => {
  const { url } = await theServer();
  const source = `
    const bus = await sg.connect(process.argv[1]);
    setTimeout(() => bus.publish('waited', 'came'), 300).unref();
    const { value } = await bus.consume('waited', 'g').next();
    console.log(value.data);
    await value.ack();
    await bus.close();
  `;
  // The timer does not: only the wait does.
  assert.deepEqual(await program(source, url), { code: 0, said: 'came' });
});

test('leaving the loop lets the process end', async () => {
  const { url } = await theServer();
  const source = `
    const bus = await sg.connect(process.argv[1]);
    await bus.publish('loop', 1);
    for await (const d of bus.consume('loop', 'g')) { await d.ack(); break; }
    console.log((await bus.pending('loop', 'g')).count);
  `;
  assert.deepEqual(await program(source, url), { code: 0, said: '0' });
});

test('ending in the middle of work is no crash', async () => {
  const { url } = await theServer();
  const busy = `
    const bus = await sg.connect(process.argv[1]);
    const inbox = bus.consume('busy', 'g');
    void inbox.run(() => bus.publish('elsewhere', 1));
    for (let n = 0; n < 500; n++) void bus.publish('busy', n);
  `;
  assert.equal((await program(`${busy} await bus.publish('busy', 1); process.exit(0);`, url)).code, 0);
  const thrown = await program(`${busy} await bus.publish('busy', 1); throw new Error('uncaught');`, url);
  assert.equal(thrown.code, 1);
  assert.match(thrown.said, /[Ee]rror: uncaught/);
});

test('a thread that is ended in the middle of consuming takes nobody along', async () => {
  const { url } = await theServer();
  const source = `
    import { Worker } from 'node:worker_threads';
    import { once } from 'node:events';
    const bus = await sg.connect(process.argv[1], { streamPrefix: 'thread' });
    for (let n = 0; n < 100; n++) await bus.publish('s', n, { key: String(n % 5) });
    const consuming = \`
      import { parentPort, workerData } from 'node:worker_threads';
      import { connect } from '@stargazer/core';
      (async () => {
        const bus = await connect(workerData, { streamPrefix: 'thread' });
        void bus.serve({ endless: () => new Promise(() => {}) }, { service: 'thread' }).ready();
        void bus.events({ stream: 'thread:events' });
        for await (const d of bus.consume('s', 'g', { leaseMs: 1000, sweepMs: 200 })) {
          parentPort.postMessage(d.data);
          await new Promise((resolve) => setTimeout(resolve, 20));
        }
      })();
    \`;
    for (let round = 0; round < 3; round++) {
      const thread = new Worker(consuming, { eval: true, workerData: process.argv[1] });
      await once(thread, 'message');
      console.log(await thread.terminate());
    }
    // What a thread had in hand comes back by and by, so that an idle consumer proves nothing.
    const [seen, all] = [new Set(), new AbortController()];
    const handler = (n) => { if (seen.add(n).size === 100) all.abort(); };
    await bus.consume('s', 'g', { leaseMs: 1000, sweepMs: 200 }).run(handler, { signal: all.signal });
    console.log(seen.size);
  `;
  assert.deepEqual(await program(source, url), { code: 0, said: '1\n1\n1\n100' });
});

test('a thread that is ended while it waits for more gives back what it had', async () => {
  const { url } = await theServer();
  const source = `
    import { Worker } from 'node:worker_threads';
    const bus = await sg.connect(process.argv[1], { streamPrefix: 'waiting' });
    for (let n = 0; n < 3; n++) await bus.publish('s', n, { key: String(n) });
    const consuming = \`
      import { parentPort, workerData } from 'node:worker_threads';
      import { connect } from '@stargazer/core';
      (async () => {
        const bus = await connect(workerData, { streamPrefix: 'waiting' });
        const endless = (n) => {
          // By then the next batch is waited for.
          setImmediate(() => setImmediate(() => parentPort.postMessage(n)));
          return new Promise(() => {});
        };
        await bus.consume('s', 'g', { leaseMs: 1000, sweepMs: 200 }).run(endless);
      })();
    \`;
    const thread = new Worker(consuming, { eval: true, workerData: process.argv[1] });
    let had = 0;
    await new Promise((resolve) => thread.on('message', () => { if (++had === 3) resolve(); }));
    await thread.terminate();
    const [seen, all] = [new Set(), new AbortController()];
    const handler = (n) => { if (seen.add(n).size === 3) all.abort(); };
    await bus.consume('s', 'g', { leaseMs: 1000, sweepMs: 200 }).run(handler, { signal: all.signal });
    console.log(seen.size);
  `;
  assert.deepEqual(await program(source, url), { code: 0, said: '3' });
});

for (const how of ['gone', 'silent'] as const) {
  test(`close settles in time at a server that is ${how}`, async (t) => {
    const server = await Server.start();
    t.after(() => server.close());
    const bus = await connect(server.url, {
      streamPrefix: 'closing',
      responseTimeoutMs: 20_000,
      publishTimeoutMs: 20_000,
    });
    await bus.publish('s', 1);
    const consumer = bus.consume('s', 'g', { drainTimeoutMs: 20_000 });
    await consumer.next();
    const serving = await bus.serve({ a: () => 1 }).ready();
    const held = await bus.lock('l').acquire();
    if (how === 'gone') await server.kill();
    else await server.pause();
    // Whatever is still asked for settles, too.
    const pending = [bus.publish('s', 2), bus.streamInfo('s'), bus.call('a', {}, { timeoutMs: 500 })].map((one) =>
      one.then(
        () => 'done',
        (error: unknown) => error instanceof StargazerError,
      ),
    );
    const start = performance.now();
    const closed = await Promise.all(
      [consumer.close({ timeoutMs: 300 }), bus.close({ timeoutMs: 300 })].map((one) =>
        one.then(
          () => 'done',
          (error: unknown) => error instanceof StargazerError,
        ),
      ),
    );
    const took = performance.now() - start;
    assert.ok(took < 10_000, `${took} ms`);
    assert.ok(closed.every(Boolean));
    if (how === 'silent') await server.resume();
    else await server.restart();
    assert.ok((await Promise.all(pending)).every(Boolean));
    await Promise.allSettled([serving.close(), held[Symbol.asyncDispose]()]);
  });
}
