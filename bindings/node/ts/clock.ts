/** Time that a test moves. */

import type { Bus as Native } from '../native.cjs';
import { needDuration } from './arguments.js';
import { ask } from './link.js';
import { converted } from './part.js';
import { clamped } from './time.js';

/** The time that limits are of. @internal */
export interface Clock {
  /** Milliseconds from no special moment on. */
  now(): number;
  /** Calls once so much time has passed; what it gives takes that back. */
  after(ms: number, late: () => void): () => void;
}

/** Everybody's time. @internal */
export const REAL: Clock = {
  now: () => performance.now(),
  after: (ms, late) => {
    const timer = setTimeout(late, clamped(ms));
    return () => clearTimeout(timer);
  },
};

/** The time of one bus, which a test moves. @internal */
export function virtualClock(bus: Native): Clock {
  return {
    now: () => converted<number>(bus.now()),
    after: (ms, late) => {
      let waits = true;
      const over = () => {
        if (waits) late();
      };
      // With the bus its time has ended.
      ask((token) => bus.sleep(token, ms), { idle: true }).then(over, () => {});
      return () => {
        waits = false;
      };
    },
  };
}

/**
 * The time of one bus, for tests: retries, leases, time limits and windows run by it; what handlers do takes no time of it.
 * `InvalidError` where the time of the bus is everybody's: connect to `memory://` with `virtualTime`.
 */
export class Time {
  readonly #native: Native;

  /** @internal */
  constructor(native: Native) {
    this.#native = native;
  }

  /** Milliseconds since the bus was connected. */
  get nowMs(): number {
    return converted<number>(this.#native.now());
  }

  /** Lets so much time pass: whatever the bus has to do within it is done, in order, before this settles. */
  async advance(ms: number): Promise<void> {
    const span = needDuration(ms, 'ms');
    await ask((token) => this.#native.advance(token, span));
  }
}
