/** Where an adapter puts what it received: the way from a platform into the bus. */

import { needText } from '../arguments.js';
import type { Receipt } from '../link.js';
import { openPart, Part } from '../part.js';
import type { Publisher } from '../publisher.js';
import type { IncomingInput, MessageUpdate } from './messages.js';

/**
 * The way in for one platform. A gateway makes one for each start of an adapter, and closes it after its stop.
 *
 * A message whose receipt came back is stored. One with an id of the platform's is stored once within the dedupe window,
 * however often it is handed in; the receipt says `duplicate` then.
 */
export class Intake {
  readonly #part: Part;
  readonly #platform: string;
  /** Which start of an adapter it belongs to. */
  readonly #start: number | undefined;

  /** A way into this bus for what comes from a platform, outside of a gateway. */
  constructor(bus: Publisher, platform: string);
  /** @internal */
  constructor(part: Part, platform: string, start: number);
  constructor(of: Publisher | Part, platform: string, start?: number) {
    this.#platform = needText(platform, 'platform');
    this.#start = start;
    this.#part = of instanceof Part ? of : openPart(of, 'intake', { platform });
  }

  /** The platform. */
  get platform(): string {
    return this.#platform;
  }

  /**
   * Gives a message to the workers. Platform, ids and times are filled in where they are empty. `InvalidError` for a message of
   * another platform, without a channel, or with a member that is wrong; `ClosedError` once the adapter was stopped.
   */
  async message(message: IncomingInput<object>): Promise<Receipt> {
    return (await this.#part.store('message', { start: this.#start, message })).receipt;
  }

  /** Tells the workers that a message was edited, was deleted, or has other reactions. */
  async update(update: MessageUpdate): Promise<Receipt> {
    return (await this.#part.store('update', { start: this.#start, update })).receipt;
  }

  /** Tells that the connection broke, and why: the adapter is stopped and started again. The first reason counts. */
  failed(reason: string | Error): void {
    const text = reason instanceof Error ? String(reason) : needText(reason, 'reason');
    this.#part.atOnce('failed', { start: this.#start, reason: text });
  }
}
