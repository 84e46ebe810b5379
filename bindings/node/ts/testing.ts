/**
 * For tests of programs that use a bus: one of its own in the process, whose time stands still until `bus.time.advance(ms)`.
 *
 * ```ts
 * import { testBus } from '@stargazer/core/testing';
 * test('answers', async (t) => {
 *   const bus = await testBus(t);
 *   await bus.publishInbound(inbound('web', { channel: 'c1', user: 'u1', text: 'Berlin?' }));
 * });
 * ```
 */

import { maybeOptions } from './arguments.js';
import { type Bus, type ConnectOptions, connect } from './bus.js';
import { InvalidError } from './errors.js';

/** A bus for the roles `worker` and `gateway` of the platform `web`, closed behind a test of `node:test`. */
export async function testBus(
  t: { after(end: () => Promise<void>): void },
  options: ConnectOptions = {},
): Promise<Bus> {
  if (typeof t?.after !== 'function') {
    throw new InvalidError('`t` must be the context of a test, which has `after`', { context: { field: 't' } });
  }
  const bus = await fresh(options);
  t.after(() => bus.close());
  return bus;
}

/** The same as a fixture of vitest: `const it = test.extend({ bus: busFixture() })`. */
export function busFixture(
  options: ConnectOptions = {},
): (context: object, use: (bus: Bus) => Promise<void>) => Promise<void> {
  // vitest reads from the text of the function that it needs no other fixture.
  // biome-ignore lint/correctness/noEmptyPattern: see above
  return async ({}, use) => {
    const bus = await fresh(options);
    try {
      await use(bus);
    } finally {
      await bus.close();
    }
  };
}

function fresh(options: ConnectOptions): Promise<Bus> {
  return connect('memory://', { role: 'standalone', platforms: ['web'], virtualTime: true, ...maybeOptions(options) });
}
