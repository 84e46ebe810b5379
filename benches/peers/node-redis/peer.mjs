/**
 * node-redis, the client that Redis recommends for Node.
 *
 * What its documentation says about speed: commands of one tick are pipelined by themselves
 * (https://github.com/redis/node-redis/tree/master/packages/redis#auto-pipelining). Bodies are msgpack.
 */

import { installed, main, rival, STREAM } from '../common/bench.mjs';

const { createClient } = rival('redis');
const { pack } = rival('msgpackr');

const CASES = {
  async publish(run) {
    const client = await createClient({ url: run.url }).connect();
    await run.publish((n) => client.xAdd(STREAM, '*', { data: pack(run.envelope(n)) }));
    await client.close();
  },
};

await main(CASES, installed);
