/**
 * What travels on the bus, field by field as it stands on the wire (hence `snake_case`).
 *
 * What a consumer gives has every field that is not optional; of those that are, `undefined` says that the envelope does not have it, and
 * `null` that its writer said so. Keys that are not listed here are kept and stand beside them. What is published
 * may be a plain object: it is checked by core, and an `InvalidError` names the field that is wrong.
 */

/** A map of anything that can be sent. */
export type Fields = Record<string, unknown>;

/** A file beside a message. */
export interface Attachment {
  /** Its bytes: base64 text as written by this package and by the original, or raw bytes. */
  data: string | Uint8Array;
  /** Its type, such as `image/png`. */
  mimetype: string;
  /** Its name. */
  filename: string;
  /** Where the platform keeps it. */
  source_url?: string;
}

/** A message from a platform to the workers. */
export interface Inbound<Extra extends object = Fields> {
  /** `{platform}:{channel_id}`: the lane, within which messages are handled in order. */
  channel_key: string;
  /** `discord`, `matrix`, `redis`, `web`, … */
  platform: string;
  /** Channel on the platform. */
  channel_id: string;
  /** Who wrote it. */
  user_id: string;
  /** Name of who wrote it. */
  username: string;
  /** Name as shown on the platform. */
  display_name?: string | null;
  /** The text; empty where only a file was sent. */
  content: string;
  /** Id of the message on the platform. */
  message_id: string;
  /** When it was written, epoch seconds. */
  timestamp: number;
  /** Files. */
  attachments: Attachment[];
  /** Id of the message it answers. */
  reply_to?: string | null;
  /** Embedded cards of the platform. */
  embeds?: Fields[] | null;
  /** Name of the channel. */
  room_name?: string | null;
  /** Whether only the writer and the bot are in the channel. */
  is_dm: boolean;
  /** Server (guild) the channel belongs to. */
  guild_id?: string | null;
  /** Roles of the writer. */
  member_roles: string[];
  /** Trace id, `''` for none. */
  trace_id: string;
  /** When it was published, epoch seconds; 0 for unknown. */
  enqueued_at: number;
  /** Whether the bot is meant: such messages of a channel run one after the other. */
  is_addressed: boolean;
  /** Retired routing; `microservice`. */
  strangler_route: string;
  /** Every name of the writer, such as `discord:12345`. */
  user_aliases: string[];
  /** Id of the writer across platforms. */
  unified_user_id?: string | null;
  /** Summary of the reactions, such as `👍×3, 🔥×1`. */
  reactions: string;
  /** What the adapter added. */
  extra: Extra;
}

/** Fields without which no inbound envelope is taken. */
type InboundNeeds =
  | 'channel_key'
  | 'platform'
  | 'channel_id'
  | 'user_id'
  | 'username'
  | 'content'
  | 'message_id'
  | 'timestamp';

/** An inbound envelope about to be published: what may be left out is. */
export type InboundInput<Extra extends object = Fields> = Pick<Inbound<Extra>, InboundNeeds> & Partial<Inbound<Extra>>;

/** Fields of every outbound envelope. */
export interface OutboundBase {
  /** Channel on the platform, the lane; empty where the whole platform is meant. */
  channel_id: string;
  /** The platform. Publishing fills it in. */
  platform: string;
  /** What is said: the text of a message, above buttons, of a status, beside a file; empty otherwise. */
  text: string;
  /** Key by which a platform recognises a doubled message; opaque. */
  message_key?: string | null;
  /** Trace id, `''` for none. */
  trace_id: string;
}

/** Send a text. */
export interface OutboundMessage extends OutboundBase {
  /** What is to be done. */
  type: 'message';
  /** Id of the message it answers. */
  reply_to?: string | null;
}

/** Send a file. */
export interface OutboundFile extends OutboundBase {
  /** What is to be done. */
  type: 'file';
  /** Its name. */
  filename: string;
  /** Its type. */
  mimetype: string;
  /** Its bytes: base64 text as written by this package and by the original, or raw bytes. */
  data: string | Uint8Array;
}

