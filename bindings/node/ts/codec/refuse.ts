/**
 * What cannot be sent, and why.
 *
 * The encoder stops at the first such value without knowing where it stands; the walk here looks again, slowly, for the
 * path of the key.
 */

import { InvalidError, TooLargeError } from '../errors.js';
import { Ext } from './ext.js';

/** Deeper nesting than this is refused here; the bus' own limit, checked by core, is lower. */
export const DEEPEST = 512;

/** The least whole number of 64 bits. */
export const LEAST = -(2n ** 63n);
/** The greatest one. */
export const MOST = 2n ** 64n - 1n;

/** What is wrong with a value, before the walk that finds its path. */
export class Refused extends Error {}

/** Whether it is an object without a class of its own. */
export function isPlain(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false;
  return value.constructor === Object || value.constructor === undefined;
}

export const DEEP = `lists and maps stand inside each other more than ${DEEPEST} deep`;
const EXPECTED = 'null, a boolean, a number, text, bytes, a date, a list or a map';
export const KEY = 'a key that is not text';
export const SURROGATE = 'text with a lone surrogate';

/** What an object of a class stands for: what its `toJSON` gives, its bytes, or itself as a map of its properties. */
export function plainOf(value: object): unknown {
  if (value instanceof ArrayBuffer) return new Uint8Array(value);
  const toJSON: unknown = (value as { toJSON?: unknown }).toJSON;
  if (typeof toJSON === 'function') {
    const json: unknown = toJSON.call(value);
    if (json !== value) return json;
  }
  if (hasNoPlainForm(value)) throw new Refused(fault(value));
  return value;
}

/** Objects whose properties do not hold what they are. */
function hasNoPlainForm(value: object): boolean {
  return (
    value instanceof Set ||
    value instanceof Error ||
    value instanceof RegExp ||
    value instanceof Promise ||
    value instanceof WeakMap ||
    value instanceof WeakSet ||
    ArrayBuffer.isView(value)
  );
}

/** What a value is that cannot be sent; empty when it can. */
export function fault(value: unknown): string {
  switch (typeof value) {
    case 'undefined':
      return 'undefined';
    case 'string':
      return value.isWellFormed() ? '' : SURROGATE;
    case 'bigint':
      return value < LEAST || value > MOST ? 'an integer beyond 64 bits' : '';
    case 'function':
    case 'symbol':
      return `a ${typeof value}`;
    case 'object':
      if (value instanceof Date) return Number.isNaN(value.getTime()) ? 'an invalid date' : '';
      if (value === null || !hasNoPlainForm(value) || value instanceof Uint8Array) return '';
      return `a ${value.constructor.name}`;
    default:
      return '';
  }
}

/** The error for a value that was refused: looks again, slowly, for the path. */
export function refusal(value: unknown, reason: string): InvalidError | TooLargeError {
  const found = search(value, [], []);
  if (found === undefined && reason === DEEP) return new TooLargeError(reason, { context: { limit: 'max_depth' } });
  const path = pathOf(found?.path ?? []);
  const what = found?.fault ?? reason;
  const message = `${path === '' ? 'a body' : `\`${path}\` of a body`} must be ${EXPECTED}; found ${what}`;
  return new InvalidError(message, { context: { field: path, expected: EXPECTED, found: what } });
}

interface Found {
  readonly path: readonly (string | number)[];
  readonly fault: string;
}

function search(value: unknown, path: (string | number)[], above: object[]): Found | undefined {
  const wrong = fault(value);
  if (wrong !== '') return { path: [...path], fault: wrong };
  if (typeof value !== 'object' || value === null || isBlob(value)) return;
  if (above.includes(value)) return { path: [...path], fault: 'itself' };
  if (above.length > DEEPEST) return;
  if (saysNothing(value)) return { path: [...path], fault: 'undefined' };
  above.push(value);
  for (const [key, item] of itemsOf(value)) {
    const at = typeof key === 'symbol' ? String(key) : (key as string | number);
    path.push(at);
    if (typeof key !== 'string' && typeof key !== 'number') return { path: [...path.slice(0, -1)], fault: KEY };
    if (typeof key === 'string' && !key.isWellFormed()) return { path: path.slice(0, -1), fault: SURROGATE };
    const found = search(item, path, above);
    if (found !== undefined) return found;
    path.pop();
  }
  above.pop();
  return;
}

/** Whether its `toJSON` gives nothing. */
function saysNothing(value: object): boolean {
  return !Array.isArray(value) && !(value instanceof Map) && !isPlain(value) && plainOf(value) === undefined;
}

/** Objects that are one value on the wire. */
function isBlob(value: object): boolean {
  return value instanceof Uint8Array || value instanceof Date || value instanceof Ext;
}

function itemsOf(value: object): Iterable<readonly [unknown, unknown]> {
  if (Array.isArray(value)) return value.entries();
  if (value instanceof Map) return said([...value]).map(([key, item]) => [typeof key === 'string' ? key : null, item]);
  const plain = isPlain(value) ? value : plainOf(value);
  if (plain === value) return said(Object.entries(value));
  return typeof plain === 'object' && plain !== null ? itemsOf(plain) : [];
}

/** Without the keys that are left out. */
function said<Key>(items: readonly (readonly [Key, unknown])[]): readonly (readonly [Key, unknown])[] {
  return items.filter(([, item]) => item !== undefined);
}

/** `attachments[0].data` */
function pathOf(path: readonly (string | number)[]): string {
  return path.reduce<string>((text, key) => {
    if (typeof key === 'number') return `${text}[${key}]`;
    return text === '' ? key : `${text}.${key}`;
  }, '');
}
