/**
 * Bodies of deliveries as the types promise them: core has checked that what is there has its type and that what is
 * needed is there; here, what older writers left out gets its default and text that came as bytes becomes text.
 */

import { decode } from '../codec/decode.js';
import type { Fields, Inbound, Outbound } from './types.js';

/** Turns the bytes of a delivery into its `data`. */
export type Reading<T> = (body: Uint8Array) => T;

const INBOUND: readonly (readonly [keyof Inbound, () => unknown])[] = [
  ['display_name', () => null],
  ['attachments', () => []],
  ['reply_to', () => null],
  ['embeds', () => null],
  ['room_name', () => null],
  ['is_dm', () => false],
  ['guild_id', () => null],
  ['member_roles', () => []],
  ['trace_id', () => ''],
  ['enqueued_at', () => 0],
  ['is_addressed', () => true],
  ['strangler_route', () => 'microservice'],
  ['user_aliases', () => []],
  ['unified_user_id', () => null],
  ['reactions', () => ''],
  ['extra', () => ({})],
];

const OUTBOUND: readonly (readonly [string, () => unknown])[] = [
  ['channel_id', () => ''],
  ['platform', () => ''],
  ['text', () => ''],
  ['trace_id', () => ''],
];

const OWN: Readonly<Record<string, readonly (readonly [string, () => unknown])[]>> = {
  file: [
    ['filename', () => ''],
    ['mimetype', () => 'application/octet-stream'],
    ['data', () => ''],
  ],
  buttons: [['view', () => []]],
  reaction: [
    ['message_id', () => ''],
    ['emoji', () => ''],
  ],
  rpc: [
    ['method', () => ''],
    ['params', () => ({})],
    ['reply_to', () => ''],
    ['correlation_id', () => ''],
  ],
};

/** Text that an older writer may have put as bytes. */
const TEXTS: ReadonlySet<string> = new Set([
  'channel_key',
  'platform',
  'channel_id',
  'user_id',
  'username',
  'display_name',
  'content',
  'message_id',
  'message_key',
  'trace_id',
  'type',
  'text',
  'emoji',
  'reply_to',
]);

/** Any body. */
export const readPlain: Reading<unknown> = decode;

/** A message from a platform. */
export function readInbound(body: Uint8Array): Inbound {
  const fields = filled(decode(body) as Fields, INBOUND);
  fields.channel_key ||= `${fields.platform}:${fields.channel_id}`;
  return fields as unknown as Inbound;
}

/** Something to be done on a platform. */
export function readOutbound(body: Uint8Array): Outbound {
  const fields = filled(decode(body) as Fields, OUTBOUND);
  return filled(fields, OWN[fields.type as string] ?? []) as unknown as Outbound;
}

function filled(fields: Fields, defaults: readonly (readonly [string, () => unknown])[]): Fields {
  for (const name in fields) {
    const value = fields[name];
    if (Buffer.isBuffer(value) && TEXTS.has(name)) fields[name] = value.toString();
  }
  for (const [name, value] of defaults) {
    // Nothing, or nil: where nil is a value, `value()` is nil.
    if (fields[name] === undefined || fields[name] === null) fields[name] = value();
  }
  return fields;
}
