/**
 * Messages as adapters and message handlers know them, with the names that they have on the wire, and what an adapter is
 * told about a send.
 */

import { needRecord } from '../arguments.js';
import type { Attachment, Fields, Inbound, InboundInput } from '../envelope/types.js';
import { camel, convert, type Row, snake } from '../part.js';

/**
 * A message inside a process.
 *
 * What an envelope has beyond these members stands in `extra` under its name: `display_name`, `guild_id`, `is_dm`,
 * `member_roles`, `embeds`, `trace_id`, `enqueued_at`, `channel_key`.
 */
export interface IncomingMessage<Extra extends object = Fields> {
  /** `discord`, `matrix`, `redis`, `web`, …; an intake fills its own in. */
  platform: string;
  /** Channel on the platform. */
  channel_id: string;
  /** Who wrote it. */
  user_id: string;
  /** Name of who wrote it. */
  user_name: string;
  /** The text. */
  text: string;
  /** Whether the bot is meant. */
  is_addressed: boolean;
  /** Files; their bytes as a `Buffer` in what is read here. */
  attachments: Attachment[];
  /** Name of the channel, `''` for none. */
  channel_name: string;
  /** When it was written, epoch seconds UTC; 0 for now. */
  timestamp: number;
  /** Its id on the platform; an intake makes one up when it is empty. */
  message_id: string;
  /** Id of the message it answers, `''` for none. */
  reply_to_id: string;
  /** What the adapter added, `_response_nonce` among it. */
  extra: Extra;
  /** Summary of the reactions, such as `👍×3, 🔥×1`. */
  reactions: string;
  /** Id of the writer across platforms. */
  unified_user_id: string | null;
  /** Every name of the writer, such as `discord:12345`. */
  user_aliases: string[];
}

/** A message about to be handed in: what may be left out is. */
export type IncomingInput<Extra extends object = Fields> = Pick<IncomingMessage<Extra>, 'channel_id' | 'user_id'> &
  Partial<IncomingMessage<Extra>>;

/** A message of a channel's past. */
export interface HistoricalMessage {
  /** Who wrote it. */
  user_id: string;
  /** Name of who wrote it. */
  user_name: string;
  /** The text. */
  text: string;
  /** When it was written, epoch seconds UTC. */
  timestamp: number;
  /** Its id on the platform. */
  message_id?: string;
  /** Whether a bot wrote it. */
  is_bot?: boolean;
  /** Id of the message it answers, `''` for none. */
  reply_to_id?: string;
  /** Summary of the reactions. */
  reactions?: string;
}

/** What happened to a message that was received before. It travels as an unaddressed message with the id of that one. */
export interface MessageUpdate {
  /** What happened. */
  kind: 'edited' | 'deleted' | 'reactions';
  /** Channel on the platform. */
  channel_id: string;
  /** Id of the message it is about. */
  message_id: string;
  /** The text that it has now; only of `edited`. */
  text?: string;
  /** Summary of the reactions that it has now; only of `reactions`. */
  reactions?: string;
  /** Who did it, `''` for unknown. */
  user_id?: string;
  /** Name of who did it, `''` for unknown. */
  user_name?: string;
  /** When it happened, epoch seconds UTC; 0 for now. */
  timestamp?: number;
  /** What the adapter added. */
  extra?: Fields;
}

/** The bot on one platform. */
export interface BotIdentity {
  /** The platform. */
  platform: string;
  /** The bot's id there, `''` for unknown. */
  user_id?: string;
  /** Its name as people see it. */
  display_name?: string;
  /** What people write to address it. */
  mention?: string;
}

/** A file to be sent. */
export interface OutgoingFile {
  /** Its name. */
  filename: string;
  /** Its bytes. */
  data: Uint8Array;
  /** Its type. `application/octet-stream`. */
  mimetype?: string;
}

/** What an adapter is told about a send besides what is to be sent. */
export interface SendContext {
  /** Key of the send, the same whenever it is tried: what a platform with keys of its own is to be given. */
  readonly messageKey?: string | null;
  /** Whether it may have been sent before: an earlier try began, and how it ended nobody knows. */
  readonly mayBeRepeat?: boolean;
  /** Which try this is, from 1. */
  readonly attempt?: number;
  /** Id of the message it answers. */
  readonly replyTo?: string | null;
  /** Text beside a file, `''` for none. */
  readonly caption?: string;
  /** Trace id, `''` for none. */
  readonly traceId?: string;
  /** What else the sender said. */
  readonly rest?: Fields;
}

/** How a turn ended, as an adapter is told. */
export interface TurnEnd {
  /** The asker's nonce. */
  readonly nonce: string;
  /** Why it was given up; nothing when everything was said. */
  readonly error?: string | null;
  /** Trace id, `''` for none. */
  readonly traceId?: string;
}

/**
 * The envelope of a message; {@link fromInboundEnvelope} takes it back. `InvalidError` names a member that is wrong or not
 * known.
 */
export function toInboundEnvelope<Extra extends object = Fields>(message: IncomingInput<Extra>): InboundInput<Extra> {
  return convert('to_inbound_envelope', { message });
}

/** The message of an envelope. `MalformedError` when it is none. Keys that it does not know stay with the envelope. */
export function fromInboundEnvelope<Extra extends object = Fields>(
  envelope: Inbound<Extra> | InboundInput<Extra>,
): IncomingMessage<Extra> {
  return convert('from_inbound_envelope', { envelope });
}

/** The update that an envelope is; `undefined` when it is a message. `MalformedError` when it is one that we do not know. */
export function updateOfInbound(envelope: Inbound<object> | InboundInput<object>): Required<MessageUpdate> | undefined {
  return convert<Required<MessageUpdate> | null>('update_of_inbound', { envelope }) ?? undefined;
}

/** @internal */
export function contextRow(context: SendContext | undefined): Row | undefined {
  return context === undefined || context === null ? undefined : snake(needRecord(context, 'context'));
}

/** @internal */
export function contextOf(row: Row): Required<SendContext> {
  return camel(row);
}

/** @internal */
export function endOf(row: Row): Required<TurnEnd> {
  return camel(row);
}
