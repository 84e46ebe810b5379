/** What a platform looks like to the bus: the class that adapters derive from, and how the core calls them. */

import type { Button, Fields } from '../envelope/types.js';
import type { Errand } from '../errands.js';
import { RejectedError } from '../errors.js';
import type { Part, Row } from '../part.js';
import { Intake } from './intake.js';
import {
  type BotIdentity,
  contextOf,
  endOf,
  type HistoricalMessage,
  type OutgoingFile,
  type SendContext,
  type TurnEnd,
} from './messages.js';

/** Beside what is to be sent or asked. */
export interface AdapterCall {
  /** Aborted when nobody waits any more: it took too long, or the gateway ends. */
  readonly signal: AbortSignal;
}

/**
 * A chat network: takes its messages to the bus, and does on it what workers say.
 *
 * `name`, `isRunning`, `start`, `stop`, `send` and `isChannelValid` are yours; the others have an answer that says what the
 * platform lacks. A gateway never runs two sends of one channel at the same time, and keeps their order.
 *
 * What a call that sends throws says what became of it:
 *
 * - `InvalidError`, `MalformedError`, `NotFoundError`, `RejectedError`, `TooLargeError`: it never will be sent; it goes to the
 *   dead letters.
 * - `UnavailableError`, `FullError` (such as for a rate limit), and any other of ours but those below: it was not sent, and is
 *   tried again.
 * - `TimeoutError`, `InternalError`, `RemoteError`, `CancelledError`, `ExpiredError`, and everything that is none of ours: it
 *   may have been sent. It is tried again and says so (`context.mayBeRepeat`), or not: `onUnknown`.
 *
 * `context: { stored: 'no' }` of an error overrules the last two ("not sent"), as `'unknown'` does ("may have been").
 */
export abstract class PlatformAdapter {
  /** Name of the platform, which is also a part of its stream's name. Always the same. */
  abstract readonly name: string;

  /** Whether it is connected. A gateway looks every now and then, and starts an adapter again that says no. */
  abstract isRunning(): boolean | Promise<boolean>;

  /**
   * Connects and begins to hand what it receives to `intake`; resolves once it is connected. Called again after `stop`, when the
   * adapter had failed. `InvalidError`, `AuthError`, `NotFoundError`, `ConflictError` and `RejectedError` are for good; after
   * anything else the start is tried again.
   */
  abstract start(intake: Intake, call: AdapterCall): unknown;

  /** Ends the connection. Called after whatever happened; may be called twice. Sends may come until it resolves. */
  abstract stop(): unknown;

  /** Says a text in a channel. Gives the id that the platform gave it, `''` or nothing when it gives none. */
  abstract send(
    channelId: string,
    text: string,
    context: Required<SendContext>,
    call: AdapterCall,
  ): Promise<string | undefined> | string | undefined;

  /** Whether there is such a channel, and the bot may speak in it. */
  abstract isChannelValid(channelId: string): boolean | Promise<boolean>;

  /** Takes no more messages, and waits for what its users still wait for; sends go on. */
  drain(): unknown {
    return undefined;
  }

  /** Who the bot is on the platform. */
  botIdentity(): BotIdentity | Promise<BotIdentity> {
    return { platform: this.name };
  }

  /** Sends a file, with `context.caption` beside it. Gives the id as {@link send} does. */
  sendFile(
    _channelId: string,
    _file: Required<OutgoingFile>,
    _context: Required<SendContext>,
    _call: AdapterCall,
  ): Promise<string | undefined> | string | undefined {
    throw this.#cannot('send files');
  }

  /** Says a text with buttons below it. Gives the id as {@link send} does. */
  sendWithButtons(
    _channelId: string,
    _text: string,
    _buttons: readonly Button[],
    _context: Required<SendContext>,
    _call: AdapterCall,
  ): Promise<string | undefined> | string | undefined {
    throw this.#cannot('show buttons');
  }

  /** Reacts to a message. */
  react(
    _channelId: string,
    _messageId: string,
    _emoji: string,
    _context: Required<SendContext>,
    _call: AdapterCall,
  ): unknown {
    throw this.#cannot('react');
  }

