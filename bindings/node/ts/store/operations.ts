/**
 * Operations on keys, from what a caller gives to what crosses.
 */

import { duration, maybeOptions, needTexts } from '../arguments.js';
import { InvalidError } from '../errors.js';
import type { Row } from '../part.js';
import type { Data, Lifetime, LogOptions } from './types.js';

/** An operation as it crosses. */
export type Op = Row & { op: string };

/** How each write crosses: on its own, or in a batch. */
export const OPS = {
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
    members: needPairs(members),
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

/** Members with their scores; anything that can be iterated, such as a Map. */
function needPairs(members: Iterable<readonly [Data, number]>): readonly (readonly [Data, number])[] {
  if (typeof (members as Partial<Iterable<unknown>> | null | undefined)?.[Symbol.iterator] === 'function') {
    return [...members];
  }
  throw new InvalidError('`members` must be pairs of a member and its score', { context: { field: 'members' } });
}

function ttl(options: Lifetime | undefined): number | undefined {
  return duration(maybeOptions(options).ttlMs, 'ttlMs');
}
