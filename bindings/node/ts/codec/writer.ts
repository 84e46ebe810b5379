/** The bytes of values, one behind the other in a growing buffer. */

import type { Ext } from './ext.js';
import { fault, LEAST, MOST, Refused, SURROGATE } from './refuse.js';

const SMALLEST = 16 * 1024;
/** A buffer that one big body made this large is not kept. */
const LARGEST_KEPT = 1024 * 1024;

/** Of so many keys of a map, at most so long, it is kept how they are written. */
const KEYS_KEPT = 64;
const LONGEST_KEPT = 64;

/** Buffer has a fast native writer that the types do not tell of. */
interface Utf8 {
  utf8Write(text: string, at: number): number;
}

/** Writes what is not a list or map; of those only the heads. */
export class Writer {
  #bytes: Buffer = Buffer.allocUnsafeSlow(SMALLEST);
  #view: DataView = viewOf(this.#bytes);
  #at = 0;
  /** What stood last at each place of a map, as it is written. */
  readonly #keys: { readonly key: string; readonly written: Uint8Array }[] = [];

  /** How many bytes have been written. */
  get length(): number {
    return this.#at;
  }

  /** The bytes that have been written; overwritten by what is written after {@link reset}. */
  written(): Buffer {
    return this.#bytes.subarray(0, this.#at);
  }

