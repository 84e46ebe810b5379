/** Several threads of JavaScript in one process, each with its own bus, over one I/O thread. */

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { connect } from '@stargazer/core';
import { theServer } from './fixture.mjs';

const PUBLISHER = `
  const { parentPort, workerData } = require('node:worker_threads');
  const { connect } = require('@stargazer/core');
  (async () => {
    const bus = await connect(workerData.url, { streamPrefix: workerData.prefix });
    for (let n = 0; n < 200; n++) await bus.publish('s', { from: workerData.name, n }, { key: workerData.name });
    parentPort.postMessage('done');
    await bus.close();
  })();
`;

const ENDLESS = `
  const { parentPort, workerData } = require('node:worker_threads');
  const { connect } = require('@stargazer/core');
  (async () => {
    const bus = await connect(workerData.url, { streamPrefix: workerData.prefix });
    const inbox = bus.consume('endless', 'g');
    void inbox.run(async () => {});
    parentPort.postMessage('going');
    for (;;) await Promise.all(Array.from({ length: 100 }, (_, n) => bus.publish('endless', n)));
  })();
`;

interface Sent {
  readonly from: string;
  readonly n: number;
}

function worker(source: string, workerData: object): Worker {
  return new Worker(source, { eval: true, workerData });
}

test('threads share a server and one memory', async () => {
  for (const url of [(await theServer()).url, 'memory://workers']) {
    const names = ['a', 'b', 'c'];
    const bus = await connect(url, { streamPrefix: 'workers' });
    await Promise.all(names.map((name) => once(worker(PUBLISHER, { url, prefix: 'workers', name }), 'exit')));
    const seen = new Map<string, number[]>();
    await bus.consume<Sent>('s', 'g').run(
      ({ from, n }) => {
        seen.set(from, [...(seen.get(from) ?? []), n]);
      },
      { untilIdle: true },
    );
    const expected = Array.from({ length: 200 }, (_, n) => n);
    for (const name of names) assert.deepEqual(seen.get(name), expected);
    await bus.close();
  }
});

test('a thread that is ended in the middle of work takes nobody along', async () => {
  const { url } = await theServer();
  const bus = await connect(url, { streamPrefix: 'ended' });
  const threads = [0, 1, 2].map(() => worker(ENDLESS, { url, prefix: 'ended' }));
  await Promise.all(threads.map((thread) => once(thread, 'message')));
  for (const thread of threads) await thread.terminate();
  for (let n = 0; n < 50; n++) await bus.publish('s', n);
  assert.equal((await bus.streamInfo('s')).length, 50);
  await bus.close();
});
