/**
 * Bodies of deliveries as the types promise them: core has checked that what is there has its type and that what is
 * needed is there; here, what older writers left out gets core's default and text that came as bytes becomes text. What may be
 * nothing stays as it came: absent, or null.
 */

import * as native from '../../native.cjs';
import { decode } from '../codec/decode.js';
import { errorOf } from '../errors.js';
import type { Fields, Inbound, Outbound } from './types.js';

/** Turns the bytes of a delivery into its `data`. */
export interface Reading<T> {
  (body: Uint8Array): T;
  /** Where a body may be found not to fit: what it is, or why not. */
  fit?: (body: Uint8Array) => T | Promise<T>;
}

const { inbound, outbound, failure } = native.defaults();
if (failure !== undefined) throw errorOf(failure);

/** What stands for a field of an inbound envelope that is missing. */
export const INBOUND: Readonly<Fields> = { ...(decode(inbound) as Fields), extra: {} };

/** What stands for a field of an outbound envelope that is missing, by its type. */
export const OUTBOUND: ReadonlyMap<unknown, Readonly<Fields>> = new Map(
  outbound.map((body) => {
    const fields = decode(body) as Fields;
    return [fields.type, { text: '', ...fields }];
  }),
);

/** Any body. */
export const readPlain: Reading<unknown> = decode;

/** A message from a platform. */
export function readInbound(body: Uint8Array): Inbound {
  const fields = filled(decode(body) as Fields, INBOUND);
  fields.channel_key ||= native.channelKey(fields.platform as string, fields.channel_id as string);
  return fields as unknown as Inbound;
}

/** Something to be done on a platform. */
export function readOutbound(body: Uint8Array): Outbound {
  const fields = decode(body) as Fields;
  const type = Buffer.isBuffer(fields.type) ? fields.type.toString() : fields.type;
  return filled(fields, OUTBOUND.get(type) ?? {}) as unknown as Outbound;
}

function filled(fields: Fields, defaults: Readonly<Fields>): Fields {
  for (const name in defaults) {
    const value = fields[name];
    const standard = defaults[name];
    if (standard === null) continue;
    if (value === undefined || value === null) fields[name] = copied(standard);
    // Files may come as bytes; everything else that is text by default is text.
    else if (Buffer.isBuffer(value) && typeof standard === 'string' && name !== 'data') fields[name] = value.toString();
  }
  return fields;
}

/** Defaults are empty where they can be changed. */
function copied(standard: unknown): unknown {
  if (Array.isArray(standard)) return [];
  return typeof standard === 'object' && standard !== null ? {} : standard;
}
