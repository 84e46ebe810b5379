/**
 * What the Node programs share: the protocol with the harness, the clocks, the load, and the witness.
 *
 * A program is run as `peer.mjs URL CASE MESSAGES DEPTH ENVELOPES`. It prepares, prints `ready`, waits for a line, runs, and
 * prints what it took as one line of JSON. `peer.mjs versions` tells what it runs on.
 */

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

export const STREAM = 'sg:stream:inbound';
export const GROUP = 'sg:workers';
/** Messages that a reader takes at a time. */
export const BATCH = 100;
export const DATA = Buffer.from('data');

/** A package of the rival's own, from the folder that `make bench` has installed it into. */
export const rival = createRequire(`${process.env.SG_PEER_MODULES ?? process.cwd()}/`);

/** What a handler saw: each message once, and each channel in order. */
export class Witness {
  disorder = 0;
  #seen = new Set();
  #latest = new Map();

  note(channel, messageId) {
    const number = Number(messageId);
    this.#seen.add(number);
    if (number < (this.#latest.get(channel) ?? -1)) this.disorder += 1;
    else this.#latest.set(channel, number);
  }

  get handled() {
    return this.#seen.size;
  }
}

/** One run: what it was told, and its clocks. */
export class Run {
  #wall = 0n;
  #cpu;
  #latencies = [];

  constructor(url, messages, depth, path) {
    Object.assign(this, { url, messages, depth });
    this.envelopes = JSON.parse(readFileSync(path, 'utf8'));
  }

  envelope(n) {
    return this.envelopes[n % this.envelopes.length];
  }

  /** The envelope of message `n` for programs that fill a queue of their own. */
  numbered(n) {
    const channel_id = `c${n % this.envelopes.length}`;
    return { ...this.envelope(n), message_id: String(n).padStart(8, '0'), channel_id };
  }

  /** Says that everything is prepared, and starts the clocks when told to. */
  async start() {
    process.stdout.write('ready\n');
    await new Promise((told) => process.stdin.once('data', told));
    process.stdin.destroy();
    this.#wall = process.hrtime.bigint();
    this.#cpu = process.cpuUsage();
  }

  stop(handled, disorder = 0) {
    const seconds = Number(process.hrtime.bigint() - this.#wall) / 1e9;
    const { user, system } = process.cpuUsage(this.#cpu);
    const said = { seconds, cpu: (user + system) / 1e6, handled, disorder };
    if (this.#latencies.length > 0) {
      said.p50 = this.#latencies.sort((a, b) => a - b)[this.#latencies.length >> 1] * 1e3;
    }
    process.stdout.write(`${JSON.stringify(said)}\n`);
  }

  /** Does `one` for every message, `depth` at a time; alone, each is timed. */
  async inTasks(one) {
    if (this.depth === 1) {
      for (let n = 0; n < this.messages; n += 1) {
        const began = performance.now();
        await one(n);
        this.#latencies.push(performance.now() - began);
      }
      return;
    }
    let next = 0;
    const work = async () => {
      while (next < this.messages) await one(next++);
    };
    await Promise.all(Array.from({ length: this.depth }, work));
  }

  /** Measures a way to publish. */
  async publish(one) {
    await this.start();
    await this.inTasks(one);
    this.stop(this.messages);
  }
}

/** Runs the case that the command line names. */
export async function main(cases, versions) {
  const [url, name, messages, depth, path] = process.argv.slice(2);
  if (url === 'versions') {
    const said = Object.entries(versions()).map(([what, its]) => `${what} ${its}`);
    process.stdout.write(`${[`Node ${process.versions.node}`, ...said].join(', ')}\n`);
  } else {
    await cases[name](new Run(url, Number(messages), Number(depth), path));
  }
}

/** The versions of a rival's packages, as they are installed. */
export function installed() {
  const { dependencies } = rival('./package.json');
  return dependencies;
}