  /** Starts again. */
  reset(): void {
    this.#at = 0;
    if (this.#bytes.length > LARGEST_KEPT) this.#replace(Buffer.allocUnsafeSlow(SMALLEST));
  }

  /** Takes back what was written from this length on. */
  cut(length: number): void {
    this.#at = length;
  }

  /** The head of a list or map of `n`. */
  head(n: number, small: number, large: number): void {
    this.#room(5);
    if (n < 16) {
      this.#bytes[this.#at++] = small | n;
    } else if (n < 0x10000) {
      this.#bytes[this.#at] = large;
      this.#view.setUint16(this.#at + 1, n);
      this.#at += 3;
    } else {
      this.#bytes[this.#at] = large + 1;
      this.#view.setUint32(this.#at + 1, n);
      this.#at += 5;
    }
  }

  /** Puts another number into the head of a list or map, which was written at this place. */
  rehead(at: number, was: number, n: number, small: number, large: number): void {
    const shorter = headLength(was) - headLength(n);
    if (shorter > 0) this.#bytes.copyWithin(at + headLength(n), at + headLength(was), this.#at);
    const end = this.#at - shorter;
    this.#at = at;
    this.head(n, small, large);
    this.#at = end;
  }

  /** One byte. */
  byte(byte: number): void {
    this.#room(1);
    this.#bytes[this.#at++] = byte;
  }

  /** A number: whole ones in their shortest form. */
  number(n: number): void {
    this.#room(9);
    const bytes = this.#bytes;
    if (Object.is(n, -0)) {
      this.float(n);
    } else if (n >>> 0 === n) {
      if (n < 0x80) {
        bytes[this.#at++] = n;
      } else if (n < 0x100) {
        bytes[this.#at++] = 0xcc;
        bytes[this.#at++] = n;
      } else if (n < 0x10000) {
        bytes[this.#at] = 0xcd;
        this.#view.setUint16(this.#at + 1, n);
        this.#at += 3;
      } else {
        bytes[this.#at] = 0xce;
        this.#view.setUint32(this.#at + 1, n);
        this.#at += 5;
      }
    } else if (n >> 0 === n) {
      if (n >= -0x20) {
        bytes[this.#at++] = n;
      } else if (n >= -0x80) {
        bytes[this.#at++] = 0xd0;
        bytes[this.#at++] = n;
      } else if (n >= -0x8000) {
        bytes[this.#at] = 0xd1;
        this.#view.setInt16(this.#at + 1, n);
        this.#at += 3;
      } else {
        bytes[this.#at] = 0xd2;
        this.#view.setInt32(this.#at + 1, n);
        this.#at += 5;
      }
    } else if (Number.isSafeInteger(n)) {
      this.#long(BigInt(n));
    } else {
      this.float(n);
    }
  }

  /** A number as a 64-bit float. */
  float(n: number): void {
    this.#room(9);
    this.#bytes[this.#at] = 0xcb;
    this.#view.setFloat64(this.#at + 1, n);
    this.#at += 9;
  }

  /** A whole number in its shortest form. */
  bigint(n: bigint): void {
    if (n < LEAST || n > MOST) throw new Refused(fault(n));
    if (n >= -0x80000000n && n <= 0xffffffffn) this.number(Number(n));
    else this.#long(n);
  }

  /** A whole number beyond 32 bits. */
  #long(n: bigint): void {
    this.#room(9);
    if (n < 0n) {
      this.#bytes[this.#at] = 0xd3;
      this.#view.setBigInt64(this.#at + 1, n);
    } else {
      this.#bytes[this.#at] = 0xcf;
      this.#view.setBigUint64(this.#at + 1, n);
    }
    this.#at += 9;
  }

  /**
   * The key at this place of a map. Messages of a kind have the same keys in the same places, so what was written for the key
   * that was there last time is copied: a third of the cost of writing it.
   */
  key(key: string, place: number): void {
    const known = this.#keys[place];
    if (known?.key === key) {
      const written = known.written;
      const n = written.length;
      this.#room(n);
      const bytes = this.#bytes;
      let at = this.#at;
      for (let i = 0; i < n; i++) bytes[at++] = written[i] as number;
      this.#at = at;
      return;
    }
    const start = this.#at;
    this.text(key);
    if (place < KEYS_KEPT && key.length <= LONGEST_KEPT) {
      this.#keys[place] = { key, written: Uint8Array.from(this.#bytes.subarray(start, this.#at)) };
    }
  }

  /** A text. */
  text(text: string): void {
    const n = text.length;
    this.#room(5 + n * 3);
    if (n < 32) this.#short(text, n);
    else this.#lengthy(text, n);
  }

  #lengthy(text: string, n: number): void {
    if (!text.isWellFormed()) throw new Refused(SURROGATE);
    const guess = n < 0x100 ? 2 : n < 0x10000 ? 3 : 5;
    const start = this.#at;
    const length = (this.#bytes as unknown as Utf8).utf8Write(text, start + guess);
    const head = length < 0x100 ? 2 : length < 0x10000 ? 3 : 5;
    if (head !== guess) this.#bytes.copyWithin(start + head, start + guess, start + guess + length);
    if (head === 2) {
      this.#bytes[start] = 0xd9;
      this.#bytes[start + 1] = length;
    } else if (head === 3) {
      this.#bytes[start] = 0xda;
      this.#view.setUint16(start + 1, length);
    } else {
      this.#bytes[start] = 0xdb;
      this.#view.setUint32(start + 1, length);
    }
    this.#at = start + head + length;
  }

  /** Less than 32 characters: cheaper here than with a call into the engine. */
  #short(text: string, n: number): void {
    const bytes = this.#bytes;
    const start = this.#at;
    let at = start + 1;
    for (let i = 0; i < n; i++) {
      const c = text.charCodeAt(i);
      if (c < 0x80) {
        bytes[at++] = c;
      } else if (c < 0x800) {
        bytes[at++] = (c >> 6) | 0xc0;
        bytes[at++] = (c & 0x3f) | 0x80;
      } else if (c < 0xd800 || c > 0xdfff) {
        bytes[at++] = (c >> 12) | 0xe0;
        bytes[at++] = ((c >> 6) & 0x3f) | 0x80;
        bytes[at++] = (c & 0x3f) | 0x80;
      } else {
        const low = text.charCodeAt(++i);
        if (c > 0xdbff || (low & 0xfc00) !== 0xdc00) throw new Refused(SURROGATE);
        const point = 0x10000 + ((c & 0x3ff) << 10) + (low & 0x3ff);
        bytes[at++] = (point >> 18) | 0xf0;
        bytes[at++] = ((point >> 12) & 0x3f) | 0x80;
        bytes[at++] = ((point >> 6) & 0x3f) | 0x80;
        bytes[at++] = (point & 0x3f) | 0x80;
      }
    }
    const length = at - start - 1;
    if (length < 32) {
      bytes[start] = 0xa0 | length;
    } else {
      bytes.copyWithin(start + 2, start + 1, at++);
      bytes[start] = 0xd9;
      bytes[start + 1] = length;
    }
    this.#at = at;
  }

  /** Raw bytes. */
  bin(value: Uint8Array): void {
    const n = value.length;
    this.#room(5 + n);
    if (n < 0x100) {
      this.#bytes[this.#at++] = 0xc4;
      this.#bytes[this.#at++] = n;
    } else if (n < 0x10000) {
      this.#bytes[this.#at] = 0xc5;
      this.#view.setUint16(this.#at + 1, n);
      this.#at += 3;
    } else {
      this.#bytes[this.#at] = 0xc6;
      this.#view.setUint32(this.#at + 1, n);
      this.#at += 5;
    }
    this.#bytes.set(value, this.#at);
    this.#at += n;
  }

  /** As it came. */
  ext({ tag, data }: Ext): void {
    const n = data.length;
    this.#room(6 + n);
    const short = EXTENSIONS.get(n);
    if (short !== undefined) {
      this.#bytes[this.#at++] = short;
    } else if (n < 0x100) {
      this.#bytes[this.#at++] = 0xc7;
      this.#bytes[this.#at++] = n;
    } else if (n < 0x10000) {
      this.#bytes[this.#at] = 0xc8;
      this.#view.setUint16(this.#at + 1, n);
      this.#at += 3;
    } else {
      this.#bytes[this.#at] = 0xc9;
      this.#view.setUint32(this.#at + 1, n);
      this.#at += 5;
    }
    this.#bytes[this.#at++] = tag;
    this.#bytes.set(data, this.#at);
    this.#at += n;
  }

  /** msgpack's time stamp in the shortest of its three forms. */
  time(value: Date): void {
    const ms = value.getTime();
    if (Number.isNaN(ms)) throw new Refused(fault(value));
    this.#room(15);
    const seconds = Math.floor(ms / 1000);
    const nanos = (ms - seconds * 1000) * 1_000_000;
    const [bytes, view, at] = [this.#bytes, this.#view, this.#at];
    if (seconds >= 0 && seconds <= 0xffffffff && nanos === 0) {
      bytes[at] = 0xd6;
      bytes[at + 1] = 0xff;
      view.setUint32(at + 2, seconds);
      this.#at += 6;
    } else if (seconds >= 0 && seconds < 2 ** 34) {
      bytes[at] = 0xd7;
      bytes[at + 1] = 0xff;
      view.setUint32(at + 2, nanos * 4 + Math.floor(seconds / 2 ** 32));
      view.setUint32(at + 6, seconds >>> 0);
      this.#at += 10;
    } else {
      bytes[at] = 0xc7;
      bytes[at + 1] = 12;
      bytes[at + 2] = 0xff;
      view.setUint32(at + 3, nanos);
      view.setBigInt64(at + 7, BigInt(seconds));
      this.#at += 15;
    }
  }

  #room(n: number): void {
    const needed = this.#at + n;
    if (needed <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(needed, this.#bytes.length * 2));
    this.#bytes.copy(larger, 0, 0, this.#at);
    this.#replace(larger);
  }

  #replace(bytes: Buffer): void {
    this.#bytes = bytes;
    this.#view = viewOf(bytes);
  }
}

/** Bytes of the head of a list or map. */
function headLength(n: number): number {
  if (n < 16) return 1;
  return n < 0x10000 ? 3 : 5;
}

/** The heads of extensions whose length stands in the head. */
const EXTENSIONS: ReadonlyMap<number, number> = new Map([
  [1, 0xd4],
  [2, 0xd5],
  [4, 0xd6],
  [8, 0xd7],
  [16, 0xd8],
]);

function viewOf(bytes: Buffer): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
