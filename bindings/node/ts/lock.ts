/**
 * Locks and leases over the whole fleet: at most one holder at a time, as long as the server remembers.
 *
 * ```ts
 * await using bus = await connect('memory://demo');
 * await using held = await bus.lock('report', { ttlMs: 30_000 }).acquire();
 * await write({ signal: held.signal });              // aborted when the lock is lost
 * ```
 */

import * as native from '../native.cjs';
import { duration, maybeOptions, maybeSignal, needFunction } from './arguments.js';
import { decode } from './codec/decode.js';
import { errorOf, InternalError, type StargazerError } from './errors.js';
import { ask } from './link.js';
import { leaseSettings, lockSettings, spelled } from './settings.js';

/** How a lock is taken and kept. */
export interface LockSettings {
  /** How long it lasts unless it is renewed; 100 ms to 1 day. 30 s. */
  ttlMs?: number;
  /** Renew it after each third of `ttlMs` for as long as it is held. Yes. */
  autoRenew?: boolean;
  /** How often at most it is renewed by itself, so that an owner that is stuck does not keep it for ever. No limit. */
  maxRenewals?: number;
  /** Whether its loss aborts the signal of what holds it. Otherwise it is only told ({@link Lock.lost}). Yes. */
  abortOnLoss?: boolean;
  /** How long taking it waits for others, and for a server that cannot be reached. No limit. */
  waitMs?: number;
}

/** How a lease is taken and kept. */
export interface LeaseSettings {
  /** How long another process waits after a leader died; 100 ms to 1 day. 15 s. */
  ttlMs?: number;
  /** How long taking it waits for others, and for a server that cannot be reached. No limit. */
  waitMs?: number;
}

/** How one request waits. */
export interface WaitOptions {
  /** How long; `Infinity` for ever. What the settings say. */
  timeoutMs?: number;
  /** Aborting it ends the waiting, and leaves nothing taken. */
  signal?: AbortSignal;
}

/** What was taken: leaving the scope of an `await using` gives it up. */
export class Held {
  /** Aborted, with a `StaleError`, when it is lost: a fifth of its time before anybody else can have it. */
  readonly signal: AbortSignal;
  /** The fencing number of a lease: larger than those of all leaders before. 0 for a lock. */
  readonly fence: number;
  readonly #leave: () => Promise<void>;

  /** @internal */
  constructor(signal: AbortSignal, fence: number, leave: () => Promise<void>) {
    this.signal = signal;
    this.fence = fence;
    this.#leave = leave;
  }

  /** Gives it up; a server that cannot be reached lets it lapse. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#leave();
  }
}

/**
 * A lock. Re-entrant per object: what is taken twice is given up twice, whoever does it; others need an object of their
 * own.
 */
export class Lock {
  readonly #native: native.Lock;
  readonly #aborts: boolean;
  #watched: { token: string; signal: AbortSignal } | undefined;

  /** @internal */
  constructor(opened: native.Lock, aborts: boolean) {
    this.#native = opened;
    this.#aborts = aborts;
  }

  /** The key it stands under. */
  get key(): string {
    return this.#native.key;
  }

  /** Whether it is held. */
  get held(): boolean {
    return this.#native.held;
  }

  /** The token of what is held. */
  get token(): string | undefined {
    return this.#native.token ?? undefined;
  }

