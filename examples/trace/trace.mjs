/** The life of a message, read by its trace id: `trace.mjs [URL]`. */

import { connect, inbound, message } from '@stargazer/core';

const url = process.argv[2] ?? 'memory://demo';
const bus = await connect(url, { role: 'standalone', platforms: ['web'], trace: 'example' });
const said = inbound('web', { channel: 'c1', user: 'u1', text: 'Berlin?' });
await bus.publishInbound(said);

const inbox = bus.consumeInbound();
await inbox.run(
  async (msg, d) => {
    await bus.transition(d.traceId, 'INFERRING', { model: 'none' });
    await d.bus.publishOutbound('web', message(msg.channel_id, '21 °C'));
  },
  { untilIdle: true },
);
await inbox.close();

const outbox = bus.consumeOutbound('web');
const { value: d } = await outbox.next({ timeoutMs: 1000 });
await d.ack();
await outbox.close();

for (const { state } of (await bus.trace(said.trace_id)).steps) console.log(state);
await bus.close();