  /** Shows that an answer is being written; nothing, on a platform that has no such sign. May be called again. */
  typing(_channelId: string): unknown {
    return undefined;
  }

  /** Shows a status of the bot; nothing, on a platform that has none. May be called again. */
  presence(_status: string, _emoji: string | null): unknown {
    return undefined;
  }

  /** Everything has been said for one message. Told behind everything that was said, to those who gave a nonce. */
  turnComplete(_channelId: string, _end: Required<TurnEnd>): unknown {
    return undefined;
  }

  /** The last `limit` messages of a channel, oldest first; none where the platform keeps none. */
  fetchHistory(
    _channelId: string,
    _limit: number,
  ): readonly HistoricalMessage[] | Promise<readonly HistoricalMessage[]> {
    throw this.#cannot('tell the past of a channel');
  }

  /** Whether the bot never speaks unasked in this channel. */
  shouldSkipChannelHeartbeat(_channelId: string): boolean | Promise<boolean> {
    return false;
  }

  /** Any other call that a worker makes, by name. */
  call(method: string, _params: Fields, _call: AdapterCall): unknown {
    throw this.#cannot(`answer the call "${method}"`);
  }

  #cannot(what: string): RejectedError {
    const context = { platform: this.name };
    return new RejectedError(`the platform ${this.name} cannot ${what}`, { context });
  }
}

/** Does on an adapter what the core tells it. @internal */
export function posted(adapter: PlatformAdapter, part: () => Part): (errand: Errand) => unknown {
  const calls: Record<string, (given: Row, call: AdapterCall) => unknown> = {
    is_running: () => adapter.isRunning(),
    bot_identity: () => adapter.botIdentity(),
    start: ({ start }, call) => adapter.start(new Intake(part(), adapter.name, start as number), call),
    drain: () => adapter.drain(),
    stop: () => adapter.stop(),
    send: (given, call) => adapter.send(channel(given), given.text as string, contextOf(given.context as Row), call),
    send_file: (given, call) =>
      adapter.sendFile(channel(given), given.file as Required<OutgoingFile>, contextOf(given.context as Row), call),
    send_with_buttons: (given, call) =>
      adapter.sendWithButtons(
        channel(given),
        given.text as string,
        given.buttons as Button[],
        contextOf(given.context as Row),
        call,
      ),
    react: (given, call) =>
      adapter.react(
        channel(given),
        given.message_id as string,
        given.emoji as string,
        contextOf(given.context as Row),
        call,
      ),
    typing: (given) => adapter.typing(channel(given)),
    presence: (given) => adapter.presence(given.status as string, given.emoji as string | null),
    turn_complete: (given) => adapter.turnComplete(channel(given), endOf(given.end as Row)),
    fetch_history: (given) => adapter.fetchHistory(channel(given), given.limit as number),
    is_channel_valid: (given) => adapter.isChannelValid(channel(given)),
    should_skip_channel_heartbeat: (given) => adapter.shouldSkipChannelHeartbeat(channel(given)),
    call: (given, call) => adapter.call(given.method as string, given.params as Fields, call),
  };
  const sends = new Set(['send', 'send_file', 'send_with_buttons']);
  const silent = new Set(['start', 'drain', 'stop', 'react', 'typing', 'presence', 'turn_complete']);
  return async ({ what, arguments: given, signal }) => {
    const answer = await calls[what]?.(given as Row, { signal });
    // Of what gives nothing, whatever it resolves to is nothing.
    if (silent.has(what)) return undefined;
    if (sends.has(what) && typeof answer !== 'string' && answer !== undefined && answer !== null) {
      // It was sent all the same.
      const text = `${what} of the platform ${adapter.name} gave no text as the id of what it sent, but ${typeof answer}`;
      process.emitWarning(text, 'StargazerWarning');
      return undefined;
    }
    return answer;
  };
}

function channel(given: Row): string {
  return given.channel_id as string;
}