  /**
   * Takes it; waits for others as long as its settings say, or as told here. `TimeoutError` when somebody else held it all the
   * time, `UnavailableError` when the server could not be reached, `StaleError` when this object has lost it and did
   * not give it up yet.
   */
  async acquire(options: WaitOptions = {}): Promise<Held> {
    await taken(options, (token, asking, waitMs) => this.#native.acquire(token, asking, waitMs));
    return this.#held();
  }

  /** Takes it if nobody else holds it, in one attempt. */
  async tryAcquire(): Promise<Held | undefined> {
    const got = await taken({}, (token, asking) => this.#native.tryAcquire(token, asking));
    return got === true ? this.#held() : undefined;
  }

  /** Lets it last `ttlMs` from now; `false`: it is not held, or lost. After an error it is held as long as before. */
  async renew(): Promise<boolean> {
    return answered(await ask((token) => this.#native.renew(token))) as boolean;
  }

  /**
   * Gives it up, as often as it was taken; `false`: it was not ours any more. A server that does not answer is asked again for
   * 2 s; after an error the lock lapses by itself.
   */
  async release(): Promise<boolean> {
    return answered(await ask((token) => this.#native.release(token))) as boolean;
  }

  /** Waits for the end of what is held: why it was lost; nothing when it was given up, or is not held. */
  lost(): Promise<StargazerError | undefined> {
    return loss((token) => this.#native.lost(token));
  }

  /** Runs work while it is held. When it is lost, the signal is aborted; the work is waited for, then the error is `StaleError`. */
  async run<T>(work: (signal: AbortSignal) => Promise<T> | T): Promise<T> {
    needFunction(work, 'work');
    return during(await this.acquire(), (held) => work(held.signal));
  }

  #held(): Held {
    const token = this.token ?? '';
    if (this.#watched?.token !== token) {
      this.#watched = { token, signal: watched((number) => this.#native.lost(number), this.#aborts) };
    }
    return new Held(this.#watched.signal, 0, async () => {
      await ask((number) => this.#native.leave(number));
    });
  }
}

/** Leadership under a name: one leader in the fleet, renewed until it resigns. */
export class Lease {
  readonly #native: native.Lease;
  #watched: { fence: number; signal: AbortSignal } | undefined;

  /** @internal */
  constructor(opened: native.Lease) {
    this.#native = opened;
  }

  /** The fencing number for as long as it leads. */
  get fence(): number | undefined {
    return this.#native.fence ?? undefined;
  }

  /** Whether it leads. */
  get isLeader(): boolean {
    return this.fence !== undefined;
  }

  /**
   * Leads; waits for others as long as its settings say, or as told here. Who leads already gets its number again. `TimeoutError`
   * when somebody else led all the time, `UnavailableError` when the server could not be reached.
   */
  async acquire(options: WaitOptions = {}): Promise<Held> {
    const fence = await taken(options, (token, asking, waitMs) => this.#native.acquire(token, asking, waitMs));
    return this.#held(Number(fence));
  }

  /** Leads if nobody else does, in one attempt. */
  async tryAcquire(): Promise<Held | undefined> {
    const fence = await taken({}, (token, asking) => this.#native.tryAcquire(token, asking));
    return fence === null ? undefined : this.#held(Number(fence));
  }

  /** Lets somebody else lead, at once; `false`: it led no more. */
  async resign(): Promise<boolean> {
    return answered(await ask((token) => this.#native.resign(token))) as boolean;
  }

  /** Waits for the end of its leadership: why it was lost; nothing when it resigned, or does not lead. */
  lost(): Promise<StargazerError | undefined> {
    return loss((token) => this.#native.lost(token));
  }

  /** Runs work while it leads. When it is lost, the signal is aborted; the work is waited for, then the error is `StaleError`. */
  async run<T>(work: (fence: number, signal: AbortSignal) => Promise<T> | T): Promise<T> {
    needFunction(work, 'work');
    return during(await this.acquire(), (held) => work(held.fence, held.signal));
  }

  #held(fence: number): Held {
    if (this.#watched?.fence !== fence) {
      this.#watched = { fence, signal: watched((token) => this.#native.lost(token), true) };
    }
    return new Held(this.#watched.signal, fence, async () => {
      await ask((token) => this.#native.leave(token));
    });
  }
}

/** Work, and the loss instead of what it came to when it was told to end. */
async function during<T>(held: Held, work: (held: Held) => Promise<T> | T): Promise<T> {
  try {
    const result = await work(held);
    held.signal.throwIfAborted();
    return result;
  } catch (error) {
    held.signal.throwIfAborted();
    throw error;
  } finally {
    await held[Symbol.asyncDispose]();
  }
}

/** A signal that is aborted when what is held is lost. Waiting for that keeps no process alive. */
function watched(request: (token: number) => void, aborts: boolean): AbortSignal {
  const controller = new AbortController();
  loss(request).then((error) => {
    if (error !== undefined && aborts) controller.abort(error);
  });
  return controller.signal;
}

/** @internal */
export async function loss(request: (token: number) => void): Promise<StargazerError | undefined> {
  try {
    await ask(request, { idle: true });
    return undefined;
  } catch (error) {
    return error as StargazerError;
  }
}

/** What a request takes; given back if nobody waits for it any more. */
async function taken(
  options: WaitOptions,
  request: (token: number, asking: native.Asking, waitMs: number | undefined) => void,
): Promise<unknown> {
  const { timeoutMs, signal: given } = maybeOptions(options);
  const signal = maybeSignal(given);
  // Less than nothing is for ever.
  const waitMs = timeoutMs === Number.POSITIVE_INFINITY ? -1 : duration(timeoutMs, 'timeoutMs');
  signal?.throwIfAborted();
  const asking = new native.Asking();
  const giveUp = () => asking.giveUp();
  signal?.addEventListener('abort', giveUp, { once: true });
  try {
    return answered(await ask((token) => request(token, asking, waitMs)));
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  } finally {
    signal?.removeEventListener('abort', giveUp);
    signal?.throwIfAborted();
  }
}

/** @internal */
export function answered(reply: native.Reply): unknown {
  return reply.plain === undefined ? undefined : decode(reply.plain);
}

/** @internal */
export function refuse(failure: native.Failure | null): void {
  if (failure !== null) throw errorOf(spelled(failure));
}

/** @internal */
export function made<T>(found: native.Made, handle: T | null): T {
  refuse(found.failure());
  if (handle === null) throw new InternalError('a handle was not made');
  return handle;
}

/** @internal */
export function openLock(bus: native.Bus, name: string, ofChannel: boolean, settings: LockSettings): Lock {
  const { abortOnLoss = true, ...rest } = lockSettings(settings);
  const found = native.Made.ofLock(bus, name, ofChannel, rest);
  return new Lock(made(found, found.lock()), abortOnLoss);
}

/** @internal */
export function openLease(bus: native.Bus, name: string, settings: LeaseSettings): Lease {
  const found = native.Made.ofLease(bus, name, leaseSettings(settings));
  return new Lease(made(found, found.lease()));
}
