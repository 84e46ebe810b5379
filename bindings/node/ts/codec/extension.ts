/** Extension types of msgpack, kept as they came. */

/** A value of an extension type that this package does not know: its number and its bytes. Sent as it came. */
export class Extension {
  /** Number of the type, -128 to 127. */
  readonly type: number;
  /** Its bytes. */
  readonly bytes: Uint8Array;

  /** A value of somebody's own type. */
  constructor(type: number, bytes: Uint8Array) {
    this.type = type;
    this.bytes = bytes;
  }
}
