/**
 * The context of asynchronous code (`AsyncLocalStorage`, and what stands on it, such as OpenTelemetry): handlers run in that
 * in which they were handed over.
 */

import { AsyncResource } from 'node:async_hooks';

/** Runs work in a copy of a context: what is set in there is seen by nobody else. */
export type InContext = <R>(work: () => R) => R;

/** Calls a function in a copy of the context of now. */
export function inCopy<A extends unknown[], R>(call: (...given: A) => R, ...given: A): R {
  return new AsyncResource('StargazerHandler').runInAsyncScope(call, undefined, ...given);
}

/** Captures the context in which this is called. */
export function captured(): InContext {
  const here = new AsyncResource('Stargazer');
  // A resource for each: `enterWith` would be seen by the next one otherwise.
  return (work) => here.runInAsyncScope(() => inCopy(work));
}
