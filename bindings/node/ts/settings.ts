/**
 * Settings of a bus and of a consumer: their types, and the check that turns what a caller gave into plain data for the
 * native side. Ranges and defaults are core's; here a name that does not exist or a value of the wrong type is
 * `Invalid`, so that a misspelt setting is told and not ignored.
 */

import type { Failure, BusSettings as Native } from '../native.cjs';
import { CHECKS, type Check, checked, isRecord } from './arguments.js';
import type { LeaseSettings, LockSettings } from './lock.js';
import type { SingletonSettings } from './singleton.js';

/** What a process does, which decides what it needs. */
export type Role = 'none' | 'worker' | 'gateway' | 'standalone' | 'tools';

/** Which order a group's consumers keep: see the page about delivery. */
export type Ordering = 'lanes' | 'exclusive' | 'none' | 'lock';

/** What the locks of channels are named after, in mode `lock`. */
export type LockId = 'both' | 'channel_id' | 'channel_key';

/** Where a tool runs that a process has itself and a tools service has, too. */
export type ToolsMode = 'in_process' | 'remote';

/** Certificates or a key in the form PEM, as text or as the bytes of a file. */
export type Pem = string | Uint8Array;

/** What this client shows to an encrypted server. */
export interface ClientCertificate {
  /** The certificate. */
  certificate: Pem;
  /** Its key. */
  key: Pem;
}

/** What becomes of entries that were read. */
export type Retention = 'acked' | 'capped' | 'forever';

/**
 * Settings of a bus. Names of streams and groups can also be set by the environment (`SG_INBOUND_STREAM`,
 * `SG_OUTBOUND_STREAM_PREFIX`, `SG_WORKER_GROUP`, `SG_GATEWAY_GROUP_PREFIX`), which wins and is read by `connect`.
 */
export interface BusSettings {
  /** How long to wait for the server when connecting, with back-off; 0 fails at the first refusal. 5 s. */
  connectTimeoutMs?: number;
  /** How long one request may take before it counts as lost. 5 s. */
  responseTimeoutMs?: number;
  /** How long a publish waits at the cap, or for a server that cannot be reached, before it fails. 5 s. */
  publishTimeoutMs?: number;
  /** How long a message id is remembered. 10 minutes. */
  dedupeWindowMs?: number;
  /** Replicas that must confirm a publish before it has a receipt. 0. */
  waitReplicas?: number;
  /** How long the server waits for them; shorter than `responseTimeoutMs`. 1 s. */
  replicaTimeoutMs?: number;
  /** Refuse to connect to a server that `doctor` finds bad, or cannot judge. No. */
  strictServer?: boolean;
  /** Let time stand still but for `bus.time.advance`; only for a `memory://` bus of its own, in tests. No. */
  virtualTime?: boolean;
  /**
   * What becomes of entries: `acked` (they go once every group has finished them; the default), `capped` (the oldest go,
   * read or not) or `forever`.
   */
  retention?: Retention;
  /** Entries a stream may hold under `acked`, at which publishers wait. 1,000,000. */
  cap?: number;
  /** Entries that are kept, about, under `capped`; at least 1000. */
  maxLen?: number;
  /** Take down the life of messages by trace id, under this name of who tells it. Off. */
  trace?: string;
  /** Check the cap inside the server with every publish instead of now and then. */
  strictCap?: boolean;
  /** Keep big bodies inside their entries, for fleets with readers of the original. */
  inlineBodies?: boolean;
  /**
   * Publish what is given for an envelope as it is, for programs of the original's: its shape is not checked, and nothing is
   * filled in.
   */
  uncheckedEnvelopes?: boolean;
  /** Certificates that an encrypted server is checked against, in place of the system's. */
  rootCertificates?: Pem;
  /** What this client shows to an encrypted server. */
  clientCertificate?: ClientCertificate;
  /** Bytes a body may have. 16 MiB. */
  maxBodyBytes?: number;
  /** Lists and maps inside each other. 64. */
  maxBodyDepth?: number;
  /** Stream from the gateways to the workers. */
  inboundStream?: string;
  /** Streams to the gateways: this, a colon, the platform. */
  outboundStreamPrefix?: string;
  /** Group of the workers. */
  workerGroup?: string;
  /** Groups of the gateways: this, a colon, the platform. */
  gatewayGroupPrefix?: string;
  /** Stream of tool requests. */
  toolsStream?: string;
  /** Group of the tool services. */
  toolsGroup?: string;
  /** Streams of tool replies: this, a colon, the worker. */
  toolsReplyPrefix?: string;
  /** Stream of the dead letters. */
  deadLetterStream?: string;
  /** Streams of `publish` and `consume`: this, a colon, the name; empty: the name as it is. */
  streamPrefix?: string;
  /** Keys of the catalog of tools begin with this. */
  toolsCatalogPrefix?: string;
  /** Channel on which a new catalog is told. */
  toolsCatalogChannel?: string;
  /** Where a tool runs that a process has itself and a tools service has, too. `in_process`. */
  toolsServiceMode?: ToolsMode;
  /** Tools that a process which has them runs itself in any case. */
  toolsForceInProcess?: string[];
  /** First part of the name of the stream that answers come to. `worker`. */
  callName?: string;
  /** How long a call waits for its answer, unless it says otherwise. 30 s. */
  callTimeoutMs?: number;
  /** How long a call waits for somebody who serves its name, where nobody does. 2 s. */
  noWorkerAfterMs?: number;
  /** How long the result of a finished call is remembered. 1 hour. */
  memoTtlMs?: number;
  /** How long the stream of answers outlives a bus that died without closing. 10 minutes. */
  replyTtlMs?: number;
}

