/**
 * Settings of a bus and of a consumer: their types, and the check that turns what a caller gave into plain data for the
 * native side. Ranges and defaults are core's; here a name that does not exist or a value of the wrong type is
 * `Invalid`, so that a misspelt setting is told and not ignored.
 */

import type { BusSettings, ConsumerSettings } from '../native.cjs';
import { InvalidError } from './errors.js';

/** What a process does, which decides what it needs. */
export type Role = 'none' | 'worker' | 'gateway' | 'standalone' | 'tools';

/** Which order a group's consumers keep: that of the lanes, or none. */
export type Ordering = 'lanes' | 'none';

/** What becomes of entries that were read, and how many may wait. */
export type Retention =
  /** Entries go once every registered group has finished them; at the cap publishers wait, then fail with `Full`. */
  | { policy: 'acked'; cap?: number }
  /** The oldest entries go, read or not; at least 1000 are kept. */
  | { policy: 'capped'; maxLen: number }
  /** Nothing is removed. */
  | { policy: 'forever' };

/** Names of streams and groups. */
export interface Topology {
  /** Gateways to workers. */
  inboundStream?: string;
  /** Workers to a platform's gateway: this, a colon, the platform. */
  outboundStreamPrefix?: string;
  /** Group of the workers on the inbound stream. */
  workerGroup?: string;
  /** Group of a platform's gateways: this, a colon, the platform. */
  gatewayGroupPrefix?: string;
  /** Tool requests. */
  toolsStream?: string;
  /** Group of the tool services. */
  toolsGroup?: string;
  /** Tool replies of one worker: this, a colon, the worker's id. */
  toolsReplyPrefix?: string;
  /** Dead letters of every group. */
  deadLetterStream?: string;
  /** Streams of the generic calls: this, a colon, the name given. */
  streamPrefix?: string;
}

/** Settings of a bus. */
export interface ConnectOptions {
  /** Makes what this role needs once connected. `none`. */
  role?: Role;
  /** The platforms whose outbound streams a gateway needs. */
  platforms?: readonly string[];
  /** Names of streams and groups. */
  topology?: Topology;
  /** Start from the names in `SG_INBOUND_STREAM`, `SG_OUTBOUND_STREAM_PREFIX`, … `false`. */
  fromEnv?: boolean;
  /** How long to wait for the server when connecting, with back-off; 0 fails at the first refusal. 5 s. */
  connectTimeoutMs?: number;
  /** How long one request may take before it counts as lost. */
  responseTimeoutMs?: number;
  /** How long a publish waits at the cap, or for a server that cannot be reached, before it fails. 5 s. */
  publishTimeoutMs?: number;
  /** How long a message id is remembered. 10 minutes. */
  dedupeWindowMs?: number;
  /** Retention of work streams. `acked`, at most 1,000,000 entries. */
  retention?: Retention;
  /** Check the cap inside the server with every publish instead of now and then. */
  strictCap?: boolean;
  /** Keep big bodies inside their entries, for fleets with readers of the original. */
  inlineBodies?: boolean;
  /** Most bytes of a body. 16 MiB. */
  maxBodyBytes?: number;
  /** Deepest nesting of a body. 64. */
  maxBodyDepth?: number;
}

/** Settings of a consumer. */
export interface ConsumeOptions {
  /** First part of its identity, for people who look. */
  name?: string;
  /** Another group than the usual one. */
  group?: string;
  /** Deliveries in hand at the same time. 64. */
  concurrency?: number;
  /** Entries fetched ahead. Twice the concurrency. */
  prefetch?: number;
  /** Bytes fetched ahead. 4 MiB. */
  prefetchBytes?: number;
  /** Order. `lanes`. */
  ordering?: Ordering;
  /** Give unaddressed entries their lane, too. */
  orderUnaddressed?: boolean;
  /** Start the next entry of a lane only after the outcome of the one before was confirmed. */
  strict?: boolean;
  /** Starts of an entry before it goes to the dead letters. 3. */
  maxAttempts?: number;
  /** Back-off of retries: the first, doubled each time. 1 s. */
  retryBaseMs?: number;
  /** Longest back-off. 60 s. */
  retryMaxMs?: number;
  /** Share by which a back-off is moved up or down. 0.2. */
  retryJitter?: number;
  /** How long a handler may run before its signal is aborted; no limit by default. */
  handlerTimeoutMs?: number;
  /** A consumer that gave no sign of life for this long has lost its work. 15 s. */
  leaseMs?: number;
  /** How quickly that is noticed. 5 s. */
  sweepMs?: number;
  /** Whether handlers are told to end in a long outage. `cancel`. */
  onLeaseLost?: 'cancel' | 'keep';
  /** How long handlers may go on when the consumer closes. 20 s. */
  drainTimeoutMs?: number;
  /** Longest pause of a resting consumer between two looks. 200 ms. */
  idlePollMs?: number;
}

