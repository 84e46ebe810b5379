/** Consumers: readers of a group, by pull or with a handler. All policy is core's. */

import { duration, maybeOptions, needCount } from './arguments.js';
import type { Clock } from './clock.js';
import type { Delivery } from './delivery.js';
import type { Reading } from './envelope/read.js';
import { ClosedError, InvalidError } from './errors.js';
import { Intake, Limit, type Opening } from './intake.js';
import { hold, unhold } from './link.js';
import type { Notice } from './notice.js';
import { checkRun, type Handler, type RunOptions, run } from './run.js';
import { type ConsumerSettings, consumerSettings } from './settings.js';
import { closing } from './time.js';

/**
 * A reader of a group. Iterate over it, pull from it, or give it a handler:
 *
 * ```ts
 * for await (const d of bus.consumeOutbound('web')) {
 *   console.log(d.data.text);
 *   await d.ack();
 * }
 * ```
 *
 * It joins its group at first use. Leaving the loop closes it and releases what is in hand. Close it, or its bus, before
 * the process ends: the last outcomes may not have left otherwise, and what is in hand waits for a lease to run out.
 */
export class Consumer<T = unknown> implements AsyncIterableIterator<Delivery<T>> {
  readonly #opening: Opening;
  readonly #read: Reading<T>;
  readonly #clock: Clock;
  readonly #closed: (consumer: Consumer<T>) => void;
  #settings: ConsumerSettings;
  #intake: Promise<Intake<T>> | undefined;
  #running = false;
  #closing: Promise<void> | undefined;

  /** @internal */
  constructor(
    opening: Opening,
    read: Reading<T>,
    settings: ConsumerSettings,
    clock: Clock,
    closed: (consumer: Consumer<T>) => void,
  ) {
    consumerSettings(settings);
    this.#clock = clock;
    this.#opening = opening;
    this.#read = read;
    this.#closed = closed;
    this.#settings = settings;
  }

  /**
   * Joins the group, which is made when missing. Done by itself at first use; by hand it tells early what is wrong:
   * `ConflictError` when the group runs under other settings, `InvalidError` for settings out of range.
   */
  async open(): Promise<this> {
    await this.#open();
    return this;
  }

  /**
   * The next delivery; done once the consumer is closed. `TimeoutError` when nothing came within `timeoutMs`. Also the
   * place where trouble of earlier outcomes comes up: `StaleError` when one was refused because the work had gone to
   * another consumer.
   */
  async next(options: { timeoutMs?: number } = {}): Promise<IteratorResult<Delivery<T>, undefined>> {
    const [delivery] = await this.#pull(1, maybeOptions(options).timeoutMs);
    return delivery === undefined ? { done: true, value: undefined } : { done: false, value: delivery };
  }

  /** Waits for at least one delivery and gives what is there, at most `n`; empty once the consumer is closed. */
  async nextBatch(n: number, options: { timeoutMs?: number } = {}): Promise<Delivery<T>[]> {
    if (needCount(n, 'n') < 1) {
      throw new InvalidError('a batch has at least 1 delivery, not 0', { context: { field: 'n' } });
    }
    return this.#pull(n, maybeOptions(options).timeoutMs);
  }

  /** Ends an iteration: {@link close}. */
  async return(): Promise<IteratorResult<Delivery<T>, undefined>> {
    await this.close();
    return { done: true, value: undefined };
  }

  /** Itself. */
  [Symbol.asyncIterator](): this {
    return this;
  }

