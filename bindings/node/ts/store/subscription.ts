/** Listening to what is told on channels. */

import type { Part } from '../part.js';
import type { Heard } from './types.js';

/** An open ear on some channels: iterate it. Bounded; what is not read in time is counted as missed. */
export class Subscription implements AsyncIterable<Heard> {
  readonly #part: Part;

  /** @internal */
  constructor(part: Part) {
    this.#part = part;
  }

  /** What is heard next, waited for also through an outage; `undefined` once it or its bus is closed. */
  async next(): Promise<Heard | undefined> {
    const row = await this.#part.call<{ channel?: string; payload?: Buffer; missed?: number } | null>('next');
    if (row === null) return undefined;
    const { channel, payload, missed = 0 } = row;
    return channel === undefined ? { lost: true, missed } : { lost: false, channel, payload: payload as Buffer };
  }

  /** What is heard, until it is closed. Leaving the loop closes nothing. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Heard, void, undefined> {
    for (let heard = await this.next(); heard !== undefined; heard = await this.next()) yield heard;
  }

  /** Ends it. May be called twice. */
  close(): void {
    this.#part.atOnce('close');
  }

  /** {@link close}. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
  }
}
