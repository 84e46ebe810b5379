/** `AsyncLocalStorage`: handlers run in the context in which they were handed over, each in a copy of its own. */

import assert from 'node:assert/strict';
import { AsyncLocalStorage } from 'node:async_hooks';
import { setImmediate as turn } from 'node:timers/promises';
import { tool } from '@stargazer/core';
import { both } from './fixture.mjs';

const storage = new AsyncLocalStorage<string>();

both('a handler sees the context in which it was run', async ({ bus }) => {
  for (let n = 0; n < 20; n++) await bus.publish('s', n, { key: `k${n % 4}` });
  const seen: unknown[] = [];
  await storage.run('mine', async () => {
    await bus.consume('s', 'g').run(
      async (n) => {
        seen.push(storage.getStore());
        storage.enterWith(`of ${n}`);
        await turn();
        seen.push(storage.getStore() === `of ${n}`);
      },
      { untilIdle: true },
    );
    assert.equal(storage.getStore(), 'mine');
  });
  assert.equal(storage.getStore(), undefined);
  assert.equal(seen.filter((one) => one === 'mine').length, 20);
  assert.equal(seen.filter((one) => one === true).length, 20);
});

both('what runs calls and tools sees the context in which it was served', async ({ bus }) => {
  const told = tool({ name: 'told' }, async () => {
    const found = storage.getStore();
    storage.enterWith('left behind');
    return found;
  });
  await using serving = await storage.run('server', () =>
    bus.serve({ asked: () => storage.getStore() }, { service: 's' }).ready(),
  );
  await using tools = await storage.run('tools', () => bus.serveTools(told).ready());
  await storage.run('caller', async () => {
    for (let n = 0; n < 3; n++) {
      assert.equal(await bus.call('told'), 'tools');
      assert.equal(await bus.call('asked', {}, { service: 's' }), 'server');
      assert.equal(storage.getStore(), 'caller');
    }
  });
  assert.ok(serving && tools);
});

both('a handler of events sees the context in which it was run', async ({ bus }) => {
  const events = bus.events({ stream: 'contexts' });
  for (const kind of ['agent.start', 'agent.complete']) await events.publishAndWait(kind);
  const reader = bus.eventReader({ stream: 'contexts', lastId: '0' });
  const seen: unknown[] = [];
  reader.on('*', () => {
    seen.push(storage.getStore());
    storage.enterWith('left behind');
    if (seen.length === 2) reader.close();
  });
  await storage.run('reader', () => reader.run());
  assert.deepEqual(seen, ['reader', 'reader']);
});
