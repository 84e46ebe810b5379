// A gateway with an adapter of its own: a platform that is this terminal. A line is a message, and answers are printed.
//
//     REDIS_URL=redis://127.0.0.1:6379 node examples/gateway/gateway.mjs

import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { connect, Gateway, PlatformAdapter } from '@stargazer/core';

// What is typed goes to the bus; what workers say is printed.
class Terminal extends PlatformAdapter {
  name = 'terminal';
  lines = undefined;

  isRunning() {
    return this.lines !== undefined;
  }

  start(intake) {
    this.lines = createInterface(process.stdin);
    this.lines.on('line', (text) => intake.message({ channel_id: 'here', user_id: 'me', user_name: 'Me', text }));
  }

  stop() {
    this.lines?.close();
    this.lines = undefined;
  }

  // `mayBeRepeat`: it may stand there already, because a gateway died in the middle.
  send(_channelId, text, { mayBeRepeat }) {
    console.log(mayBeRepeat ? `(again?) ${text}` : text);
  }

  isChannelValid(channelId) {
    return channelId === 'here';
  }
}

const bus = await connect(undefined, { role: 'gateway', platforms: ['terminal'] });
const terminal = new Terminal();
const gateway = new Gateway(bus, [terminal]);
for (const sign of ['SIGTERM', 'SIGINT']) process.once(sign, () => gateway.stop());
await gateway.start();
console.log('ready');
// Until the lines end, or until it is told to stop.
await once(terminal.lines, 'close');
await gateway.close();
await bus.close();
console.log('stopped');
