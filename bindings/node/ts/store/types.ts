/** What stands under keys, as it is given and as it comes back. */

/** What is kept: bytes, or a text as its UTF-8. */
export type Data = Uint8Array | string;

/** How long something lives. */
export interface Lifetime {
  /** How long the key lives from now. A text that is set without one lives for ever, anything else as long as before. */
  ttlMs?: number;
}

/** How an entry is appended to a log. */
export interface LogOptions extends Lifetime {
  /** How many entries the stream keeps; the oldest go. */
  maxLen?: number;
  /** The server may keep somewhat more, which costs it less. Yes. */
  approximate?: boolean;
}

/** An entry of a log. */
export interface LogEntry {
  /** Its id. */
  readonly id: string;
  /** Its fields. */
  readonly fields: Readonly<Record<string, Buffer>>;
}

/** Something that was told on a channel. */
export interface Notification {
  /** It was heard. */
  readonly lost: false;
  /** The channel. */
  readonly channel: string;
  /** What was told. */
  readonly payload: Buffer;
}

/** Something was, or may have been, told that is not heard: look again at what it was about. */
export interface LostNotifications {
  /** It was not heard. */
  readonly lost: true;
  /** How many are known to be missed, because they were not read in time; 0 after an outage. */
  readonly missed: number;
}

/** What a subscription hears. */
export type Heard = Notification | LostNotifications;
