/** Waiting no longer than told. */

import { TimeoutError } from './errors.js';

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
