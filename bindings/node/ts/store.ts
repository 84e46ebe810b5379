/** What the server keeps under keys, beside the streams: texts, hashes, sets, sorted sets, lists, notifications, logs. */

import { duration, maybeOptions, needTexts } from './arguments.js';
import type { Part } from './part.js';
import { Batch } from './store/batch.js';
import { OPS, type Op } from './store/operations.js';
import { Subscription } from './store/subscription.js';
import type { Data, Lifetime, LogEntry, LogOptions } from './store/types.js';

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
  async get(key: string): Promise<Buffer | null> {
    return this.#one({ op: 'get', key });
  }

  /** Sets a text. */
  async set(key: string, value: Data, options?: Lifetime): Promise<void> {
    await this.#one(OPS.set(key, value, options));
  }

  /** Sets a text when there is no such key; whether it did. */
  async setIfAbsent(key: string, value: Data, options?: Lifetime): Promise<boolean> {
    return this.#one(OPS.setIfAbsent(key, value, options));
  }

  /** Sets a text when the key holds `expected`; whether it did. Without `ttlMs` it lives for ever then. */
  async compareAndSet(key: string, expected: Data, value: Data, options?: Lifetime): Promise<boolean> {
    return this.#one(OPS.compareAndSet(key, expected, value, options));
  }

  /** Removes a text that is `expected`; whether it did. */
  async compareAndDelete(key: string, expected: Data): Promise<boolean> {
    return this.#one(OPS.compareAndDelete(key, expected));
  }

  /** Adds to a counter, which is 0 at first; what it is afterwards: a `bigint` beyond the safe integers. */
  async increment(key: string, by?: number | bigint, options?: Lifetime): Promise<number | bigint> {
    return this.#one(OPS.increment(key, by, options));
  }

  /** Removes keys of any kind; how many there were. At most 1000. */
  async delete(...keys: string[]): Promise<number> {
    return keys.length === 0 ? 0 : this.#one(OPS.delete(keys));
  }

  /** Whether there is a key of any kind. */
  async exists(key: string): Promise<boolean> {
    return this.#one({ op: 'exists', key });
  }

  /** Lets a key of any kind live that long from now; whether there is one. */
  async expire(key: string, ttlMs: number): Promise<boolean> {
    return this.#one(OPS.expire(key, ttlMs));
  }

  /** How many milliseconds a key still lives; `null` without a limit, and without a key. */
  async timeToLive(key: string): Promise<number | null> {
    return this.#one({ op: 'time_to_live', key });
  }

  /** The value of a field. */
  async hashGet(key: string, field: string): Promise<Buffer | null> {
    return this.#one({ op: 'hash_get', key, field });
  }

  /** All fields and values. `MalformedError` when the name of a field is no UTF-8. */
  async hashGetAll(key: string): Promise<Record<string, Buffer>> {
    return this.#one({ op: 'hash_get_all', key });
  }

  /** Sets fields; how many are new. */
  async hashSet(key: string, fields: Readonly<Record<string, Data>>, options?: Lifetime): Promise<number> {
    return this.#one(OPS.hashSet(key, fields, options));
  }

  /** Sets a field that is not there; whether it did. */
  async hashSetIfAbsent(key: string, field: string, value: Data): Promise<boolean> {
    return this.#one(OPS.hashSetIfAbsent(key, field, value));
  }

  /** Removes fields; how many there were. */
  async hashDelete(key: string, ...fields: string[]): Promise<number> {
    return this.#one(OPS.hashDelete(key, fields));
  }

  /** Whether there is such a field. */
  async hashExists(key: string, field: string): Promise<boolean> {
    return this.#one({ op: 'hash_exists', key, field });
  }

  /** How many fields there are. */
  async hashLen(key: string): Promise<number> {
    return this.#one({ op: 'hash_len', key });
  }

  /** Adds to a counter in a hash, which is 0 at first; what it is afterwards. */
  async hashIncrement(key: string, field: string, by?: number | bigint): Promise<number | bigint> {
    return this.#one(OPS.hashIncrement(key, field, by));
  }

  /** Adds members to a set; how many are new. */
  async setAdd(key: string, members: readonly Data[], options?: Lifetime): Promise<number> {
    return this.#one(OPS.setAdd(key, members, options));
  }

  /** Removes members of a set; how many there were. */
  async setRemove(key: string, members: readonly Data[]): Promise<number> {
    return this.#one(OPS.setRemove(key, members));
  }

  /** Whether a set has a member. */
  async setContains(key: string, member: Data): Promise<boolean> {
    return this.#one({ op: 'set_contains', key, member });
  }

  /** All members of a set, in no order. */
  async setMembers(key: string): Promise<Buffer[]> {
    return this.#one({ op: 'set_members', key });
  }

  /** Adds members with their scores, or gives them another score; how many are new. */
  async sortedAdd(key: string, members: Iterable<readonly [Data, number]>, options?: Lifetime): Promise<number> {
    return this.#one(OPS.sortedAdd(key, members, options));
  }

  /** Removes members; how many there were. */
  async sortedRemove(key: string, members: readonly Data[]): Promise<number> {
    return this.#one(OPS.sortedRemove(key, members));
  }

  /** Members whose score lies between two (inclusive), lowest first and then by their bytes, at most `count` (1000). */
  async sortedRange(
    key: string,
    low: number = -Infinity,
    high: number = Infinity,
    options: { count?: number } = {},
  ): Promise<[Buffer, number][]> {
    const { count } = maybeOptions(options);
    return this.#one({ op: 'sorted_range', key, from: low, to: high, count });
  }

  /** Adds values behind the last of a list; its length afterwards. */
  async listPush(key: string, values: readonly Data[], options?: Lifetime): Promise<number> {
    return this.#one(OPS.listPush(key, values, options));
  }

  /** Values between two places (inclusive); places count from 0, from behind as -1, -2, … */
  async listRange(key: string, from = 0, to = -1): Promise<Buffer[]> {
    return this.#one({ op: 'list_range', key, from, to });
  }

  /** Takes the first value off a list. */
  async listPop(key: string): Promise<Buffer | null> {
    return this.#one({ op: 'list_pop', key });
  }

  /** Keeps only the values between two places (inclusive). */
  async listTrim(key: string, from: number, to: number): Promise<void> {
    await this.#one(OPS.listTrim(key, from, to));
  }

  /** Tells those who listen on a channel at this moment; how many connections that is. */
  async notify(channel: string, payload: Data): Promise<number> {
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
  async logAppend(stream: string, fields: Readonly<Record<string, Data>>, options?: LogOptions): Promise<string> {
    return this.#one(OPS.logAppend(stream, fields, options));
  }

  /** Entries after an id, oldest first, at most `count` (1 to 1000; 100). */
  async logRead(stream: string, after = '0-0', options: { count?: number } = {}): Promise<LogEntry[]> {
    const { count } = maybeOptions(options);
    return this.#one({ op: 'log_read', stream, after, count });
  }

  /** The same, and when there are none yet, as soon as there are any; none when `waitMs` (5 s) are over. */
  async logTail(stream: string, after: string, options: { count?: number; waitMs?: number } = {}): Promise<LogEntry[]> {
    const { count, waitMs = 5000 } = maybeOptions(options);
    return this.#part.call('log_tail', { stream, after, count, wait: duration(waitMs, 'waitMs') });
  }

  /** Removes the entries up to an id, that one included; how many there were. */
  async logTrim(stream: string, upTo: string): Promise<number> {
    return this.#one({ op: 'log_trim', stream, up_to: upTo });
  }

  /** The last id that a stream gave; `0-0` when there is no such stream. */
  async logLast(stream: string): Promise<string> {
    return this.#one({ op: 'log_last', stream });
  }

  async #one<T>(op: Op): Promise<T> {
    const [answer] = await this.#part.call<[T]>('apply', { ops: [op] });
    return answer;
  }
}
