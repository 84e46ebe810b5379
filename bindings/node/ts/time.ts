/** Waiting no longer than told. */

import { duration, maybeOptions } from './arguments.js';
import { TimeoutError } from './errors.js';

/** How long a `close` may take unless it is told. */
const CLOSE_MS = 60_000;

/** Closing within the time that is given for it; what is wrong with that is told before anything is closed. */
export async function closing(
  close: () => Promise<void>,
  options: { timeoutMs?: number },
  what: string,
): Promise<void> {
  const limit = duration(maybeOptions(options).timeoutMs, 'timeoutMs') ?? CLOSE_MS;
  await withDeadline(close(), limit, what);
}

/** The promise, or a `TimeoutError` when it has not settled in time. What it stands for goes on. */
export function withDeadline<T>(promise: Promise<T>, limitMs: number, what: string): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const timer = setTimeout(() => reject(new TimeoutError(`${what} within ${limitMs} ms`)), clamped(limitMs));
    promise.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

/** A timer's longest run; a longer one would fire at once. */
export function clamped(ms: number): number {
  return Math.min(ms, 2 ** 31 - 1);
}
