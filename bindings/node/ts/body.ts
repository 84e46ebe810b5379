/**
 * What a consumer reads bodies as: a schema, or a function, that says what a decoded body is, or that it is none.
 *
 * Known by their shape, so that no library is needed here: whatever has `~standard` (Standard Schema: zod, valibot, arktype), a
 * method `parse`, or is a function.
 */

import { decode } from './codec/decode.js';
import type { Reading } from './envelope/read.js';
import { InvalidError, MalformedError } from './errors.js';
import { isSchema, readInput, type SchemaLike } from './schema.js';

/** Reads decoded bodies as values of one type. What it throws, or tells as faults, says why a body is none. */
export type Body<T> =
  | SchemaLike<T>
  | {
      /** Gives the value that a decoded body stands for, or throws. */
      parse(body: unknown): T;
    }
  | ((body: unknown) => T);

/** How a consumer with such a `body` reads. @internal */
export function readingOf<T>(body: Body<T> | undefined): Reading<T> {
  if (body === undefined) return decode as Reading<T>;
  const fit = fitting(body);
  const read: Reading<T> = (bytes) => fit(decode(bytes)) as T;
  read.fit = (bytes) => fit(decode(bytes));
  return read;
}

function fitting<T>(body: Body<T>): (value: unknown) => T | Promise<T> {
  if (isSchema(body)) {
    return async (value) => {
      const { value: read, faults } = await readInput(body, value);
      if (faults !== undefined) throw new MalformedError(`the body does not fit: ${faults}`);
      return read as T;
    };
  }
  if (typeof body === 'function') return body;
  if (typeof (body as { parse?: unknown } | null)?.parse === 'function') {
    return (value) => (body as { parse(value: unknown): T }).parse(value);
  }
  throw new InvalidError('`body` must be a schema (zod, Standard Schema), something with `parse`, or a function', {
    context: { field: 'body' },
  });
}
