/** Values that a body may hold and that JavaScript has no type for. */

/** A typed blob of somebody's own: msgpack's extension types. Sent as it came; time stamps are a `Date` instead. */
export class Ext {
  /** The type, -128 to 127; those below 0 belong to msgpack. */
  readonly tag: number;
  /** What it holds. */
  readonly data: Uint8Array;

  /** A value of a type of one's own. */
  constructor(tag: number, data: Uint8Array) {
    this.tag = tag;
    this.data = data;
  }
}
