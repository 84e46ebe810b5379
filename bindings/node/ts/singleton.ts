/**
 * Jobs that run on one process of the fleet at a time.
 *
 * ```ts
 * const upkeep = bus.singleton('upkeep', { restart: 'on_error' });
 * await upkeep.run(async (fence, signal) => { ... });
 * ```
 */

import * as native from '../native.cjs';
import { needFunction } from './arguments.js';
import { ask } from './link.js';
import { answered, loss, made, refuse } from './lock.js';
import { singletonSettings } from './settings.js';

/**
 * The job. It is handed a fencing number, larger than those of all turns before on any process, and a signal that is aborted
 * when it must end: leadership is lost, or it was stopped.
 */
export type Job = (fence: number, signal: AbortSignal) => Promise<void> | void;

/** How a job is led and restarted. */
export interface SingletonSettings {
  /** How long another process waits after the one that ran the job died; 100 ms to 1 day. 15 s. */
  ttlMs?: number;
  /** Which ends are followed by another start. `on_error`. */
  restart?: 'never' | 'on_error' | 'always';
  /** Restarts within `windowMs` before it is given up here. 5. */
  maxRestarts?: number;
  /** How long a restart counts. 60 s. */
  windowMs?: number;
  /** The first pause before a restart, doubled by every restart that counts. 1 s. */
  backoffMs?: number;
  /** The longest pause. 30 s. */
  maxBackoffMs?: number;
}

/** How a singleton stands. */
export interface SingletonState {
  /**
   * `waiting` (another process leads, or it was not started yet), `running`, `pausing` (before a restart), `finished`,
   * `failed` (for good, or restarted too often), `stopped`.
   */
  readonly phase: 'waiting' | 'running' | 'pausing' | 'finished' | 'failed' | 'stopped';
  /** The number it leads under. */
  readonly fence?: number;
  /** Restarts so far. */
  readonly restarts: number;
  /** How the job failed last. */
  readonly error?: string;
}

/** A job's place in the fleet: whoever leads runs it, and its signal is aborted when leadership is lost. */
export class Singleton {
  readonly #native: native.Singleton;

  /** @internal */
  constructor(opened: native.Singleton) {
    this.#native = opened;
  }

  /** How it stands. */
  get state(): SingletonState {
    return this.#native.state as SingletonState;
  }

  /**
   * Ends its run: a job that runs is told by its signal, then it resigns. May be called twice. Before the first run it ends
   * that one at its start; after a run it does nothing, and the next run begins anew.
   */
  stop(): void {
    this.#native.stop();
  }

  /**
   * Runs the job whenever it leads, until the job is done or {@link stop} was called. A job that is told to end keeps the
   * lead until it has ended, but no longer than the lease lasts. Throws the job's last error when it failed for good, or too
   * often. After its end it may be run again, as if for the first time.
   *
   * @throws ConflictError it runs already.
   * @throws InvalidError the job is no function.
   */
  async run(job: Job): Promise<void> {
    needFunction(job, 'job');
    refuse(this.#native.begin());
    let failure: { error: unknown } | undefined;
    try {
      for (let fence = await this.#next(); fence !== undefined; fence = await this.#next()) {
        failure = (await this.#turn(fence, job)) ?? failure;
      }
    } catch (error) {
      // Whoever ran it does not any more.
      this.stop();
      await this.#next();
      throw error;
    }
    if (failure !== undefined && this.state.phase === 'failed') throw failure.error;
  }

  async #next(): Promise<number | undefined> {
    const fence = answered(await ask((token) => this.#native.next(token)));
    return fence === null ? undefined : Number(fence);
  }

  /** One turn; the error that it ended with. */
  async #turn(fence: number, job: Job): Promise<{ error: unknown } | undefined> {
    const controller = new AbortController();
    loss((token) => this.#native.lost(token)).then((error) => controller.abort(error));
    try {
      await job(fence, controller.signal);
    } catch (error) {
      // What ended because it was told to is neither done nor failed.
      if (controller.signal.aborted) {
        this.#native.cancelled();
        return undefined;
      }
      this.#native.failed(told(error));
      return { error };
    }
    if (controller.signal.aborted) this.#native.cancelled();
    else this.#native.done();
    return undefined;
  }
}

/** Whatever was thrown, as text. */
function told(error: unknown): string {
  try {
    return (error instanceof Error ? `${error.name}: ${error.message}` : String(error)).toWellFormed();
  } catch {
    return 'the job failed with something that has no text';
  }
}

/** @internal */
export function openSingleton(bus: native.Bus, name: string, settings: SingletonSettings): Singleton {
  const found = native.Made.ofSingleton(bus, name, singletonSettings(settings));
  return new Singleton(made(found, found.singleton()));
}
