// A worker: answers messages until it is told to stop (SIGTERM, Ctrl-C), then finishes what it has begun.
//
//     REDIS_URL=redis://127.0.0.1:6379 node examples/worker/worker.mjs

import { connect, message } from '@stargazer/core';

const bus = await connect(undefined, { role: 'worker' });
// What waits for handlers at a stop is given 20 s here, as at most places that send a SIGTERM.
const inbox = bus.consumeInbound({ name: 'worker', concurrency: 16, maxAttempts: 5, drainTimeoutMs: 20_000 });
for (const sign of ['SIGTERM', 'SIGINT']) process.once(sign, () => inbox.close());
console.log('ready');

// Says everything back; throwing would be a retry, throwing `Reject` a dead letter.
await inbox.run(async (msg, delivery) => {
  await delivery.bus.publishOutbound(msg.platform, message(msg.channel_id, msg.content.toUpperCase()));
});
await bus.close();
console.log('stopped');
