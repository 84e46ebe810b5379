/** What the server keeps under keys, beside the streams: texts, hashes, sets, sorted sets, lists, notifications, logs. */

import type { Part, Row } from './part.js';
import { duration, maybeOptions, needTexts } from './settings.js';

/** What is kept: bytes, or a text as its UTF-8. */
export type Data = Uint8Array | string;

/** How long something lives. */
export interface Lifetime {
  /** How long the key lives from now. A text that is set without one lives for ever, anything else as long as before. */
  ttlMs?: number;
}

/** How an entry is appended to a log. */
export interface LogOptions extends Lifetime {
  /** How many entries the stream keeps; the oldest go. */
  maxLen?: number;
  /** The server may keep somewhat more, which costs it less. Yes. */
  approximate?: boolean;
}

/** An entry of a log. */
export interface LogEntry {
  /** Its id. */
  readonly id: string;
  /** Its fields. */
  readonly fields: Readonly<Record<string, Buffer>>;
}

/** Something that was told on a channel. */
export interface Notification {
  /** It was heard. */
  readonly lost: false;
  /** The channel. */
  readonly channel: string;
  /** What was told. */
  readonly payload: Buffer;
}

/** Something was, or may have been, told that is not heard: look again at what it was about. */
export interface LostNotifications {
  /** It was not heard. */
  readonly lost: true;
  /** How many are known to be missed, because they were not read in time; 0 after an outage. */
  readonly missed: number;
}

/** What a subscription hears. */
export type Heard = Notification | LostNotifications;

/** An operation as it crosses. */
type Op = Row & { op: string };

const OPS = {
  set: (key: string, value: Data, options?: Lifetime): Op => ({ op: 'set', key, value, ttl: ttl(options) }),
  setIfAbsent: (key: string, value: Data, options?: Lifetime): Op => ({
    op: 'set_if_absent',
    key,
    value,
    ttl: ttl(options),
  }),
  compareAndSet: (key: string, expected: Data, value: Data, options?: Lifetime): Op => ({
    op: 'compare_and_set',
    key,
    expected,
    value,
    ttl: ttl(options),
  }),
  compareAndDelete: (key: string, expected: Data): Op => ({ op: 'compare_and_delete', key, expected }),
  increment: (key: string, by?: number | bigint, options?: Lifetime): Op => ({
    op: 'increment',
    key,
    by,
    ttl: ttl(options),
  }),
  delete: (keys: readonly string[]): Op => ({ op: 'delete', keys: needTexts(keys, 'keys') }),
  expire: (key: string, ttlMs: number): Op => ({ op: 'expire', key, ttl: duration(ttlMs, 'ttlMs') }),
  hashSet: (key: string, fields: Readonly<Record<string, Data>>, options?: Lifetime): Op => ({
    op: 'hash_set',
    key,
    fields,
    ttl: ttl(options),
  }),
  hashSetIfAbsent: (key: string, field: string, value: Data): Op => ({ op: 'hash_set_if_absent', key, field, value }),
  hashDelete: (key: string, fields: readonly string[]): Op => ({ op: 'hash_delete', key, fields }),
  hashIncrement: (key: string, field: string, by?: number | bigint): Op => ({ op: 'hash_increment', key, field, by }),
  setAdd: (key: string, members: readonly Data[], options?: Lifetime): Op => ({
    op: 'set_add',
    key,
    members,
    ttl: ttl(options),
  }),
  setRemove: (key: string, members: readonly Data[]): Op => ({ op: 'set_remove', key, members }),
  sortedAdd: (key: string, members: Iterable<readonly [Data, number]>, options?: Lifetime): Op => ({
    op: 'sorted_add',
    key,
    members: [...members],
    ttl: ttl(options),
  }),
  sortedRemove: (key: string, members: readonly Data[]): Op => ({ op: 'sorted_remove', key, members }),
  listPush: (key: string, values: readonly Data[], options?: Lifetime): Op => ({
    op: 'list_push',
    key,
    values,
    ttl: ttl(options),
  }),
  listTrim: (key: string, from: number, to: number): Op => ({ op: 'list_trim', key, from, to }),
  notify: (channel: string, payload: Data): Op => ({ op: 'notify', channel, payload }),
  logAppend: (stream: string, fields: Readonly<Record<string, Data>>, options?: LogOptions): Op => {
    const { maxLen, approximate } = maybeOptions(options);
    return { op: 'log_append', stream, fields, max_len: maxLen, approximate, ttl: ttl(options) };
  },
} as const;

/**
 * What a server keeps under keys. Cheap; every store of a bus shares its connection.
 *
 * Every call is one round trip and one step; nothing is retried: an `UnavailableError` or `TimeoutError` may have been carried
 * out. A key that holds another kind of value is `InvalidError`, with what it holds. A key goes with the last thing in it.
 */