  /** {@link close}. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /**
   * Runs the handler for every delivery, as many at a time as `concurrency`, until the consumer is closed, the signal is
   * aborted, or, with `untilIdle`, nothing is left to do. Resolves when the last handler has ended.
   *
   * A body that does not fit what the consumer reads, or that is not there, goes to the dead letters with the reason `malformed`,
   * and no handler sees it. Handlers run in a copy of the context in which this was called (`AsyncLocalStorage`).
   *
   * What the handler returns is the outcome: nothing is ack, an {@link Outcome} is itself. Throwing is retry with the
   * error's text, throwing {@link Reject} sends to the dead letters. Anything else returned is an `InvalidError` at the
   * first message, which is given back.
   *
   * A handler cannot be ended from outside: one that should end (`delivery.signal`) and goes on keeps its lane waiting.
   */
  async run(handler: Handler<T>, options: RunOptions = {}): Promise<void> {
    checkRun(handler, options);
    this.#notRunning();
    const { concurrency } = options;
    if (concurrency !== undefined && this.#intake === undefined) {
      consumerSettings({ concurrency });
      this.#settings = { ...this.#settings, concurrency };
    }
    this.#running = true;
    hold();
    try {
      const intake = await this.#open();
      const take = (max: number, enough: AbortSignal) => intake.take(max, undefined, enough);
      await run({ take, idle: () => intake.idle() }, handler, options);
      intake.flush();
    } finally {
      unhold();
      this.#running = false;
    }
  }

  /**
   * What happens besides deliveries: `for await (const notice of consumer.notices())`, from the first step on until the
   * consumer is closed. Who reads too slowly misses the oldest and gets a notice `missed`. Does not keep the process alive.
   */
  async *notices(): AsyncGenerator<Notice, void> {
    if (this.#closing !== undefined && this.#intake === undefined) return;
    const intake = await (this.#intake ?? this.#open());
    yield* intake.notices();
  }

  /**
   * Ends it: nothing new is handed out; handlers of a `run` get `drainTimeoutMs`, what is in hand otherwise is released
   * for immediate pick-up by others. Trouble that could not be told before comes up here. Settles within `timeoutMs` (60 s): `TimeoutError` then, while closing goes
   * on. May be called twice.
   */
  close(options: { timeoutMs?: number } = {}): Promise<void> {
    return closing(() => this.#close(), options, 'the consumer did not close');
  }

  async #pull(n: number, timeoutMs: number | undefined): Promise<Delivery<T>[]> {
    this.#notRunning();
    const limitMs = duration(timeoutMs, 'timeoutMs');
    // A closed one has nothing more to give, and says so as often as it is asked.
    if (this.#closing !== undefined && this.#intake === undefined) return [];
    const intake = await (this.#intake ?? this.#open());
    // What came and did not fit does not begin the time anew.
    const limit = limitMs === undefined ? undefined : new Limit(limitMs, this.#clock);
    while (true) {
      const taken = await intake.take(n, limit);
      const given = await handed(taken);
      if (given.length > 0 || taken.length === 0) return given;
      if (limit !== undefined && limit.leftMs <= 0) throw limit.late();
    }
  }

  #open(): Promise<Intake<T>> {
    if (this.#closing !== undefined) return Promise.reject(new ClosedError('this consumer is closed; open a new one'));
    if (this.#intake === undefined) {
      this.#intake = Intake.open(this.#opening, consumerSettings(this.#settings), this.#read);
      // One that could not be opened may be tried again.
      this.#intake.catch(() => {
        this.#intake = undefined;
      });
    }
    return this.#intake;
  }

  #close(): Promise<void> {
    this.#closing ??= this.#end();
    return this.#closing;
  }

  async #end(): Promise<void> {
    const drainMs = this.#running ? undefined : 0;
    // Whoever opened it was told why it could not be.
    const intake = await this.#intake?.catch(() => undefined);
    try {
      await intake?.close(drainMs);
    } finally {
      this.#closed(this);
    }
  }

  #notRunning(): void {
    if (this.#running) {
      throw new InvalidError('this consumer runs a handler, which takes every delivery', {
        context: { field: 'handler' },
      });
    }
  }
}

/** Those that may be handed out: begun, and with a body that fits. */
async function handed<T>(taken: Delivery<T>[]): Promise<Delivery<T>[]> {
  const may = await Promise.all(taken.map(async (delivery) => (await delivery.begin()) && delivery.fits(false)));
  return taken.filter((_, at) => may[at]);
}
