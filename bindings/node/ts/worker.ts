/** Instances of tools services, as they tell of themselves. */

import type * as native from '../native.cjs';
import { needText } from './arguments.js';
import { decode } from './codec/decode.js';
import { ask } from './link.js';

/** A tool of an instance. */
export interface WorkerTool {
  /** Its name. */
  readonly name: string;
  /** Calls of it at the same time. */
  readonly capacity: number;
  /** Calls of it that run or wait for their turn. */
  readonly inFlight: number;
  /** Calls that gave a result. */
  readonly succeeded: number;
  /** Calls that failed. */
  readonly failed: number;
  /** How long 95 % of the last calls took at most; 0 before the first. */
  readonly p95Ms: number;
}

/** An instance of a tools service, as it told of itself at its last sign of life. */
export class Worker {
  /** Its identity, never used twice. */
  readonly instance!: string;
  /** Its service. */
  readonly service!: string | null;
  /** Whether it takes no calls any more, and only ends what it has begun. */
  readonly draining!: boolean;
  /** Calls that it runs at the same time. */
  readonly capacity!: number;
  /** Calls that run or wait for their turn. */
  readonly inFlight!: number;
  /** When it told this, milliseconds since 1970, by its own clock. */
  readonly seenMs!: number;
  /** When it started, milliseconds since 1970, by its own clock. */
  readonly startedMs!: number;
  /** Its tools, sorted by name. */
  readonly tools!: readonly WorkerTool[];

  /** @internal */
  constructor(row: object) {
    Object.assign(this, row);
  }

  /** Whether it can take one more call of a tool. */
  hasRoom(tool: string): boolean {
    needText(tool, 'tool');
    const has = this.tools.some(({ name, inFlight, capacity }) => name === tool && inFlight < capacity);
    return has && !this.draining && this.inFlight < this.capacity;
  }
}

/** The instances that live. @internal */
export async function workersOf(bus: native.Bus): Promise<Worker[]> {
  const { plain } = await ask((token) => bus.toolWorkers(token));
  return (decode(plain as Buffer) as object[]).map((row) => new Worker(row));
}