export class Store {
  readonly #part: Part;

  /** @internal */
  constructor(part: Part) {
    this.#part = part;
  }

  /** Writes that are carried out together, in one step. */
  batch(): Batch {
    return new Batch(this.#part);
  }

  /** The text under a key. */
  get(key: string): Promise<Buffer | null> {
    return this.#one({ op: 'get', key });
  }

  /** Sets a text. */
  async set(key: string, value: Data, options?: Lifetime): Promise<void> {
    await this.#one(OPS.set(key, value, options));
  }

  /** Sets a text when there is no such key; whether it did. */
  setIfAbsent(key: string, value: Data, options?: Lifetime): Promise<boolean> {
    return this.#one(OPS.setIfAbsent(key, value, options));
  }

  /** Sets a text when the key holds `expected`; whether it did. Without `ttlMs` it lives for ever then. */
  compareAndSet(key: string, expected: Data, value: Data, options?: Lifetime): Promise<boolean> {
    return this.#one(OPS.compareAndSet(key, expected, value, options));
  }

  /** Removes a text that is `expected`; whether it did. */
  compareAndDelete(key: string, expected: Data): Promise<boolean> {
    return this.#one(OPS.compareAndDelete(key, expected));
  }

  /** Adds to a counter, which is 0 at first; what it is afterwards: a `bigint` beyond the safe integers. */
  increment(key: string, by?: number | bigint, options?: Lifetime): Promise<number | bigint> {
    return this.#one(OPS.increment(key, by, options));
  }

  /** Removes keys of any kind; how many there were. At most 1000. */
  async delete(...keys: string[]): Promise<number> {
    return keys.length === 0 ? 0 : this.#one(OPS.delete(keys));
  }

  /** Whether there is a key of any kind. */
  exists(key: string): Promise<boolean> {
    return this.#one({ op: 'exists', key });
  }

  /** Lets a key of any kind live that long from now; whether there is one. */
  expire(key: string, ttlMs: number): Promise<boolean> {
    return this.#one(OPS.expire(key, ttlMs));
  }

  /** How many milliseconds a key still lives; `null` without a limit, and without a key. */
  timeToLive(key: string): Promise<number | null> {
    return this.#one({ op: 'time_to_live', key });
  }

  /** The value of a field. */
  hashGet(key: string, field: string): Promise<Buffer | null> {
    return this.#one({ op: 'hash_get', key, field });
  }

  /** All fields and values. `MalformedError` when the name of a field is no UTF-8. */
  hashGetAll(key: string): Promise<Record<string, Buffer>> {
    return this.#one({ op: 'hash_get_all', key });
  }

  /** Sets fields; how many are new. */
  hashSet(key: string, fields: Readonly<Record<string, Data>>, options?: Lifetime): Promise<number> {
    return this.#one(OPS.hashSet(key, fields, options));
  }

  /** Sets a field that is not there; whether it did. */
  hashSetIfAbsent(key: string, field: string, value: Data): Promise<boolean> {
    return this.#one(OPS.hashSetIfAbsent(key, field, value));
  }

  /** Removes fields; how many there were. */
  hashDelete(key: string, ...fields: string[]): Promise<number> {
    return this.#one(OPS.hashDelete(key, fields));
  }

  /** Whether there is such a field. */
  hashExists(key: string, field: string): Promise<boolean> {
    return this.#one({ op: 'hash_exists', key, field });
  }

  /** How many fields there are. */
  hashLen(key: string): Promise<number> {
    return this.#one({ op: 'hash_len', key });
  }

  /** Adds to a counter in a hash, which is 0 at first; what it is afterwards. */
  hashIncrement(key: string, field: string, by?: number | bigint): Promise<number | bigint> {
    return this.#one(OPS.hashIncrement(key, field, by));
  }

  /** Adds members to a set; how many are new. */
  setAdd(key: string, members: readonly Data[], options?: Lifetime): Promise<number> {
    return this.#one(OPS.setAdd(key, members, options));
  }

  /** Removes members of a set; how many there were. */
  setRemove(key: string, members: readonly Data[]): Promise<number> {
    return this.#one(OPS.setRemove(key, members));
  }

  /** Whether a set has a member. */
  setContains(key: string, member: Data): Promise<boolean> {
    return this.#one({ op: 'set_contains', key, member });
  }

  /** All members of a set, in no order. */
  setMembers(key: string): Promise<Buffer[]> {
    return this.#one({ op: 'set_members', key });
  }

  /** Adds members with their scores, or gives them another score; how many are new. */
  sortedAdd(key: string, members: Iterable<readonly [Data, number]>, options?: Lifetime): Promise<number> {
    return this.#one(OPS.sortedAdd(key, members, options));
  }

  /** Removes members; how many there were. */
  sortedRemove(key: string, members: readonly Data[]): Promise<number> {
    return this.#one(OPS.sortedRemove(key, members));
  }

  /** Members whose score lies between two (inclusive), lowest first and then by their bytes, at most `count` (1000). */
  sortedRange(
    key: string,
    low: number = -Infinity,
    high: number = Infinity,
    { count }: { count?: number } = {},
  ): Promise<[Buffer, number][]> {
    return this.#one({ op: 'sorted_range', key, from: low, to: high, count });
  }

  /** Adds values behind the last of a list; its length afterwards. */
  listPush(key: string, values: readonly Data[], options?: Lifetime): Promise<number> {
    return this.#one(OPS.listPush(key, values, options));
  }

  /** Values between two places (inclusive); places count from 0, from behind as -1, -2, … */
  listRange(key: string, from = 0, to = -1): Promise<Buffer[]> {
    return this.#one({ op: 'list_range', key, from, to });
  }

  /** Takes the first value off a list. */
  listPop(key: string): Promise<Buffer | null> {
    return this.#one({ op: 'list_pop', key });
  }

  /** Keeps only the values between two places (inclusive). */
  async listTrim(key: string, from: number, to: number): Promise<void> {
    await this.#one(OPS.listTrim(key, from, to));
  }

  /** Tells those who listen on a channel at this moment; how many connections that is. */
  notify(channel: string, payload: Data): Promise<number> {
    return this.#one(OPS.notify(channel, payload));
  }

  /**
   * Listens on channels; everything told once this has returned is heard. An unreachable server is an error here; an outage
   * later is heard as `lost`.
   */
  async subscribe(...channels: string[]): Promise<Subscription> {
    return new Subscription(await this.#part.open('subscribe', { channels: needTexts(channels, 'channels') }));
  }

  /** Appends an entry; its id. */
  logAppend(stream: string, fields: Readonly<Record<string, Data>>, options?: LogOptions): Promise<string> {
    return this.#one(OPS.logAppend(stream, fields, options));
  }

  /** Entries after an id, oldest first, at most `count` (1 to 1000; 100). */
  logRead(stream: string, after = '0-0', { count }: { count?: number } = {}): Promise<LogEntry[]> {
    return this.#one({ op: 'log_read', stream, after, count });
  }

  /** The same, and when there are none yet, as soon as there are any; none when `waitMs` (5 s) are over. */
  logTail(
    stream: string,
    after: string,
    { count, waitMs = 5000 }: { count?: number; waitMs?: number } = {},
  ): Promise<LogEntry[]> {
    return this.#part.call('log_tail', { stream, after, count, wait: duration(waitMs, 'waitMs') });
  }

  /** Removes the entries up to an id, that one included; how many there were. */
  logTrim(stream: string, upTo: string): Promise<number> {
    return this.#one({ op: 'log_trim', stream, up_to: upTo });
  }

  /** The last id that a stream gave; `0-0` when there is no such stream. */
  logLast(stream: string): Promise<string> {
    return this.#one({ op: 'log_last', stream });
  }

  async #one<T>(op: Op): Promise<T> {
    const [answer] = await this.#part.call<[T]>('apply', { ops: [op] });
    return answer;
  }
}

/**
 * Writes that are collected and carried out by {@link commit}, in their order, all or none.
 *
 * A condition of a write that does not hold (`setIfAbsent`) leaves out that write only; one of the batch (`requireAbsent`,
 * `requireMember`) leaves out everything. A key is of one kind throughout, also when the batch removes it; a counter is written
 * once. Each write is as the method of its name on {@link Store}.
 */
export class Batch {
  readonly #part: Part;
  readonly #ops: Op[] = [];

