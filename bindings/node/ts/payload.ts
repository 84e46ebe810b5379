/** Payloads of events as plain values: whatever somebody hands over. Never throws. */

import { LEAST, MOST } from './codec/refuse.js';

/** Deeper than that nothing is looked at, so that every reader of ours can read it. */
const DEEPEST = 60;

/**
 * Scalars as they are; keys whose value is `undefined` are left out, elsewhere it is null; arrays, sets and maps item by item; what has `toJSON` as that says; bytes as bytes; errors and
 * functions as text; other objects as their own public properties. What is inside itself is `<cycle>`.
 */
export function plainPayload(payload: unknown): unknown {
  return cleaned(payload, []);
}

function cleaned(value: unknown, inside: readonly object[]): unknown {
  switch (typeof value) {
    case 'string':
      return value.toWellFormed();
    case 'number':
    case 'boolean':
      return value;
    case 'undefined':
      return null;
    case 'bigint':
      return value < LEAST || value > MOST ? value.toString() : value;
    case 'object':
      return value === null ? null : guarded(value, inside);
    default:
      return typeof value === 'function' ? `<function ${value.name}>` : String(value);
  }
}

/** An object; whatever its getters and methods throw costs only itself. */
function guarded(value: object, inside: readonly object[]): unknown {
  if (inside.includes(value)) return '<cycle>';
  if (inside.length >= DEEPEST) return '<too deep>';
  try {
    return object(value, [...inside, value]);
  } catch {
    return text(value);
  }
}

function object(value: object, inside: readonly object[]): unknown {
  if (value instanceof Uint8Array) return value;
  if (value instanceof ArrayBuffer) return new Uint8Array(value);
  if (value instanceof Error || value instanceof RegExp || value instanceof Promise) return text(value);
  const toJSON: unknown = (value as { toJSON?: unknown }).toJSON;
  if (typeof toJSON === 'function') {
    const json: unknown = toJSON.call(value);
    if (json !== value) return cleaned(json, inside);
  }
  if (Array.isArray(value) || value instanceof Set) return [...value].map((item) => cleaned(item, inside));
  if (value instanceof Map) return record([...value], inside);
  if (ArrayBuffer.isView(value)) return text(value);
  const prototype: unknown = Object.getPrototypeOf(value);
  const isPlain = prototype === null || prototype === Object.prototype;
  return record(
    Object.keys(value)
      .filter((key) => isPlain || !key.startsWith('_'))
      .map((key) => [key, got(value, key)]),
    inside,
  );
}

function got(value: object, key: string): unknown {
  try {
    return (value as Record<string, unknown>)[key];
  } catch (error) {
    return `<${text(error)}>`;
  }
}

function record(pairs: readonly (readonly [unknown, unknown])[], inside: readonly object[]): Record<string, unknown> {
  const made: Record<string, unknown> = Object.create(null);
  for (const [key, value] of pairs) if (value !== undefined) made[text(key)] = cleaned(value, inside);
  return made;
}

function text(value: unknown): string {
  try {
    return String(value).toWellFormed();
  } catch {
    return `<${typeof value}>`;
  }
}