/** A button. */
export interface Button {
  /** What it says. */
  label: string;
  /** A picture on it. */
  emoji?: string | null;
  /** What is sent back when it is pressed. */
  custom_id: string;
}

/** Send a text with buttons below it. */
export interface OutboundButtons extends OutboundBase {
  /** What is to be done. */
  type: 'buttons';
  /** The buttons. */
  view: Button[];
}

/** React to a message. */
export interface OutboundReaction extends OutboundBase {
  /** What is to be done. */
  type: 'reaction';
  /** The message reacted to. */
  message_id: string;
  /** The reaction. */
  emoji: string;
}

/** Show that an answer is being written. */
export interface OutboundTyping extends OutboundBase {
  /** What is to be done. */
  type: 'typing';
}

/** Show a status of the bot. */
export interface OutboundPresence extends OutboundBase {
  /** What is to be done. */
  type: 'presence';
  /** A picture beside the status. */
  emoji?: string | null;
}

/** Call the platform's adapter. */
export interface OutboundRpc<Params extends object = Fields> extends OutboundBase {
  /** What is to be done. */
  type: 'rpc';
  /** `fetch_history`, … */
  method: string;
  /** Its arguments by name. */
  params: Params;
  /** Where the answer goes. */
  reply_to: string;
  /** What the answer names, so that the caller finds it. */
  correlation_id: string;
  /** Milliseconds since 1970 after which nobody waits any more. */
  deadline_ms?: number;
}

/** Something to be done on a platform, told apart by `type`. */
export type Outbound =
  | OutboundMessage
  | OutboundFile
  | OutboundButtons
  | OutboundReaction
  | OutboundTyping
  | OutboundPresence
  | OutboundRpc;

/** One envelope of a union with what publishing fills in left out. */
type Unfilled<T extends OutboundBase> = T extends OutboundBase
  ? Omit<T, 'platform' | 'text' | 'trace_id'> & Partial<Pick<T, 'platform' | 'trace_id'>> & TextOf<T>
  : never;

/** The text: needed where it is what is said. */
type TextOf<T extends OutboundBase> = T extends OutboundMessage | OutboundButtons
  ? { text: string }
  : { text?: string };

/** An outbound envelope about to be published: what may be left out is. */
export type OutboundInput = Unfilled<Outbound>;

/** A tool to be run, from a worker to the tools service. */
export interface ToolRequest<Arguments extends object = Fields> {
  /** Stream that the reply goes to. */
  reply_to: string;
  /** What the reply names, so that the caller finds it. */
  correlation_id: string;
  /** The tool. */
  tool_name: string;
  /** Its arguments by name. */
  arguments?: Arguments;
  /** Hash of the catalog that the caller has loaded. */
  schema_hash?: string;
  /** Platform of the caller's message. */
  platform?: string;
  /** Channel of the caller's message. */
  channel_id?: string;
  /** Who wrote the caller's message. */
  user_id?: string;
  /** Name of who wrote it. */
  user_name?: string;
  /** Server (guild) of the channel. */
  guild_id?: string | null;
  /** The caller's message. */
  message_id?: string;
  /** Trace id. */
  trace_id?: string;
  /** Milliseconds since 1970 after which nobody waits any more. */
  deadline_ms?: number;
  /** Name under which the answer is remembered. */
  memo?: string;
}

/** Why a tool gave nothing. */
export interface ToolFault {
  /** A word for programs, such as `CATALOG_STALE`. */
  code: string;
  /** A sentence for people. */
  message: string;
}

/** What a tool gave, from the tools service back to the worker that asked: a result or an error. */
export interface ToolReply<Result = unknown> {
  /** The request's. */
  correlation_id: string;
  /** What the tool gave. */
  result?: Result;
  /** Why it gave nothing. */
  error?: ToolFault;
  /** What is merged into the caller's context; files as raw bytes. */
  writeback?: Fields;
  /** Trace id. */
  trace_id?: string;
}
