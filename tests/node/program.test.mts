/** The program that the README and the design show, on both transports. */

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { connect, inbound, message } from '@stargazer/core';
import { Server } from '../harness/server.mjs';

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

test('the program runs on memory', async () => {
  assert.deepEqual(await program('memory://program'), ['Berlin? 21 °C']);
});

test('the program runs on a server', async () => {
  assert.deepEqual(await program(server.url), ['Berlin? 21 °C']);
});
