/**
 * Not a test: a gateway as a process of its own, to be killed while it sends.
 *
 * Usage: `gateway-process.mjs URL SETTINGS ON_UNKNOWN`. What stands on a line of its output was sent, whatever becomes of it.
 */

import { connect, Gateway, type GatewaySettings, PlatformAdapter, type SendContext } from '@stargazer/core';

/** A platform that is the output of this process. A text `hold…` is sent and then held, `lost…` held before. */
class Output extends PlatformAdapter {
  readonly name = 'web';

  isRunning() {
    return true;
  }

  start() {}

  stop() {}

  isChannelValid() {
    return true;
  }

  async send(channelId: string, text: string, { mayBeRepeat }: Required<SendContext>) {
    if (text.startsWith('lost') && !mayBeRepeat) await this.#hold(text);
    await this.#say(`sent ${channelId} ${text} ${mayBeRepeat}`);
    if (text.startsWith('hold') && !mayBeRepeat) await this.#hold(text);
    return '';
  }

  async #hold(text: string): Promise<void> {
    await this.#say(`holding ${text}`);
    await new Promise(() => {});
  }

  #say(line: string): Promise<void> {
    return new Promise((resolve) => process.stdout.write(`${line}\n`, () => resolve()));
  }
}

const [url, settings, onUnknown] = process.argv.slice(2) as [string, string, NonNullable<GatewaySettings['onUnknown']>];
await using bus = await connect(url, JSON.parse(settings));
const consumer = { leaseMs: 2000, sweepMs: 500 };
await new Gateway(bus, [new Output()], { onUnknown, consumer }).run();
