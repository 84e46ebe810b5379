/** The values of the vectors, whose notation `tests/vectors/README.md` explains, as JavaScript has them. */

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { Ext } from '@stargazer/core';
import { root } from '../harness/server.mjs';

/** A row of a file of vectors. */
export type Row = Readonly<Record<string, unknown>> & {
  readonly name: string;
  readonly kind: string;
  readonly hex?: string;
  readonly built?: readonly [string, string, number, string];
};

/** A file of vectors. */
export function load(name: string): Record<string, Row[]> {
  return JSON.parse(readFileSync(path.join(root, 'tests/vectors', name), 'utf8')) as Record<string, Row[]>;
}

/** The value that a row's value stands for. */
export function plain(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value);
  const [tag, what] = entries.length === 1 ? (entries[0] as [string, never]) : ['', undefined as never];
  switch (tag) {
    case '$bytes':
      return Buffer.from(what, 'hex');
    case '$ext':
      return what[0] === -1 ? decode(extension(what[1])) : new Ext(what[0], Buffer.from(what[1], 'hex'));
    case '$float':
      return { nan: Number.NaN, inf: Number.POSITIVE_INFINITY, '-inf': Number.NEGATIVE_INFINITY }[what] ?? Number(what);
    case '$int':
      return BigInt(what);
    case '$repeat':
      return repeat(plain(what[0]), what[1]);
    default:
      return Object.fromEntries(entries.map(([key, item]) => [key, plain(item)]));
  }
}

function repeat(item: unknown, times: number): unknown {
  if (typeof item === 'string') return item.repeat(times);
  if (Buffer.isBuffer(item)) return Buffer.alloc(item.length * times, item);
  return Array.from({ length: times }).flatMap(() => item as unknown[]);
}

function extension(hex: string): Buffer {
  return Buffer.concat([Buffer.from([0xc7, hex.length / 2, 0xff]), Buffer.from(hex, 'hex')]);
}

/** Whether JavaScript, which has no whole floats, writes another form. */
export function hasWholeFloats(value: unknown): boolean {
  return JSON.stringify(value).includes('"$float":"') && !/"\$float":"-?(nan|inf)"/.test(JSON.stringify(value));
}

/** The bytes of a body. */
export function spelled(row: Row): Buffer {
  if (row.hex !== undefined) return Buffer.from(row.hex, 'hex');
  const [start, unit, count, end] = row.built as NonNullable<Row['built']>;
  const middle = Buffer.alloc((unit.length / 2) * count, unit, 'hex');
  return Buffer.concat([Buffer.from(start, 'hex'), middle, Buffer.from(end, 'hex')]);
}

const require = createRequire(import.meta.url);
const codec = path.join(root, 'bindings/node/lib/codec');

interface Encoder {
  write(value: unknown, floats?: ReadonlySet<string>): void;
  written(): Buffer;
}

/** The package's own decoder, which it does not export. */
export const { decode } = require(path.join(codec, 'decode.js')) as { decode(body: Uint8Array): unknown };
const encoder = require(path.join(codec, 'encode.js')) as { Encoder: new () => Encoder };

/** The package's own encoder, which it does not export. */
export function encode(value: unknown, floats?: ReadonlySet<string>): Buffer {
  const to = new encoder.Encoder();
  to.write(value, floats);
  return to.written();
}