  /** @internal */
  constructor(part: Part) {
    this.#part = part;
  }

  /** How many operations were collected. */
  get length(): number {
    return this.#ops.length;
  }

  /**
   * Carries them out; one answer for each, as the method of that name on {@link Store} gives it. `ConflictError` when a
   * condition of the batch does not hold and nothing was changed; `context.unmet` is its place.
   */
  commit(): Promise<unknown[]> {
    return this.#part.call('apply', { ops: this.#ops });
  }

  /** Has the batch carried out only if there is no such key. */
  requireAbsent(key: string): this {
    return this.#add({ op: 'exists', key, require: false });
  }

  /** Has the batch carried out only if a set has a member. */
  requireMember(key: string, member: Data): this {
    return this.#add({ op: 'set_contains', key, member, require: true });
  }

  /** {@link Store.set}. */
  set(...given: Parameters<typeof OPS.set>): this {
    return this.#add(OPS.set(...given));
  }

  /** {@link Store.setIfAbsent}. */
  setIfAbsent(...given: Parameters<typeof OPS.setIfAbsent>): this {
    return this.#add(OPS.setIfAbsent(...given));
  }

  /** {@link Store.compareAndSet}. */
  compareAndSet(...given: Parameters<typeof OPS.compareAndSet>): this {
    return this.#add(OPS.compareAndSet(...given));
  }

