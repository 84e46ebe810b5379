/** What looking at a bus gives. Nothing here says 0 or "fine" where it is not known. */

import type { RawEntry, PendingInfo as RawPending } from '../native.cjs';
import { decode } from './codec/decode.js';

/** A stream at a glance. */
export interface StreamInfo {
  /** Entries in it. */
  readonly length: number;
  /** The last id it ever gave. */
  readonly lastId: string;
  /** Id of its first entry. */
  readonly firstEntry?: string;
  /** Its groups. */
  readonly groups: readonly GroupInfo[];
}

/** A group at a glance. */
export interface GroupInfo {
  /** Name. */
  readonly name: string;
  /** Consumers. */
  readonly consumers: number;
  /** Entries handed out and not finished. */
  readonly pending: number;
  /** The last id handed out. */
  readonly lastDelivered: string;
  /** Entries not handed out yet; absent when the server does not know. */
  readonly lag?: number;
  /**
   * Under the retention `capped`: milliseconds until its oldest unfinished entry is trimmed, at the present rate and no
   * later; 0 when one is gone already. Absent when that is not known.
   */
  readonly timeToLossMs?: number;
}

/** Pending entries of a group. */
export interface PendingInfo {
  /** How many. */
  readonly count: number;
  /** Id of the oldest. */
  readonly oldest?: string;
  /** Id of the newest. */
  readonly newest?: string;
  /** How many each consumer holds. */
  readonly consumers: ReadonlyMap<string, number>;
}

/** The result of one check of a server. */
export interface Finding {
  /** What was looked at, a word that never changes: `eviction`, `persistence`, … */
  readonly check: string;
  /** How it came out; `unknown`: the server does not let us look. */
  readonly level: 'ok' | 'unknown' | 'warning' | 'bad';
  /** What is there. */
  readonly found: string;
  /** What to do; empty when all is well. */
  readonly advice: string;
}

/** An entry as it stands in a stream. */
export class Entry {
  /** Its id. */
  readonly id: string;
  /** Its fields as they stand there. */
  readonly fields: ReadonlyMap<string, Buffer>;

  /** @internal */
  constructor(id: string, fields: ReadonlyMap<string, Buffer>) {
    this.id = id;
    this.fields = fields;
  }

  /** The msgpack bytes of the body; empty when it has none. */
  get raw(): Buffer {
    return this.fields.get('data') ?? Buffer.alloc(0);
  }

  /** The body, decoded at each look. `MalformedError` when it cannot be. */
  get data(): unknown {
    return decode(this.raw);
  }

  /** A field as text; `undefined` when it is not there. */
  text(name: string): string | undefined {
    return this.fields.get(name)?.toString();
  }
}

/** @internal */
export function entryOf({ id, names, values }: RawEntry): Entry {
  return new Entry(id, new Map(names.map((name, i) => [name, values[i] as Buffer])));
}

/** @internal */
export function pendingOf({ consumers, ...pending }: RawPending): PendingInfo {
  return { ...pending, consumers: new Map(consumers.map(({ name, count }) => [name, count])) };
}
