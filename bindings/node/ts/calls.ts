/** Calls: a request that goes to whoever serves its name, and the one answer that comes back. */

import * as native from '../native.cjs';
import { checkedOptions, maybeSignal } from './arguments.js';
import { decode } from './codec/decode.js';
import { Encoder } from './codec/encode.js';
import { CancelledError } from './errors.js';
import { ask } from './link.js';
import { spanFor } from './span.js';

/** Whose message a call is made for, as the server is told; with the names of the wire. */
export interface Identity {
  /** Platform. */
  platform?: string;
  /** Channel. */
  channel_id?: string;
  /** Who wrote it. */
  user_id?: string;
  /** Name of who wrote it. */
  user_name?: string;
  /** Server (guild) of the channel. */
  guild_id?: string | null;
  /** The message. */
  message_id?: string;
  /** Id under which the original's observability files the call. */
  observability_request_id?: string;
}

/** What may be said about one call. */
export interface CallOptions {
  /**
   * How long to wait for the answer; by default as the bus is set (`callTimeoutMs`, 30 s), and never longer than the
   * request in whose handler the call is made.
   */
  timeoutMs?: number;
  /** Ends the call with its reason when it is aborted; whoever runs it is told to end. */
  signal?: AbortSignal;
  /** `false`: the result is not remembered. Otherwise a call made in a delivery is remembered with the delivery. */
  memo?: boolean;
  /**
   * The id of the call in its turn, such as a model's `tool_call_id`; by default the number of the call among equal ones.
   */
  callId?: string;
  /** The turn that the call is remembered with, outside of a delivery; needs `callId`. */
  turn?: string;
  /** Whose message it is made for; by default the one whose delivery makes it. */
  identity?: Identity;
  /** Hash of the catalog of tools that the caller has loaded. */
  schemaHash?: string;
  /** Trace id; by default the delivery's. */
  traceId?: string;
  /** W3C `traceparent`; by default the delivery's. */
  traceparent?: string;
  /** W3C `tracestate`; by default the delivery's. */
  tracestate?: string;
  /** Which service serves the name; by default the one that all tools services share. */
  service?: string;
}

/** What a call gave. */
export interface Answer<Result = unknown> {
  /** The result. */
  readonly result: Result;
  /**
   * What is to be merged into the caller's context: `sent_files` (media as raw bytes), `injected_tools`, `sent_rich_messages`.
   * Untouched.
   */
  readonly writeback: Readonly<Record<string, unknown>>;
  /** Nothing was sent: the result was remembered from an earlier run of the same turn. */
  readonly remembered: boolean;
}

/** What the calls of a bus have come to. */
export interface CallFigures {
  /** Calls that wait for their answer. */
  readonly inFlight: number;
  /** Answers to calls that had ended already: dropped. */
  readonly late: number;
  /** Entries of the reply stream that are no answers: dropped. */
  readonly malformed: number;
}

const OPTIONS = {
  timeoutMs: 'time',
  signal: 'any',
  memo: 'flag',
  callId: 'text',
  turn: 'text',
  identity: 'any',
  schemaHash: 'text',
  traceId: 'text',
  traceparent: 'text',
  tracestate: 'text',
  service: 'text',
} as const;

const IDENTITY = {
  platform: 'text',
  channel_id: 'text',
  user_id: 'text',
  user_name: 'text',
  guild_id: 'any',
  message_id: 'text',
  observability_request_id: 'text',
} as const;

/** An identity as it crosses. @internal */
export function identityOf(given: Identity): native.Identity {
  const { guild_id: guild, ...rest } = checkedOptions<Identity>(given, IDENTITY);
  const made: native.Identity = {};
  if (rest.platform !== undefined) made.platform = rest.platform;
  if (rest.channel_id !== undefined) made.channelId = rest.channel_id;
  if (rest.user_id !== undefined) made.userId = rest.user_id;
  if (rest.user_name !== undefined) made.userName = rest.user_name;
  if (rest.message_id !== undefined) made.messageId = rest.message_id;
  if (rest.observability_request_id !== undefined) made.observabilityRequestId = rest.observability_request_id;
  if (guild !== undefined && guild !== null) made.guildId = String(guild);
  return made;
}

/** A value as msgpack. @internal */
export function packed(value: unknown): Buffer {
  const encoder = new Encoder();
  encoder.write(value);
  return encoder.written();
}

/** Makes a call. @internal */
export async function called<Result>(
  given: CallOptions | undefined,
  start: (token: number, cancel: native.Cancel, options: native.Calling) => void,
): Promise<Answer<Result>> {
  const { signal, identity, ...options } = checkedOptions<CallOptions>(given, OPTIONS);
  maybeSignal(signal);
  const { traceparent, tracestate } = spanFor(options);
  const calling: native.Calling = options;
  if (traceparent !== undefined) calling.traceparent = traceparent;
  if (tracestate !== undefined) calling.tracestate = tracestate;
  if (identity !== undefined) calling.identity = identityOf(identity);
  signal?.throwIfAborted();
  const cancel = new native.Cancel();
  const abort = () => cancel.cancel();
  signal?.addEventListener('abort', abort, { once: true });
  try {
    const { plain } = await ask((token) => start(token, cancel, calling));
    const [result, writeback, remembered] = decode(plain as Buffer) as [Result, Record<string, unknown>, boolean];
    return { result, writeback, remembered };
  } catch (error) {
    // As everywhere with signals: whoever aborts says with what.
    if (error instanceof CancelledError && signal?.aborted) throw signal.reason;
    throw error;
  } finally {
    signal?.removeEventListener('abort', abort);
  }
}
