/**
 * The life of messages by trace id, in the original's states.
 *
 * ```ts
 * await using bus = await connect('redis://…', { trace: 'worker-1' });
 * for (const { state, by } of (await bus.trace(id)).steps) console.log(state, by);
 * ```
 */

import * as native from '../native.cjs';
import { Encoder } from './codec/encode.js';
import { ask } from './link.js';
import { answered } from './lock.js';

/** What something is at. The words and their order are the original's; nothing enforces the order. */
export type State =
  | 'RECEIVED'
  | 'PREPROCESSING'
  | 'QUEUED'
  | 'CLAIMED'
  | 'PRE_INFERENCE_GATHER'
  | 'INFERRING'
  | 'TOOL_EXECUTING'
  | 'POSTPROCESSING'
  | 'DELIVERING'
  | 'DELIVERED'
  | 'COMPLETED'
  | 'ERRORED'
  | 'RETRYING'
  | 'RECLAIMED';

/** One step of a trace. */
export interface Step {
  /** When, milliseconds since 1970, by the clock of whoever wrote it. */
  readonly atMs: number;
  /** The state it came to. */
  readonly state: string;
  /** Who wrote it, `''` when that is not said. */
  readonly by: string;
  /** Whether the state before allowed it. */
  readonly legal: boolean;
  /** What else was said: stream, entry, attempt, tool, reason, … */
  readonly detail: Readonly<Record<string, unknown>>;
}

/** The life of whatever has a trace id. */
export interface Trace {
  /** The trace id. */
  readonly id: string;
  /** The state it is in. */
  readonly state: string;
  /** When it came there, milliseconds since 1970. */
  readonly updatedAtMs: number;
  /** The steps, in the order in which the server took them. */
  readonly steps: readonly Step[];
  /** How many there were: more than `steps` where a trace is very long. */
  readonly total: number;
  /** How many of all steps the state before did not allow. */
  readonly illegal: number;
  /** The last checkpoint; `null` when there is none. */
  readonly checkpoint: unknown;
}

interface Row {
  id: string;
  state: string;
  updated_at_ms: number;
  steps: { at_ms: number; state: string; by: string; legal: boolean; detail: Record<string, unknown> }[];
  total: number;
  illegal: number;
  checkpoint: unknown;
}

/** @internal */
export async function readTrace(bus: native.Bus, traceId: string): Promise<Trace> {
  const { updated_at_ms, steps, ...rest } = (await call(bus, 'trace', { trace_id: traceId })) as Row;
  return {
    ...rest,
    updatedAtMs: Number(updated_at_ms),
    steps: steps.map(({ at_ms, ...step }) => ({ atMs: Number(at_ms), ...step })),
  };
}

/** @internal */
export async function call(bus: native.Bus, name: string, args: object): Promise<unknown> {
  const encoder = new Encoder();
  encoder.write(args);
  const written = encoder.written();
  return answered(await ask((token) => native.trace(bus, token, name, written)));
}
