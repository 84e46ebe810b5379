/**
 * msgpack to values.
 *
 * Whole numbers beyond what a `number` holds exactly become `bigint`, bytes become a `Buffer` of their own, msgpack's
 * time stamp a `Date`; other extension types become an {@link Ext}, never an object of somebody's choosing. A key
 * `__proto__` is a key like any other. Bytes that are not one whole value are `Malformed`.
 *
 * Bodies of deliveries have been checked by core before; for those the checks here are the second ones.
 */

import { isUtf8 } from 'node:buffer';
import { MalformedError } from '../errors.js';
import { Ext } from './ext.js';

/** Buffer has fast native readers that the types do not tell of. */
interface Slices {
  latin1Slice(from: number, to: number): string;
  utf8Slice(from: number, to: number): string;
}

/** Deeper nesting than this overflows the stack of the walk below. */
const DEEPEST = 1024;

/** Keys that were met lately, by a hash of their bytes. */
const CACHE = 1024;
const keys: ({ readonly bytes: Uint8Array; readonly text: string } | undefined)[] = new Array(CACHE);

let bytes: Buffer & Slices;
let view: DataView;
let at = 0;
let end = 0;
let depth = 0;

/** The value that the bytes are. */
export function decode(body: Uint8Array): unknown {
  bytes = (Buffer.isBuffer(body) ? body : Buffer.from(body.buffer, body.byteOffset, body.byteLength)) as Buffer &
    Slices;
  view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  at = 0;
  end = body.byteLength;
  depth = 0;
  let value: unknown;
  try {
    value = read();
  } catch (error) {
    // DataView's way to say that the bytes end.
    throw error instanceof RangeError ? malformed('the bytes end inside a value', error) : error;
  }
  if (at !== end) throw malformed(`${end - at} bytes stand behind the value`);
  return value;
}

function read(): unknown {
  const token = view.getUint8(at++);
  if (token < 0x80) return token;
  if (token < 0x90) return map(token & 0x0f);
  if (token < 0xa0) return list(token & 0x0f);
  if (token < 0xc0) return text(token & 0x1f);
  if (token >= 0xe0) return token - 0x100;
  switch (token) {
    case 0xc0:
      return null;
    case 0xc2:
      return false;
    case 0xc3:
      return true;
    case 0xc4:
      return bin(natural8());
    case 0xc5:
      return bin(natural16());
    case 0xc6:
      return bin(natural32());
    case 0xc7:
      return extension(natural8());
    case 0xc8:
      return extension(natural16());
    case 0xc9:
      return extension(natural32());
    case 0xca:
      at += 4;
      return view.getFloat32(at - 4);
    case 0xcb:
      at += 8;
      return view.getFloat64(at - 8);
    case 0xcc:
      return natural8();
    case 0xcd:
      return natural16();
    case 0xce:
      return natural32();
    case 0xcf:
      return long(natural32());
    case 0xd0:
      at += 1;
      return view.getInt8(at - 1);
    case 0xd1:
      at += 2;
      return view.getInt16(at - 2);
    case 0xd2:
      at += 4;
      return view.getInt32(at - 4);
    case 0xd3:
      at += 4;
      return long(view.getInt32(at - 4));
    case 0xd4:
    case 0xd5:
    case 0xd6:
    case 0xd7:
    case 0xd8:
      return extension(1 << (token - 0xd4));
    case 0xd9:
      return text(natural8());
    case 0xda:
      return text(natural16());
    case 0xdb:
      return text(natural32());
    case 0xdc:
      return list(natural16());
    case 0xdd:
      return list(natural32());
    case 0xde:
      return map(natural16());
    case 0xdf:
      return map(natural32());
    default:
      throw malformed(`no value begins with the byte 0x${token.toString(16)}`);
  }
}

function natural8(): number {
  return view.getUint8(at++);
}

function natural16(): number {
  at += 2;
  return view.getUint16(at - 2);
}

function natural32(): number {
  at += 4;
  return view.getUint32(at - 4);
}

/** A 64-bit whole number whose upper half has been read. */
function long(high: number): number | bigint {
  const n = high * 2 ** 32 + natural32();
  if (Number.isSafeInteger(n)) return n;
  return (BigInt(high) << 32n) | BigInt(view.getUint32(at - 4));
}

