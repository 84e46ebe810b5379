/**
 * ioredis: the client that people write their own bus with in Node.
 *
 * Its documentation recommends for throughput `enableAutoPipelining` (https://github.com/redis/ioredis#autopipelining). Bodies
 * are msgpack.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import { BATCH, DATA, GROUP, installed, main, rival, STREAM, Witness } from '../common/bench.mjs';

const { Redis } = rival('ioredis');
const { pack, unpack } = rival('msgpackr');
const IN_FLIGHT = 64;
const RELEASE = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0";

async function client(run, options = {}) {
  const redis = new Redis(run.url, options);
  await redis.ping();
  return redis;
}

/** Id and body of new entries. */
async function read(redis) {
  const reply = await redis.xreadgroupBuffer('GROUP', GROUP, 'bench', 'COUNT', BATCH, 'STREAMS', STREAM, '>');
  const rows = reply === null ? [] : reply[0][1];
  return rows.map(([id, fields]) => {
    const at = fields.findIndex((field, n) => n % 2 === 0 && field.equals(DATA));
    return [id.toString(), fields[at + 1]];
  });
}

const CASES = {
  async publish(run) {
    const redis = await client(run, { enableAutoPipelining: true });
    await run.publish((n) => redis.xadd(STREAM, '*', 'data', pack(run.envelope(n))));
    await redis.quit();
  },

  /** The original's way, re-created from its documentation: a lock for each channel, taken after reading. */
  async lock(run) {
    const witness = new Witness();
    const redis = await client(run, { enableAutoPipelining: true });
    redis.defineCommand('release', { numberOfKeys: 1, lua: RELEASE });
    const handle = async (id, body) => {
      const message = unpack(body);
      const key = `sg:lock:channel:${message.channel_id}`;
      while ((await redis.set(key, id, 'PX', 30_000, 'NX')) === null) await sleep(10);
      witness.note(message.channel_id, message.message_id);
      await redis.release(key, id);
      await redis.xack(STREAM, GROUP, id);
    };
    await run.start();
    const running = new Set();
    for (let entries = await read(redis); entries.length > 0; entries = await read(redis)) {
      for (const [id, body] of entries) {
        while (running.size >= IN_FLIGHT) await Promise.race(running);
        const task = handle(id, body).then(() => running.delete(task));
        running.add(task);
      }
    }
    await Promise.all(running);
    run.stop(witness.handled, witness.disorder);
    await redis.quit();
  },

  async batches(run) {
    const witness = new Witness();
    const redis = await client(run);
    await run.start();
    for (let entries = await read(redis); entries.length > 0; entries = await read(redis)) {
      for (const [, body] of entries) {
        const message = unpack(body);
        witness.note(message.channel_id, message.message_id);
      }
      await redis.xack(STREAM, GROUP, ...entries.map(([id]) => id));
    }
    run.stop(witness.handled, witness.disorder);
    await redis.quit();
  },
};

await main(CASES, installed);
