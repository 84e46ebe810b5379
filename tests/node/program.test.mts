/** The program that the README and the design show, on both transports. */

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { after, before, test } from 'node:test';
import { connect, inbound, message } from '@stargazer/core';
import { root, Server } from '../harness/server.mjs';

let server: Server;
before(async () => {
  server = await Server.start();
});
after(() => server.close());

async function program(url: string): Promise<string[]> {
  const said: string[] = [];
  await using bus = await connect(url, { role: 'standalone', platforms: ['web'] });
  await bus.publishInbound(inbound('web', { channel: 'c1', user: 'u1', text: 'Berlin?' }));

  await using inbox = bus.consumeInbound();
  await inbox.run(
    async (msg, d) => {
      await d.bus.publishOutbound('web', message(msg.channel_id, `${msg.content} 21 °C`));
    },
    { concurrency: 64, untilIdle: true },
  );

  for await (const d of bus.consumeOutbound('web')) {
    said.push(d.data.text);
    await d.ack();
    break;
  }
  return said;
}

test('the program of the package runs and ends by itself', async () => {
  const readme = readFileSync(path.join(root, 'bindings/node/README.md'), 'utf8');
  const [, shown = ''] = /```ts\n([\s\S]*?)```/.exec(readme) ?? [];
  // Node 20 has no `await using`; whoever has no compiler closes by hand, or leaves it to the end of the process.
  const program = shown.replaceAll('await using', 'const');
  const parameters = ['--input-type=module', '-e', program];
  const child = spawn(process.execPath, parameters, { cwd: import.meta.dirname, stdio: ['ignore', 'pipe', 'inherit'] });
  const [said, [code]] = await Promise.all([text(child.stdout), once(child, 'exit')]);
  assert.deepEqual([said, code], ['Berlin? 21 °C\n', 0]);
});

test('the program runs on memory', async () => {
  assert.deepEqual(await program('memory://program'), ['Berlin? 21 °C']);
});

test('the program runs on a server', async () => {
  assert.deepEqual(await program(server.url), ['Berlin? 21 °C']);
});
