/**
 * Values to msgpack.
 *
 * What is written equals what msgpack-python writes with `use_bin_type=True` for the same insertion order: whole numbers
 * in their shortest form up to 64 bits (JavaScript does not tell `1.0` from `1`: both are whole), other numbers and
 * `-0` as 64-bit floats, text and bytes apart, a `Date` as msgpack's own time stamp. A key whose value is `undefined` is left out, as
 * JSON has it. What cannot be said that way is refused, with the path of the key, and nothing of it is written; so is an
 * `undefined` anywhere else, which a reader would take for a `null` that somebody meant.
 *
 * Several values are written one after the other into one growing buffer, which crosses to the native side whole.
 * Encoding in JavaScript costs a fifth of walking the object through N-API; doing the checks in the same walk costs
 * less than a library's encoder behind a walk that checks.
 */

import { Ext } from './ext.js';
import { DEEP, DEEPEST, fault, isPlain, KEY, plainOf, Refused, refusal } from './refuse.js';
import { Writer } from './writer.js';

/** Writes values one behind the other. */
export class Encoder {
  readonly #to = new Writer();

  /** How many bytes have been written. */
  get length(): number {
    return this.#to.length;
  }

  /** The bytes that have been written; overwritten by what is written after {@link reset}. */
  written(): Buffer {
    return this.#to.written();
  }

  /** Starts again. */
  reset(): void {
    this.#to.reset();
  }

  /** Takes back what was written from this length on. */
  cut(length: number): void {
    this.#to.cut(length);
  }

  /**
   * Writes one value; where it is refused, the buffer is as it was before. The numbers under `floats` of the outermost
   * map travel as floats even where they are whole.
   */
  write(value: unknown, floats?: ReadonlySet<string>): void {
    const before = this.#to.length;
    try {
      if (floats !== undefined && isPlain(value)) this.#map(value, 0, floats);
      else this.#value(value, 0);
    } catch (error) {
      this.#to.cut(before);
      // Whatever a getter or a `toJSON` of the user's own throws is theirs.
      if (error instanceof Refused) throw refusal(value, error.message);
      throw error;
    }
  }

  // A chain of comparisons with names that stand here: the engine turns each into a look at the value's tag.
  #value(value: unknown, depth: number): void {
    if (typeof value === 'string') this.#to.text(value);
    else if (typeof value === 'number') this.#to.number(value);
    else if (value === null) this.#to.byte(0xc0);
    else if (typeof value === 'boolean') this.#to.byte(value ? 0xc3 : 0xc2);
    else if (typeof value === 'object') this.#object(value, depth);
    else if (typeof value === 'bigint') this.#to.bigint(value);
    else throw new Refused(fault(value));
  }

  #object(value: object, depth: number): void {
    if (depth >= DEEPEST) throw new Refused(DEEP);
    if (isPlain(value)) this.#map(value, depth);
    else if (Array.isArray(value)) this.#list(value, depth);
    else if (value instanceof Uint8Array) this.#to.bin(value);
    else if (value instanceof Date) this.#to.time(value);
    else if (value instanceof Map) this.#entries(value, depth);
    else if (value instanceof Ext) this.#to.ext(value);
    else this.#instance(value, depth);
  }

  /** An object of a class. */
  #instance(value: object, depth: number): void {
    const plain = plainOf(value);
    if (plain === value) this.#map(value as Record<string, unknown>, depth);
    else this.#value(plain, depth + 1);
  }

  #map(value: Record<string, unknown>, depth: number, floats?: ReadonlySet<string>): void {
    const keys = Object.keys(value).length;
    const start = this.#to.length;
    this.#to.head(keys, 0x80, 0xde);
    let [place, written] = [0, 0];
    // Gives its own keys first, in the order of `Object.keys`, and lets the engine read by place instead of by name.
    for (const key in value) {
      if (place++ === keys) break;
      const item = value[key];
      if (item === undefined) continue;
      if (depth === 0) this.#to.key(key, written);
      else this.#to.text(key);
      written += 1;
      if (typeof item === 'number' && floats?.has(key)) this.#to.float(item);
      else this.#value(item, depth + 1);
    }
    if (written !== keys) this.#to.rehead(start, keys, written, 0x80, 0xde);
  }

  #entries(value: Map<unknown, unknown>, depth: number): void {
    const items = [...value].filter(([, item]) => item !== undefined);
    this.#to.head(items.length, 0x80, 0xde);
    for (const [key, item] of items) {
      if (typeof key !== 'string') throw new Refused(KEY);
      this.#to.text(key);
      this.#value(item, depth + 1);
    }
  }

  #list(value: readonly unknown[], depth: number): void {
    const n = value.length;
    this.#to.head(n, 0x90, 0xdc);
    for (let i = 0; i < n; i++) this.#value(value[i], depth + 1);
  }
}
