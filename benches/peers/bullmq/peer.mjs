/**
 * BullMQ, the job queue over Redis that most use in Node.
 *
 * What its documentation says about speed: a concurrency of its workers (50 in its example,
 * https://docs.bullmq.io/guide/workers/concurrency), and jobs removed when they are finished
 * (https://docs.bullmq.io/guide/queues/auto-removal-of-jobs), on ioredis. Bodies are what it makes of them, JSON.
 */

import { BATCH, installed, main, rival, Witness } from '../common/bench.mjs';

const { Queue, Worker } = rival('bullmq');
const NAME = 'bench';
const OPTIONS = { removeOnComplete: true };

async function open(run) {
  const { hostname, port } = new URL(run.url);
  const connection = { host: hostname, port: Number(port) };
  const queue = new Queue(NAME, { connection });
  await queue.waitUntilReady();
  return { connection, queue };
}

const CASES = {
  async publish(run) {
    const { queue } = await open(run);
    await run.publish((n) => queue.add('message', run.envelope(n), OPTIONS));
    await queue.close();
  },

  async consume(run) {
    const { connection, queue } = await open(run);
    for (let from = 0; from < run.messages; from += BATCH) {
      const size = Math.min(BATCH, run.messages - from);
      const job = (_, n) => ({ name: 'message', data: run.numbered(from + n), opts: OPTIONS });
      await queue.addBulk(Array.from({ length: size }, job));
    }
    const witness = new Witness();
    const handle = async ({ data }) => witness.note(data.channel_id, data.message_id);
    const worker = new Worker(NAME, handle, { connection, concurrency: 50, autorun: false });
    await worker.waitUntilReady();
    let completed = 0;
    const done = new Promise((told, failed) => {
      worker.on('completed', () => {
        completed += 1;
        if (completed === run.messages) told();
      });
      worker.on('failed', (_, error) => failed(error));
      worker.on('error', failed);
    });
    await run.start();
    const working = worker.run();
    await done;
    run.stop(witness.handled, witness.disorder);
    await worker.close();
    await working;
    await queue.close();
  },
};

await main(CASES, installed);
