/** The handler form: a loop that takes deliveries and runs the handler for each, as many at a time as allowed. */

import { maybeSignal } from './arguments.js';
import { inCopy } from './context.js';
import type { Delivery } from './delivery.js';
import { InvalidError, StaleError } from './errors.js';
import { Outcome, outcomeOf, outcomeOfThrown, textOf } from './outcome.js';
import { usesSpans, withinSpan } from './span.js';

/** What is run for a delivery. Returning nothing is ack; see {@link Consumer.run}. */
export type Handler<T> = (data: T, delivery: Delivery<T>) => HandlerResult | PromiseLike<HandlerResult>;

/** What a handler may return. */
// biome-ignore lint/suspicious/noConfusingVoidType: a handler without `return` is what most people write
export type HandlerResult = Outcome | undefined | void;

/** How a handler is run. */
export interface RunOptions {
  /** Handlers at the same time; by default, and at most, the consumer's concurrency. */
  concurrency?: number;
  /**
   * Ends once nothing is left to do, retries included. What other consumers hold is theirs: it is not waited for, and what one
   * of them died with comes back when its lease is over.
   */
  untilIdle?: boolean;
  /** Ends when aborted: no handler starts any more, those that run finish. */
  signal?: AbortSignal;
}

const OPTIONS: ReadonlySet<string> = new Set<keyof RunOptions>(['concurrency', 'untilIdle', 'signal']);

/** Refuses what cannot be run before a delivery is taken: each would fail, and end in the dead letters. */
export function checkRun(handler: unknown, options: unknown): void {
  if (typeof handler !== 'function') {
    throw new InvalidError(`handler must be a function, not ${handler === null ? 'null' : typeof handler}`, {
      context: { field: 'handler' },
    });
  }
  if (typeof options !== 'object' || options === null) {
    throw new InvalidError(`options of run must be an object, not ${options === null ? 'null' : typeof options}`, {
      context: { field: 'options' },
    });
  }
  maybeSignal((options as RunOptions).signal);
  const other = Object.keys(options).find((name) => !OPTIONS.has(name));
  if (other !== undefined) {
    throw new InvalidError(`run has no option ${other}; it has ${[...OPTIONS].join(', ')}`, {
      context: { field: other },
    });
  }
}

/** Where deliveries come from. */
export interface Source<T> {
  /** At least one, at most `max`; none when there will be no more or `enough` was aborted. */
  take(max: number, enough: AbortSignal): Promise<Delivery<T>[]>;
  /** Resolves when nothing is left to do. */
  idle(): Promise<void>;
}

/** Runs the handler until the source ends, is idle, the signal is aborted, or something goes wrong. */
export async function run<T>(source: Source<T>, handler: Handler<T>, options: RunOptions): Promise<void> {
  const { concurrency: limit = Number.POSITIVE_INFINITY, untilIdle = false, signal } = options;
  let running = 0;
  /** Tells the loop that a handler has ended. */
  let ended = () => {};
  const enough = new AbortController();
  const stop = () => enough.abort();
  let failure: { readonly error: unknown } | undefined;
  const fail = (error: unknown) => {
    failure ??= { error };
    stop();
  };

  const start = async (delivery: Delivery<T>) => {
    running++;
    try {
      // This loop is in the context of whoever runs it, whatever wakes it.
      await inCopy(handle<T>, handler, delivery);
    } catch (error) {
      fail(error);
    } finally {
      running--;
      ended();
    }
  };
  const oneEnded = () =>
    new Promise<void>((resolve) => {
      ended = resolve;
    });

  signal?.addEventListener('abort', stop, { once: true });
  if (signal?.aborted) stop();
  try {
    if (untilIdle && !enough.signal.aborted) source.idle().then(stop, fail);
    while (!enough.signal.aborted) {
      if (running >= limit) {
        await oneEnded();
        continue;
      }
      const batch = await taken(source, limit - running, enough.signal);
      if (batch === undefined) continue;
      if (batch.length === 0) break;
      for (const delivery of batch) void start(delivery);
    }
  } catch (error) {
    fail(error);
  } finally {
    signal?.removeEventListener('abort', stop);
    stop();
  }
  while (running > 0) await oneEnded();
  if (failure !== undefined) throw failure.error;
}

/**
 * The next deliveries. An outcome that was refused because the work had gone to another consumer is nothing a loop over
 * handlers could do anything about: the other one runs it again.
 */
async function taken<T>(source: Source<T>, max: number, enough: AbortSignal): Promise<Delivery<T>[] | undefined> {
  try {
    return await source.take(max, enough);
  } catch (error) {
    if (error instanceof StaleError) return undefined;
    throw error;
  }
}

async function handle<T>(handler: Handler<T>, delivery: Delivery<T>): Promise<void> {
  const begun = delivery.begin();
  if (!(typeof begun === 'boolean' ? begun : await begun)) return;
  const fits = delivery.fits(true);
  if (fits !== true && !(await fits)) return;
  let returned: unknown;
  try {
    const answered = () => handler(delivery.data, delivery);
    // Only where somebody wants to know is the head of the delivery read.
    returned = await (usesSpans() ? withinSpan(delivery, answered) : answered());
  } catch (error) {
    const outcome = outcomeOfThrown(error);
    if (outcome.kind === 'retry') warn(delivery, error);
    await delivery.settle(outcome);
    return;
  }
  const outcome = outcomeOf(returned);
  await delivery.settle(outcome ?? Outcome.release());
  if (outcome === undefined) {
    throw new InvalidError(`a handler returns nothing or an Outcome, not ${named(returned)}`, {
      context: { field: 'handler' },
    });
  }
}

/** The line that Python logs, where Node's programs look for such: `process.on('warning')`, by default standard error. */
function warn<T>({ id, stream, attempt }: Delivery<T>, error: unknown): void {
  process.emitWarning(
    `a handler failed; <Delivery ${id} of ${stream}, attempt ${attempt}> is retried unless it was the last`,
    {
      type: 'StargazerWarning',
      code: 'STARGAZER_HANDLER_FAILED',
      detail: stackOf(error),
    },
  );
}

function stackOf(error: unknown): string {
  try {
    return error instanceof Error && error.stack !== undefined ? String(error.stack) : textOf(error);
  } catch {
    return textOf(error);
  }
}

function named(value: unknown): string {
  return value === null
    ? 'null'
    : typeof value === 'object'
      ? `a ${value.constructor?.name ?? 'object'}`
      : `a ${typeof value}`;
}