/** Settings of a consumer. */
export interface ConsumerSettings {
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
  /** Order, the same for all consumers of a group. `lanes`. */
  ordering?: Ordering;
  /** With `lock`: what the locks are named after. `both`. */
  lockId?: LockId;
  /** With `lock`: how long a lock lasts unless it is renewed. 30 s. */
  lockTtlMs?: number;
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
  /** What a consumer that is not registered (a worker of the original's) has left pending for this long is taken over. 60 s. */
  autoclaimMinIdleMs?: number;
}

const { text, texts, flag, share, count, time } = CHECKS;

const pem: Check = (value) =>
  typeof value === 'string' || value instanceof Uint8Array ? undefined : 'PEM (text or bytes)';

const BUS: Record<keyof BusSettings, Check> = {
  connectTimeoutMs: time,
  responseTimeoutMs: time,
  publishTimeoutMs: time,
  dedupeWindowMs: time,
  waitReplicas: count,
  replicaTimeoutMs: time,
  strictServer: flag,
  virtualTime: flag,
  retention: text,
  cap: count,
  maxLen: count,
  trace: text,
  strictCap: flag,
  inlineBodies: flag,
  uncheckedEnvelopes: flag,
  rootCertificates: pem,
  clientCertificate: (value) =>
    isRecord(value) && pem(value.certificate) === undefined && pem(value.key) === undefined
      ? undefined
      : 'an object of `certificate` and `key`, both PEM (text or bytes)',
  maxBodyBytes: count,
  maxBodyDepth: count,
  inboundStream: text,
  outboundStreamPrefix: text,
  workerGroup: text,
  gatewayGroupPrefix: text,
  toolsStream: text,
  toolsGroup: text,
  toolsReplyPrefix: text,
  deadLetterStream: text,
  streamPrefix: text,
  toolsCatalogPrefix: text,
  toolsCatalogChannel: text,
  toolsServiceMode: text,
  toolsForceInProcess: texts,
  callName: text,
  callTimeoutMs: time,
  noWorkerAfterMs: time,
  memoTtlMs: time,
  replyTtlMs: time,
};

const CONSUMER: Record<keyof ConsumerSettings, Check> = {
  name: text,
  group: text,
  concurrency: count,
  prefetch: count,
  prefetchBytes: count,
  ordering: text,
  lockId: text,
  lockTtlMs: time,
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
  autoclaimMinIdleMs: time,
};

const LOCK: Record<keyof LockSettings, Check> = {
  ttlMs: time,
  autoRenew: flag,
  maxRenewals: count,
  abortOnLoss: flag,
  waitMs: time,
};

const LEASE: Record<keyof LeaseSettings, Check> = { ttlMs: time, waitMs: time };

const SINGLETON: Record<keyof SingletonSettings, Check> = {
  ttlMs: time,
  restart: text,
  maxRestarts: count,
  windowMs: time,
  backoffMs: time,
  maxBackoffMs: time,
};

/** What core calls a setting, and what it is called here. */
const NAMES = new Map<string, string>();
spell([BUS, CONSUMER, LOCK, SINGLETON].flatMap(Object.keys));

/** Has failures that are about these settings told in the words of this package. @internal */
export function spell(names: readonly string[]): void {
  for (const name of names) {
    NAMES.set(
      name.replace(/Ms$/, '').replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
      name,
    );
  }
}

/** A failure that is about a setting, in the words of this package. @internal */
export function spelled(failure: Failure): Failure {
  const at = failure.context.indexOf('setting');
  if (at < 0) return failure;
  const here = (text: string) => text.replace(/[a-z]+(?:_[a-z]+)+|^[a-z]+/g, (name) => NAMES.get(name) ?? name);
  const context = failure.context.map((text, i) => (i === at + 1 ? here(text) : text));
  return { ...failure, message: here(failure.message), context };
}

/** Settings of a bus, checked. @internal */
export function busSettings(settings: BusSettings): Native {
  const { rootCertificates: roots, clientCertificate: client, ...rest } = checked(settings, BUS);
  return {
    ...rest,
    ...(roots !== undefined && { rootCertificates: pemBytes(roots) }),
    ...(client !== undefined && {
      clientCertificate: { certificate: pemBytes(client.certificate), key: pemBytes(client.key) },
    }),
  };
}

/** Settings of a consumer, checked. @internal */
export function consumerSettings(settings: ConsumerSettings): ConsumerSettings {
  return checked(settings, CONSUMER);
}

/** Settings of a lock, checked. @internal */
export function lockSettings(settings: LockSettings): LockSettings {
  return checked(settings, LOCK);
}

/** Settings of a lease, checked. @internal */
export function leaseSettings(settings: LeaseSettings): LeaseSettings {
  return checked(settings, LEASE);
}

/** Settings of a singleton job, checked. @internal */
export function singletonSettings(settings: SingletonSettings): SingletonSettings {
  return checked(settings, SINGLETON);
}

function pemBytes(given: Pem): Uint8Array {
  return typeof given === 'string' ? Buffer.from(given) : given;
}
