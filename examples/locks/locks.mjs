/** A lock, a leader and a job that runs once in the fleet: `locks.mjs [URL]`. */

import { connect } from '@stargazer/core';

const bus = await connect(process.argv[2] ?? 'memory://demo');

await bus.lock('report', { ttlMs: 30_000 }).run(async (signal) => {
  // The signal is aborted, and the error StaleError afterwards, if the lock were lost meanwhile.
  if (!signal.aborted) console.log('nobody else writes the report');
});

await bus.lease('status').run(async (fence) => {
  console.log('I lead, with a number that only grows:', fence > 0);
});

await bus.singleton('upkeep', { restart: 'on_error' }).run(async (fence) => {
  console.log('upkeep runs here:', fence > 0);
});

await bus.close();
