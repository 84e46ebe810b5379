/** A message from a platform, its answer, and the platform's gateway that receives it: `hello.mjs [URL]`. */

// README: from here
import { connect, inbound, message } from '@stargazer/core';

const bus = await connect(process.argv[2] ?? 'memory://demo', { role: 'standalone', platforms: ['web'] });
await bus.publishInbound(inbound('web', { channel: 'c1', user: 'u1', text: 'Berlin?' }));

const inbox = bus.consumeInbound();
await inbox.run(
  async (msg, delivery) => {
    await delivery.bus.publishOutbound('web', message(msg.channel_id, `${msg.content} 21 °C`));
    // returning is ack; throwing is a retry; throwing a Reject goes to the dead letters
  },
  { concurrency: 64, untilIdle: true },
);
await inbox.close();

for await (const delivery of bus.consumeOutbound('web')) {
  console.log(delivery.data.text);
  await delivery.ack();
  break; // closes the consumer
}
await bus.close();
