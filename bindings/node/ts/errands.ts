/**
 * Errands: what the core has done on this thread, because only JavaScript can do it.
 *
 * A function is enlisted under a number, which is given to the core. What it resolves to goes back, and so does, by class
 * and text, what it throws. An errand that is to end has its signal aborted, once; what it answers then is heard by nobody.
 * With the thread, its errands end, and the core is told.
 */

import type { End, Errand as Order } from '../native.cjs';
import type { Clock } from './clock.js';
import { decode } from './codec/decode.js';
import { Encoder } from './codec/encode.js';
import { captured, type InContext } from './context.js';
import { CancelledError, InvalidError, StargazerError, TooLargeError, told } from './errors.js';
import { onOrders, port } from './link.js';
import { type SpanContext, withinSpan } from './span.js';

/** Why something is to end. */
export type EndReason = 'caller' | 'deadline' | 'timeout' | 'abandoned';

/** Something to be done. */
export interface Errand {
  /** What it is known by. */
  readonly id: number;
  /** What the function is to do, where it can do several things: a method's name. */
  readonly what: string;
  /** Arguments by name. */
  readonly arguments: Readonly<Record<string, unknown>>;
  /** Aborted when it is to end. */
  readonly signal: AbortSignal;
  /** The time of its bus. */
  readonly clock: Clock;
}

/** What runs errands. What it resolves to must be something that a body may hold. */
export type ErrandRunner = (errand: Errand) => unknown;

/** The answer of a call: what it gave, and what goes into the caller's context. */
export class Parts {
  constructor(
    readonly result: unknown,
    readonly writeback: Readonly<Record<string, unknown>>,
  ) {}
}

const runners = new Map<number, { readonly run: ErrandRunner; readonly clock: Clock; readonly inContext: InContext }>();
const running = new Map<number, AbortController>();
let last = 0;

onOrders((errands, ends) => {
  for (const errand of errands) void run(errand);
  for (const { id, reason } of ends as readonly (End & { reason: EndReason })[]) {
    running.get(id)?.abort(new CancelledError(`it is to end: ${REASONS[reason]}`, { context: { reason } }));
  }
});

const REASONS: Readonly<Record<EndReason, string>> = {
  caller: 'the caller cancelled it',
  deadline: 'its deadline has passed',
  timeout: 'it ran longer than it may',
  abandoned: 'what runs it closes, or somebody else runs it',
};

/** Lets a function run errands, in the context of now; the number is what the core is to know it by. */
export function enlistRunner(runner: ErrandRunner, clock: Clock): number {
  last = (last + 1) >>> 0;
  runners.set(last, { run: runner, clock, inContext: captured() });
  return last;
}

/** Takes a function's number back. What it runs goes on. */
export function dismissRunner(number: number): void {
  runners.delete(number);
}

async function run(order: Order): Promise<void> {
  const { id, what } = order;
  const runner = runners.get(order.function);
  if (runner === undefined) {
    fail(id, { kind: 'closed', code: 'closed', message: `what was to do ${what} has been closed` });
    return;
  }
  const ending = new AbortController();
  running.set(id, ending);
  try {
    const given = decode(order.arguments) as Record<string, unknown>;
    const errand = { id, what, arguments: given, signal: ending.signal, clock: runner.clock };
    const answer = await runner.inContext(() => withinSpan(spanOf(given), () => runner.run(errand)));
    finish(id, what, answer);
  } catch (error) {
    fail(id, told(error));
  } finally {
    running.delete(id);
  }
}

/** The context of OpenTelemetry that a call carries. */
function spanOf({ traceparent, tracestate }: Record<string, unknown>): SpanContext {
  return {
    ...(typeof traceparent === 'string' && { traceparent }),
    ...(typeof tracestate === 'string' && { tracestate }),
  };
}

function finish(id: number, what: string, answer: unknown): void {
  const encoder = new Encoder();
  const parts = answer instanceof Parts;
  try {
    // Who returns nothing answers null.
    encoder.write(parts ? [answer.result ?? null, answer.writeback] : (answer ?? null));
  } catch (error) {
    fail(id, { ...told(refused(what, error, parts)), code: 'bad_answer' });
    return;
  }
  port.answer(id, true, encoder.written());
}

/** Why an answer cannot be sent, told by who gave it and in its own words. */
function refused(name: string, error: unknown, parts: boolean): unknown {
  if (!(error instanceof StargazerError)) return error;
  const { expected, found, field = '' } = error.context;
  const root = parts && field.startsWith('[1]') ? 'writeback' : 'answer';
  const rest = parts ? field.slice(3) : field;
  const place = `${root}${/^($|[[.])/.test(rest) ? '' : '.'}${rest}`;
  const kind = error instanceof TooLargeError ? TooLargeError : InvalidError;
  const text =
    expected !== undefined && found !== undefined
      ? `\`${place}\` of \`${name}\` must be ${expected}; found ${found}`
      : `the answer of \`${name}\` cannot be sent: ${error.message}`;
  return new kind(text, { context: { ...error.context, field: place } });
}

function fail(id: number, why: Readonly<Record<string, unknown>>): void {
  const encoder = new Encoder();
  encoder.write(why);
  port.answer(id, false, encoder.written());
}