function list(n: number): unknown[] {
  enter(n);
  const items: unknown[] = [];
  for (let i = 0; i < n; i++) items.push(read());
  depth--;
  return items;
}

function map(n: number): Record<string, unknown> {
  enter(n);
  const object: Record<string, unknown> = {};
  for (let i = 0; i < n; i++) {
    const name = key();
    const value = read();
    if (name === '__proto__') {
      Object.defineProperty(object, name, { value, configurable: true, enumerable: true, writable: true });
    } else {
      object[name] = value;
    }
  }
  depth--;
  return object;
}

/** Every item takes at least a byte, so a length that the bytes cannot hold is refused before anything is built. */
function enter(n: number): void {
  if (n > end - at) throw malformed('the bytes end inside a value');
  if (++depth > DEEPEST) throw malformed(`lists and maps stand inside each other more than ${DEEPEST} deep`);
}

function key(): string {
  const token = bytes[at];
  if (token !== undefined && token >= 0xa0 && token < 0xc0) {
    at++;
    return name(token & 0x1f);
  }
  const value = read();
  if (typeof value === 'string') return value;
  // Older writers may have put bytes where text is meant.
  if (Buffer.isBuffer(value) && isUtf8(value)) return value.toString();
  throw malformed('a key of a map is not text');
}

/** A short key: taken from the cache when it was met before, since envelopes have the same ones. */
function name(n: number): string {
  const start = at;
  at = past(n);
  let hash = n;
  for (let i = start; i < at; i++) hash = (hash * 31 + (bytes[i] as number)) | 0;
  const slot = hash & (CACHE - 1);
  const known = keys[slot];
  if (known !== undefined && known.bytes.length === n) {
    let i = 0;
    while (i < n && known.bytes[i] === bytes[start + i]) i++;
    if (i === n) return known.text;
  }
  const fresh = utf8(start);
  keys[slot] = { bytes: Uint8Array.prototype.slice.call(bytes, start, at), text: fresh };
  return fresh;
}

function text(n: number): string {
  const start = at;
  at = past(n);
  if (n > 24) return utf8(start);
  let ascii = '';
  for (let i = start; i < at; i++) {
    const c = bytes[i] as number;
    if (c > 0x7f) return utf8(start);
    ascii += String.fromCharCode(c);
  }
  return ascii;
}

/** The text from `start` to here. */
function utf8(start: number): string {
  const found = bytes.utf8Slice(start, at);
  // Bytes that are not UTF-8 come out as this mark; so does the mark itself.
  if (found.includes('\ufffd') && !isUtf8(bytes.subarray(start, at))) throw malformed('a text is not UTF-8');
  return found;
}

function bin(n: number): Buffer {
  const start = at;
  at = past(n);
  return Buffer.from(bytes.subarray(start, at));
}

function extension(n: number): Date | Ext {
  const type = view.getInt8(at++);
  const start = at;
  at = past(n);
  const time = type === -1 ? dateAt(start, n) : undefined;
  return time ?? new Ext(type, Buffer.from(bytes.subarray(start, at)));
}

/** msgpack's time stamp; nothing where it is none, or beyond what a `Date` holds. */
function dateAt(start: number, n: number): Date | undefined {
  let seconds: number;
  let nanos = 0;
  if (n === 4) {
    seconds = view.getUint32(start);
  } else if (n === 8) {
    const high = view.getUint32(start);
    nanos = high >>> 2;
    seconds = (high & 3) * 2 ** 32 + view.getUint32(start + 4);
  } else if (n === 12) {
    nanos = view.getUint32(start);
    seconds = Number(view.getBigInt64(start + 4));
  } else {
    return;
  }
  const date = new Date(seconds * 1000 + Math.floor(nanos / 1_000_000));
  return Number.isNaN(date.getTime()) ? undefined : date;
}

/** Where `n` more bytes end. */
function past(n: number): number {
  if (n > end - at) throw malformed('the bytes end inside a value');
  return at + n;
}

function malformed(message: string, cause?: unknown): MalformedError {
  return new MalformedError(message, { context: { at: String(at) }, cause });
}