/** The types that settings have. */
type Check = (value: unknown) => string | undefined;

const text: Check = (value) => (typeof value === 'string' ? undefined : 'text');
const flag: Check = (value) => (typeof value === 'boolean' ? undefined : 'true or false');
const share: Check = (value) => (typeof value === 'number' && !Number.isNaN(value) ? undefined : 'a number');
const count: Check = (value) => (isNatural(value) ? undefined : 'a whole number from 0 up');
const time: Check = (value) => (isDuration(value) ? undefined : 'milliseconds from 0 up');
const texts: Check = (value) =>
  Array.isArray(value) && value.every((item) => typeof item === 'string') ? undefined : 'a list of texts';
const names: Check = (value) => (isRecord(value) ? undefined : 'an object of names');
const policy: Check = (value) =>
  isRecord(value) && typeof value.policy === 'string'
    ? undefined
    : "{ policy: 'acked', cap }, { policy: 'capped', maxLen } or { policy: 'forever' }";

const TOPOLOGY: Record<keyof Topology, Check> = {
  inboundStream: text,
  outboundStreamPrefix: text,
  workerGroup: text,
  gatewayGroupPrefix: text,
  toolsStream: text,
  toolsGroup: text,
  toolsReplyPrefix: text,
  deadLetterStream: text,
  streamPrefix: text,
};

const CONNECT: Record<keyof ConnectOptions, Check> = {
  role: text,
  platforms: texts,
  topology: names,
  fromEnv: flag,
  connectTimeoutMs: time,
  responseTimeoutMs: time,
  publishTimeoutMs: time,
  dedupeWindowMs: time,
  retention: policy,
  strictCap: flag,
  inlineBodies: flag,
  maxBodyBytes: count,
  maxBodyDepth: count,
};

const CONSUME: Record<keyof ConsumeOptions, Check> = {
  name: text,
  group: text,
  concurrency: count,
  prefetch: count,
  prefetchBytes: count,
  ordering: text,
  orderUnaddressed: flag,
  strict: flag,
  maxAttempts: count,
  retryBaseMs: time,
  retryMaxMs: time,
  retryJitter: share,
  handlerTimeoutMs: time,
  leaseMs: time,
  sweepMs: time,
  onLeaseLost: text,
  drainTimeoutMs: time,
  idlePollMs: time,
};

/** Settings of a bus as the native side takes them. @internal */
export function busSettings(options: ConnectOptions): BusSettings {
  const { topology, retention, ...rest } = checked(options, CONNECT);
  const settings: BusSettings = { ...rest, platforms: [...(rest.platforms ?? [])] };
  if (topology !== undefined) settings.topology = checked(topology, TOPOLOGY);
  if (retention !== undefined) {
    const { policy, ...limits } = retention;
    const given = checked<{ cap?: number; maxLen?: number }>(limits, { cap: count, maxLen: count });
    settings.retention = { policy, ...given };
  }
  return settings;
}

/** Settings of a consumer as the native side takes them. @internal */
export function consumerSettings(options: ConsumeOptions): ConsumerSettings {
  return checked(options, CONSUME);
}

/** A duration that was given, or nothing. @internal */
export function duration(value: number | undefined, name: string): number | undefined {
  if (value === undefined || isDuration(value)) return value;
  throw wrong(name, 'milliseconds from 0 up', value);
}

/** Text that must be given. @internal */
export function needText(value: unknown, name: string): string {
  if (typeof value === 'string') return value;
  throw wrong(name, 'text', value);
}

/** Text that may be given. @internal */
export function maybeText(value: unknown, name: string): string | undefined {
  return value === undefined || value === null ? undefined : needText(value, name);
}

/** What was given under known names, without what is `undefined`. */
function checked<T extends object>(given: T, checks: Record<keyof T & string, Check>): T {
  if (!isRecord(given)) throw wrong('options', 'an object', given);
  const settings: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(given)) {
    if (!Object.hasOwn(checks, name)) {
      const known = Object.keys(checks).join(', ');
      throw new InvalidError(`there is no setting \`${name}\`; there are ${known}`, { context: { field: name } });
    }
    if (value === undefined) continue;
    const wanted = (checks as Record<string, Check>)[name]?.(value);
    if (wanted !== undefined) throw wrong(name, wanted, value);
    settings[name] = value;
  }
  return settings as T;
}

function wrong(name: string, wanted: string, found: unknown): InvalidError {
  const shown = typeof found === 'number' ? String(found) : found === null ? 'null' : typeof found;
  return new InvalidError(`\`${name}\` must be ${wanted}, not ${shown}`, { context: { field: name } });
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isNatural(value: unknown): boolean {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= 0xffffffff;
}

function isDuration(value: unknown): boolean {
  return typeof value === 'number' && value >= 0 && value <= Number.MAX_SAFE_INTEGER;
}
