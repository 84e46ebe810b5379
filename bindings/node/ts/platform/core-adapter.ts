/** Adapters that stand in the core: every call of an adapter, carried there. */

import { needRecord, needText } from '../arguments.js';
import type { Button, Fields } from '../envelope/types.js';
import type { Part, Row } from '../part.js';
import { snake } from '../part.js';
import {
  type BotIdentity,
  contextRow,
  type HistoricalMessage,
  type OutgoingFile,
  type SendContext,
  type TurnEnd,
} from './messages.js';

/** The calls that every adapter has. A send gives the id that the platform gave it, `''` when it gives none. */
export class CoreAdapter {
  readonly #part: Part;
  readonly #name: string;

  /** @internal */
  constructor(part: Part, name: string) {
    this.#part = part;
    this.#name = name;
  }

  /** @internal */
  get part(): Part {
    return this.#part;
  }

  /** Name of the platform. */
  get name(): string {
    return this.#name;
  }

  /** Whether it is connected. */
  isRunning(): Promise<boolean> {
    return this.#part.call('is_running');
  }

  /** Who the bot is on the platform. */
  botIdentity(): Promise<BotIdentity> {
    return this.#part.call('bot_identity');
  }

  /** Says a text in a channel. */
  send(channelId: string, text: string, context?: SendContext): Promise<string> {
    return this.#send('send', channelId, context, { text });
  }

  /** Sends a file, with the context's caption beside it. */
  sendFile(channelId: string, file: OutgoingFile, context?: SendContext): Promise<string> {
    return this.#send('send_file', channelId, context, { file });
  }

  /** Says a text with buttons below it. */
  sendWithButtons(channelId: string, text: string, buttons: readonly Button[], context?: SendContext): Promise<string> {
    return this.#send('send_with_buttons', channelId, context, { text, buttons });
  }

  /** Reacts to a message. */
  async react(channelId: string, messageId: string, emoji: string, context?: SendContext): Promise<void> {
    await this.#send('react', channelId, context, { message_id: messageId, emoji });
  }

  /** Shows that an answer is being written. */
  async typing(channelId: string): Promise<void> {
    await this.#part.call('typing', { channel_id: channelId });
  }

  /** Shows a status of the bot. */
  async presence(status: string, emoji?: string): Promise<void> {
    await this.#part.call('presence', { status, emoji });
  }

  /** Says that everything has been said for one message. */
  async turnComplete(channelId: string, end: TurnEnd): Promise<void> {
    await this.#part.call('turn_complete', { channel_id: channelId, end: snake(needRecord(end, 'end')) });
  }

  /** The last `limit` messages of a channel, oldest first. */
  fetchHistory(channelId: string, limit = 100): Promise<HistoricalMessage[]> {
    return this.#part.call('fetch_history', { channel_id: channelId, limit });
  }

  /** Whether there is such a channel, and the bot may speak in it. */
  isChannelValid(channelId: string): Promise<boolean> {
    return this.#part.call('is_channel_valid', { channel_id: channelId });
  }

  /** Whether the bot never speaks unasked in this channel. */
  shouldSkipChannelHeartbeat(channelId: string): Promise<boolean> {
    return this.#part.call('should_skip_channel_heartbeat', { channel_id: channelId });
  }

  /** Any other call, by name. */
  call(method: string, params: Fields = {}): Promise<unknown> {
    return this.#part.call('call', { method: needText(method, 'method'), params });
  }

  async #send(call: string, channelId: string, context: SendContext | undefined, what: Row): Promise<string> {
    return this.#part.call(call, { channel_id: channelId, context: contextRow(context), ...what });
  }
}
