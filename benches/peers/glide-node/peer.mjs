/**
 * Valkey GLIDE, the client with a Rust core.
 *
 * Its documentation recommends for speed one client for everything, over whose one connection it pipelines by itself
 * (https://valkey.io/valkey-glide-docs/concepts/architecture/multiplexing). Bodies are msgpack.
 */

import { installed, main, rival, STREAM } from '../common/bench.mjs';

const { GlideClient } = rival('@valkey/valkey-glide');
const { pack } = rival('msgpackr');

const CASES = {
  async publish(run) {
    const { hostname, port } = new URL(run.url);
    const client = await GlideClient.createClient({ addresses: [{ host: hostname, port: Number(port) }] });
    await client.ping();
    await run.publish((n) => client.xadd(STREAM, [['data', pack(run.envelope(n))]]));
    client.close();
  },
};

await main(CASES, installed);