  /** {@link Store.compareAndDelete}. */
  compareAndDelete(...given: Parameters<typeof OPS.compareAndDelete>): this {
    return this.#add(OPS.compareAndDelete(...given));
  }

  /** {@link Store.increment}. */
  increment(...given: Parameters<typeof OPS.increment>): this {
    return this.#add(OPS.increment(...given));
  }

  /** {@link Store.delete}. */
  delete(...keys: string[]): this {
    return keys.length === 0 ? this : this.#add(OPS.delete(keys));
  }

  /** {@link Store.expire}. */
  expire(...given: Parameters<typeof OPS.expire>): this {
    return this.#add(OPS.expire(...given));
  }

  /** {@link Store.hashSet}. */
  hashSet(...given: Parameters<typeof OPS.hashSet>): this {
    return this.#add(OPS.hashSet(...given));
  }

  /** {@link Store.hashSetIfAbsent}. */
  hashSetIfAbsent(...given: Parameters<typeof OPS.hashSetIfAbsent>): this {
    return this.#add(OPS.hashSetIfAbsent(...given));
  }

  /** {@link Store.hashDelete}. */
  hashDelete(key: string, ...fields: string[]): this {
    return this.#add(OPS.hashDelete(key, fields));
  }

  /** {@link Store.hashIncrement}. */
  hashIncrement(...given: Parameters<typeof OPS.hashIncrement>): this {
    return this.#add(OPS.hashIncrement(...given));
  }

  /** {@link Store.setAdd}. */
  setAdd(...given: Parameters<typeof OPS.setAdd>): this {
    return this.#add(OPS.setAdd(...given));
  }

  /** {@link Store.setRemove}. */
  setRemove(...given: Parameters<typeof OPS.setRemove>): this {
    return this.#add(OPS.setRemove(...given));
  }

  /** {@link Store.sortedAdd}. */
  sortedAdd(...given: Parameters<typeof OPS.sortedAdd>): this {
    return this.#add(OPS.sortedAdd(...given));
  }

  /** {@link Store.sortedRemove}. */
  sortedRemove(...given: Parameters<typeof OPS.sortedRemove>): this {
    return this.#add(OPS.sortedRemove(...given));
  }

  /** {@link Store.listPush}. */
  listPush(...given: Parameters<typeof OPS.listPush>): this {
    return this.#add(OPS.listPush(...given));
  }

  /** {@link Store.listTrim}. */
  listTrim(...given: Parameters<typeof OPS.listTrim>): this {
    return this.#add(OPS.listTrim(...given));
  }

  /** {@link Store.notify}. */
  notify(...given: Parameters<typeof OPS.notify>): this {
    return this.#add(OPS.notify(...given));
  }

  /** {@link Store.logAppend}. */
  logAppend(...given: Parameters<typeof OPS.logAppend>): this {
    return this.#add(OPS.logAppend(...given));
  }

  #add(op: Op): this {
    this.#ops.push(op);
    return this;
  }
}

/** An open ear on some channels: iterate it. Bounded; what is not read in time is counted as missed. */
export class Subscription implements AsyncIterable<Heard> {
  readonly #part: Part;

  /** @internal */
  constructor(part: Part) {
    this.#part = part;
  }

  /** What is heard next, waited for also through an outage; `undefined` once it or its bus is closed. */
  async next(): Promise<Heard | undefined> {
    const row = await this.#part.call<{ channel?: string; payload?: Buffer; missed?: number } | null>('next');
    if (row === null) return undefined;
    const { channel, payload, missed = 0 } = row;
    return channel === undefined ? { lost: true, missed } : { lost: false, channel, payload: payload as Buffer };
  }

  /** What is heard, until it is closed. Leaving the loop closes nothing. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Heard, void, undefined> {
    for (let heard = await this.next(); heard !== undefined; heard = await this.next()) yield heard;
  }

  /** Ends it. May be called twice. */
  close(): void {
    this.#part.atOnce('close');
  }

  /** {@link close}. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
  }
}

function ttl(options: Lifetime | undefined): number | undefined {
  return duration(maybeOptions(options).ttlMs, 'ttlMs');
}
