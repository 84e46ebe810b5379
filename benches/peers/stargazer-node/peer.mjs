/** Ours, the package `@stargazer/core` as built in this clone. */

import { connect, version } from '@stargazer/core';
import { main, Witness } from '../common/bench.mjs';

async function inOrder(run, ordering) {
  const witness = new Witness();
  const bus = await connect(run.url);
  await run.start();
  const inbox = bus.consumeInbound({ ordering });
  await inbox.run((message) => witness.note(message.channel_id, message.message_id), { untilIdle: true });
  run.stop(witness.handled, witness.disorder);
  await inbox.close();
  await bus.close();
}

const CASES = {
  async publish(run) {
    const bus = await connect(run.url);
    await run.publish((n) => bus.publishInbound(run.envelope(n)));
    await bus.close();
  },

  lanes: (run) => inOrder(run, 'lanes'),

  exclusive: (run) => inOrder(run, 'exclusive'),

  async none(run) {
    const witness = new Witness();
    const bus = await connect(run.url);
    await run.start();
    for await (const delivery of bus.consumeInbound({ ordering: 'none' })) {
      witness.note(delivery.data.channel_id, delivery.data.message_id);
      delivery.ack();
      if (witness.handled === run.messages) break;
    }
    run.stop(witness.handled, witness.disorder);
    await bus.close();
  },
};

await main(CASES, () => ({ '@stargazer/core': version }));
