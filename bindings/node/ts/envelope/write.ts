/** Envelopes made here: what a person would have to make up is filled in, everything else can be given. */

import { randomUUID } from 'node:crypto';
import * as native from '../../native.cjs';
import { givenOnly, maybeOptions, needData, needRecord, needText } from '../arguments.js';
import { InvalidError } from '../errors.js';
import { INBOUND } from './read.js';
import type {
  Attachment,
  Button,
  Fields,
  Inbound,
  InboundInput,
  OutboundBase,
  OutboundButtons,
  OutboundFile,
  OutboundMessage,
  OutboundPresence,
  OutboundReaction,
  OutboundRpc,
  OutboundTyping,
} from './types.js';

/** What an inbound message is made of. */
export type InboundContent<Extra extends object = Fields> = {
  /** Channel on the platform. */
  channel: string;
  /** Id of who wrote it; also the name unless `username` is given. */
  user: string;
  /** The text. */
  text?: string;
} & Partial<Omit<Inbound<Extra>, 'platform' | 'channel_id' | 'user_id' | 'content'>>;

/** Fields that any outbound envelope may have. */
export type OutboundExtras = Partial<Pick<OutboundBase, 'platform' | 'text' | 'message_key' | 'trace_id'>>;

/**
 * A message from a platform to the workers, written now and addressed to the bot. Makes up a message id and a trace id
 * and derives the channel key; any field of {@link Inbound} may be given instead.
 *
 * ```ts
 * await bus.publishInbound(inbound('web', { channel: 'c1', user: 'u1', text: 'Berlin?' }));
 * ```
 */
export function inbound<Extra extends object = Fields>(
  platform: string,
  fields: InboundContent<Extra>,
): InboundInput<Extra> {
  needText(platform, 'platform');
  const { channel, user, text = '', attachments = [], ...given } = givenOnly(needRecord(fields, 'fields'));
  needText(channel, 'channel');
  if (!Array.isArray(attachments)) {
    throw new InvalidError('`attachments` must be a list of files', { context: { field: 'attachments' } });
  }
  const now = Date.now() / 1000;
  const { extra: _, ...standard } = INBOUND;
  return {
    ...(standard as unknown as Inbound<Extra>),
    channel_key: native.channelKey(platform, channel),
    platform,
    channel_id: channel,
    user_id: user,
    username: user,
    content: text,
    message_id: randomUUID(),
    timestamp: now,
    attachments: attachments.map((one) => encoded(needRecord(one, 'attachments'))),
    member_roles: [],
    trace_id: traceId(),
    enqueued_at: now,
    user_aliases: [],
    ...given,
  };
}

/** A text for a channel. */
export function message(
  channel: string,
  text: string,
  given: OutboundExtras & Pick<OutboundMessage, 'reply_to'> = {},
): OutboundMessage {
  needText(channel, 'channel');
  needText(text, 'text');
  return { channel_id: channel, platform: '', type: 'message', text, trace_id: '', ...extras(given) };
}

/** A file for a channel, perhaps with a text beside it; its bytes travel as base64 text. */
export function file(
  channel: string,
  filename: string,
  data: Uint8Array,
  given: OutboundExtras & { mimetype?: string } = {},
): OutboundFile {
  const { mimetype = 'application/octet-stream', ...rest } = extras(given);
  const common = { channel_id: channel, platform: '', text: '', trace_id: '' };
  return { ...common, type: 'file', filename, mimetype, data: base64(data), ...rest };
}

/** A text with buttons below it. */
export function buttons(
  channel: string,
  text: string,
  view: Button[],
  given: Omit<OutboundExtras, 'text'> = {},
): OutboundButtons {
  return { channel_id: channel, platform: '', type: 'buttons', text, view, trace_id: '', ...extras(given) };
}

/** A reaction to a message. */
export function reaction(
  channel: string,
  messageId: string,
  emoji: string,
  given: Omit<OutboundExtras, 'text'> = {},
): OutboundReaction {
  const common = { channel_id: channel, platform: '', text: '', trace_id: '' };
  return { ...common, type: 'reaction', message_id: messageId, emoji, ...extras(given) };
}

/** The sign that an answer is being written. */
export function typing(channel: string, given: Omit<OutboundExtras, 'text'> = {}): OutboundTyping {
  return { channel_id: channel, platform: '', type: 'typing', text: '', trace_id: '', ...extras(given) };
}

/** A status of the bot on the whole platform. */
export function presence(
  status: string,
  given: Omit<OutboundExtras, 'text'> & Pick<OutboundPresence, 'emoji'> = {},
): OutboundPresence {
  return { channel_id: '', platform: '', type: 'presence', text: status, emoji: null, trace_id: '', ...extras(given) };
}

/** A call of the platform's adapter; its answer goes to `reply_to`. */
export function rpc<Params extends object = Fields>(
  method: string,
  params: Params,
  given: Omit<OutboundExtras, 'text'> &
    Pick<OutboundRpc, 'reply_to' | 'deadline_ms'> &
    Partial<Pick<OutboundRpc, 'correlation_id' | 'channel_id'>>,
): OutboundRpc<Params> {
  const common = { channel_id: '', platform: '', text: '', trace_id: '' };
  return { ...common, type: 'rpc', method, params, correlation_id: traceId(), ...extras(given) };
}

/** The bytes of a file or attachment, however they travelled. */
export function bytesOf(content: { readonly data: string | Uint8Array }): Buffer {
  const data = needData(needRecord(content, 'content').data, 'data');
  if (typeof data === 'string') return Buffer.from(data, 'base64');
  return Buffer.from(data.buffer, data.byteOffset, data.byteLength);
}

/** What was given besides. */
function extras<T extends object>(given: T): T {
  return givenOnly(maybeOptions(given, 'given'));
}

function encoded(attachment: Attachment): Attachment {
  return { ...attachment, data: base64(attachment.data) };
}

function base64(data: string | Uint8Array): string {
  const given = needData(data, 'data');
  if (typeof given === 'string') return given;
  return Buffer.from(given.buffer, given.byteOffset, given.byteLength).toString('base64');
}

/** 32 hexadecimal digits. */
function traceId(): string {
  return randomUUID().replaceAll('-', '');
}
