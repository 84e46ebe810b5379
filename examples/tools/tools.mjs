/** A tool, and a worker that answers messages with its help: `tools.mjs [URL]`. */

import { connect, events, inbound, message, tool } from '@stargazer/core';
import { z } from 'zod';

const weather = tool(
  { name: 'weather', description: 'Weather of a city.', input: z.object({ city: z.string() }) },
  async ({ city }) => `${city}: 21 °C`,
);

const bus = await connect(process.argv[2] ?? 'memory://demo', { role: 'standalone', platforms: ['web'] });
events.installDefaultBus(bus);
await bus.publishInbound(inbound('web', { channel: 'c1', user: 'u1', text: 'Berlin' }));

// In one process here; in a fleet the tools run wherever somebody serves them.
const tools = await bus.serveTools(weather).ready();
const registry = await bus.toolRegistry();
console.log(JSON.stringify(registry.openaiTools()));
const inbox = bus.consumeInbound();
await inbox.run(
  async (msg, delivery) => {
    const text = await delivery.bus.call('weather', { city: msg.content }, { timeoutMs: 10_000 });
    await delivery.bus.publishOutbound('web', message(msg.channel_id, text));
    events.publishNowait('agent.complete', { payload: { channel: msg.channel_id } });
  },
  { concurrency: 64, untilIdle: true },
);
await inbox.close();
registry.close();
await tools.close();

for await (const delivery of bus.consumeOutbound('web')) {
  console.log(delivery.data.text);
  await delivery.ack();
  break; // closes the consumer
}
await bus.close();
