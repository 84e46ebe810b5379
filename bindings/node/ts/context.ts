/**
 * The context of asynchronous code (`AsyncLocalStorage`, and what stands on it, such as OpenTelemetry): handlers run in that
 * in which they were handed over.
 */

import { AsyncResource } from 'node:async_hooks';

/** Runs work in a copy of a context: what is set in there is seen by nobody else. */
export type InContext = <R>(work: () => R) => R;

/** Captures the context in which this is called. */
export function captured(): InContext {
  const here = new AsyncResource('Stargazer');
  // A resource for each: `enterWith` would be seen by the next one otherwise.
  return (work) => here.runInAsyncScope(() => new AsyncResource('StargazerHandler').runInAsyncScope(work));
}
