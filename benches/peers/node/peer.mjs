/**
 * One run of one case in Node: `peer.mjs URL CASE MESSAGES ENVELOPES`.
 *
 * Prepares, prints `ready`, waits for a line, runs, and prints what it took as one line of JSON. `peer.mjs versions` tells
 * what it runs on.
 */

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect, version } from '@stargazer/core';
import { Redis } from 'ioredis';
import { pack, unpack } from 'msgpackr';

const STREAM = 'sg:stream:inbound';
const GROUP = 'sg:workers';
const IN_FLIGHT = 64;
const RELEASE = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0";

/** What a handler saw: each message once, and each channel in order. */
class Witness {
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

/** Starts when we are told to; what it gives stops it. */
async function clock() {
  process.stdout.write('ready\n');
  await new Promise((told) => process.stdin.once('data', told));
  process.stdin.destroy();
  const [wall, before] = [process.hrtime.bigint(), process.cpuUsage()];
  return (handled, disorder = 0) => {
    const seconds = Number(process.hrtime.bigint() - wall) / 1e9;
    const { user, system } = process.cpuUsage(before);
    process.stdout.write(`${JSON.stringify({ seconds, cpu: (user + system) / 1e6, handled, disorder })}\n`);
  };
}

async function inTasks(messages, one) {
  let next = 0;
  const work = async () => {
    while (next < messages) await one(next++);
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, work));
}

async function client(url, options = {}) {
  const redis = new Redis(url, options);
  await redis.ping();
  return redis;
}

/** Id and body of up to 100 new entries. */
async function read(redis) {
  const reply = await redis.xreadgroupBuffer('GROUP', GROUP, 'bench', 'COUNT', 100, 'STREAMS', STREAM, '>');
  const rows = reply === null ? [] : reply[0][1];
  return rows.map(([id, fields]) => {
    const at = fields.findIndex((field, n) => n % 2 === 0 && field.equals(DATA));
    return [id.toString(), fields[at + 1]];
  });
}
const DATA = Buffer.from('data');

async function inOrder(url, ordering) {
  const witness = new Witness();
  const bus = await connect(url);
  const stop = await clock();
  const inbox = bus.consumeInbound({ ordering });
  await inbox.run((message) => witness.note(message.channel_id, message.message_id), { untilIdle: true });
  stop(witness.handled, witness.disorder);
  await inbox.close();
  await bus.close();
}

const CASES = {
  async 'publish-ours'(url, messages, envelopes) {
    const bus = await connect(url);
    const stop = await clock();
    await inTasks(messages, (n) => bus.publishInbound(envelopes[n % envelopes.length]));
    stop(messages);
    await bus.close();
  },

  async 'publish-tasks'(url, messages, envelopes) {
    const redis = await client(url, { enableAutoPipelining: true });
    const stop = await clock();
    await inTasks(messages, (n) => redis.xadd(STREAM, '*', 'data', pack(envelopes[n % envelopes.length])));
    stop(messages);
    await redis.quit();
  },

  'lanes-ours': (url) => inOrder(url, 'lanes'),

  'exclusive-ours': (url) => inOrder(url, 'exclusive'),

  async 'none-ours'(url, messages) {
    const witness = new Witness();
    const bus = await connect(url);
    const stop = await clock();
    for await (const delivery of bus.consumeInbound({ ordering: 'none' })) {
      witness.note(delivery.data.channel_id, delivery.data.message_id);
      delivery.ack();
      if (witness.handled === messages) break;
    }
    stop(witness.handled, witness.disorder);
    await bus.close();
  },

  /** The original's way, re-created from its documentation: a lock for each channel, taken after reading. */
  async 'lanes-lock'(url) {
    const witness = new Witness();
    const redis = await client(url, { enableAutoPipelining: true });
    redis.defineCommand('release', { numberOfKeys: 1, lua: RELEASE });
    const handle = async (id, body) => {
      const message = unpack(body);
      const key = `sg:lock:channel:${message.channel_id}`;
      while ((await redis.set(key, id, 'PX', 30_000, 'NX')) === null) await sleep(10);
      witness.note(message.channel_id, message.message_id);
      await redis.release(key, id);
      await redis.xack(STREAM, GROUP, id);
    };
    const stop = await clock();
    const running = new Set();
    for (let entries = await read(redis); entries.length > 0; entries = await read(redis)) {
      for (const [id, body] of entries) {
        while (running.size >= IN_FLIGHT) await Promise.race(running);
        const task = handle(id, body).then(() => running.delete(task));
        running.add(task);
      }
    }
    await Promise.all(running);
    stop(witness.handled, witness.disorder);
    await redis.quit();
  },

  async 'none-batches'(url) {
    const witness = new Witness();
    const redis = await client(url);
    const stop = await clock();
    for (let entries = await read(redis); entries.length > 0; entries = await read(redis)) {
      for (const [, body] of entries) {
        const message = unpack(body);
        witness.note(message.channel_id, message.message_id);
      }
      await redis.xack(STREAM, GROUP, ...entries.map(([id]) => id));
    }
    stop(witness.handled, witness.disorder);
    await redis.quit();
  },
};

const [url, name, messages, path] = process.argv.slice(2);
if (url === 'versions') {
  const { dependencies } = createRequire(import.meta.url)('./package.json');
  const rivals = Object.entries(dependencies).map(([rival, its]) => `${rival} ${its}`);
  process.stdout.write(`${[process.versions.node, `@stargazer/core ${version}`, ...rivals].join(', ')}\n`);
} else {
  await CASES[name](url, Number(messages), JSON.parse(readFileSync(path, 'utf8')));
}
