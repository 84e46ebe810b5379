/**
 * What stands between the native consumer and its users: deliveries come over in batches and are given out as they are
 * asked for, outcomes are gathered and go back in batches.
 *
 * A batch is pulled only while somebody waits. Outcomes leave when enough have gathered, before anybody waits for the
 * next batch, and at the latest when this turn of the event loop ends.
 */

import type { ConsumerSettings, Deliveries, Consumer as Native, Reply, Settle } from '../native.cjs';
import type { Clock } from './clock.js';
import { decode } from './codec/decode.js';
import { Delivery, type Holder, type Settlement } from './delivery.js';
import type { Reading } from './envelope/read.js';
import { ClosedError, errorOf, TimeoutError } from './errors.js';
import { ask, hold, offCancelled, onCancelled, onNotices, port, unhold } from './link.js';
import { type Notice, Notices } from './notice.js';
import { Publisher } from './publisher.js';

/** Asks for a consumer, under a number. */
export type Opening = (token: number, settings: ConsumerSettings) => void;

/** Outcomes are sent at once when so many have gathered. */
const ENOUGH = 32;
/** The most deliveries of one batch. */
const BATCH = 1024;

/** A time limit over several waits. */
export class Limit {
  readonly #wholeMs: number;
  readonly #clock: Clock;
  readonly #end: number;

  /** It begins now. */
  constructor(wholeMs: number, clock: Clock) {
    this.#wholeMs = wholeMs;
    this.#clock = clock;
    this.#end = clock.now() + wholeMs;
  }

  /** What is left of it. */
  get leftMs(): number {
    return this.#end - this.#clock.now();
  }

  /** Calls at its end; what it gives takes that back. */
  wait(late: () => void): () => void {
    return this.#clock.after(Math.max(0, this.leftMs), late);
  }

  /** What it ends with: it names the whole, whatever was left. */
  late(): TimeoutError {
    return new TimeoutError(`no entry came within ${this.#wholeMs} ms`);
  }
}

/** Somebody who waits for deliveries. */
interface Taker<T> {
  readonly max: number;
  resolve(deliveries: Delivery<T>[]): void;
  reject(error: unknown): void;
  /** Stops its timer and listener. */
  settled(): void;
}

/** The native consumer and what is on its way from and to it. */
export class Intake<T> implements Holder {
  readonly #native: Native;
  readonly #number: number;
  readonly #read: Reading<T>;
  /** Came over and was not given out yet; from `#next` on. */
  #ready: Delivery<T>[] = [];
  #next = 0;
  /** Came over and is not settled. */
  readonly #held = new Map<number, Delivery<T>>();
  readonly #takers: Taker<T>[] = [];
  #pulling = false;
  #ended = false;
  #done: number[] = [];
  #others: Settle[] = [];
  #turn: NodeJS.Immediate | undefined;
  /** Those who read notices. */
  readonly #listeners = new Set<Notices>();
  #told = false;
  /** What went wrong and nobody was told yet. */
  readonly #trouble: unknown[] = [];

  private constructor(native: Native, number: number, read: Reading<T>) {
    this.#native = native;
    this.#number = number;
    this.#read = read;
    onCancelled(number, (deliveries) => {
      for (const delivery of deliveries) this.#held.get(delivery)?.cancel();
      // What nobody has seen yet is given to nobody.
      this.#ready = this.#ready.slice(this.#next).filter((delivery) => wanted(delivery));
      this.#next = 0;
    });
    onNotices(number, (words) => {
      if (words === undefined) this.#told = true;
      for (const notices of this.#listeners) {
        if (words === undefined) notices.end();
        else notices.add(words);
      }
    });
  }

  /** What happens besides deliveries, from here on. */
  async *notices(): AsyncGenerator<Notice, void> {
    const notices = new Notices();
    if (this.#told) return;
    this.#listeners.add(notices);
    try {
      yield* notices.read();
    } finally {
      this.#listeners.delete(notices);
    }
  }

  /** Joins the group. */
  static async open<T>(opening: Opening, settings: ConsumerSettings, read: Reading<T>): Promise<Intake<T>> {
    let number = 0;
    await ask((token) => {
      number = token;
      opening(token, settings);
    });
    const native = port.takeConsumer(number);
    if (native === null) throw new ClosedError('this consumer was closed while it opened');
    return new Intake(native, number, read);
  }

  /** The stream it reads. */
  get stream(): string {
    return this.#native.stream;
  }

  /**
   * Takes at least one delivery and at most `max`; none once it has ended or `enough` was aborted. `TimeoutError` when
   * nothing came in time. Trouble of earlier outcomes comes up here.
   */
  take(max: number, limit?: Limit, enough?: AbortSignal): Promise<Delivery<T>[]> {
    if (this.#trouble.length > 0) return Promise.reject(this.#trouble.shift());
    if (this.#next < this.#ready.length) return Promise.resolve(this.#give(max));
    if (this.#ended || enough?.aborted) return Promise.resolve([]);
    return new Promise((resolve, reject) => {
      const quit = () => this.#quit(taker);
      const inTime = limit?.wait(() => this.#quit(taker, limit.late()));
      enough?.addEventListener('abort', quit, { once: true });
      const settled = () => {
        inTime?.();
        enough?.removeEventListener('abort', quit);
        unhold();
      };
      const taker: Taker<T> = { max, resolve, reject, settled };
      hold();
      this.#takers.push(taker);
      this.#pull();
    });
  }

  /** Says that a delivery is about to be run; whether it may be. */
  beginNow(number: number): boolean {
    return this.#native.beginNow(number);
  }

  /** The same for a suspect, whose start is written down first. */
  async begin(number: number): Promise<boolean> {
    const { plain } = await ask((token) => this.#native.begin(token, number));
    return plain !== undefined && decode(plain) === true;
  }

  /** Gathers an outcome. */
  settle(number: number, outcome: Settlement): void {
    this.#held.delete(number);
    const { kind, afterMs, reason } = outcome;
    if (kind === 'ack') this.#done.push(number);
    else
      this.#others.push({
        number,
        kind,
        ...(afterMs !== undefined && { afterMs }),
        ...(reason !== undefined && { reason }),
      });
    if (this.#done.length + this.#others.length >= ENOUGH) this.flush();
    else this.#turn ??= setImmediate(() => this.flush());
  }

  /** Sends what has gathered. */
  flush(): void {
    clearImmediate(this.#turn);
    this.#turn = undefined;
    if (this.#done.length === 0 && this.#others.length === 0) return;
    const failure = this.#native.settle(Uint32Array.from(this.#done), this.#others);
    this.#done = [];
    this.#others = [];
    if (failure !== null) this.#trouble.push(errorOf(failure));
  }

  /** What publishes under the fence of a delivery. */
  fenced(number: number): Publisher | undefined {
    const publisher = this.#native.fenced(number);
    return publisher === null ? undefined : new Publisher(publisher);
  }

  /** A field of an entry as it came. */
  field(number: number, name: string): Buffer | undefined {
    return this.#native.field(number, name) ?? undefined;
  }

  /** Resolves when nothing is left to do. */
  async idle(): Promise<void> {
    this.flush();
    await ask((token) => this.#native.idle(token));
  }

  /** Ends it; what is in hand gets the drain time, or this one. */
  async close(drainMs?: number): Promise<void> {
    this.#ended = true;
    // Closing at once gives them back by itself; handlers that still run must not keep them waiting.
    if (drainMs !== 0) for (const delivery of this.#ready.slice(this.#next)) void delivery.release();
    this.#ready = [];
    this.#next = 0;
    this.flush();
    this.#serve();
    try {
      await ask((token) => this.#native.close(token, drainMs));
    } finally {
      offCancelled(this.#number);
    }
    if (this.#trouble.length > 0) throw this.#trouble.shift();
  }

  #pull(): void {
    if (this.#pulling || this.#ended || this.#takers.length === 0) return;
    this.#pulling = true;
    this.flush();
    // Those who take keep the process alive, not the pull.
    const pull = ask((token) => this.#native.pull(token, BATCH), { idle: true });
    pull.then(
      (reply) => this.#pulled(reply),
      (error) => this.#pulled(undefined, error),
    );
  }

  #pulled(reply: Reply | undefined, error?: unknown): void {
    this.#pulling = false;
    const deliveries = reply?.deliveries;
    if (error !== undefined) this.#trouble.push(error);
    else if (deliveries?.marks.length === 0) this.#ended = true;
    else if (deliveries !== undefined) this.#add(deliveries);
    this.#serve();
    this.#pull();
  }

  #add({ bytes, marks }: Deliveries): void {
    let start = 0;
    for (let at = 0; at < marks.length; at += 4) {
      const delivery = new Delivery<T>(this, this.#read, bytes, start, marks, at);
      start = marks[at + 3] as number;
      this.#held.set(delivery.number, delivery);
      // Closed while it was on its way.
      if (this.#ended) void delivery.release();
      else if (wanted(delivery)) this.#ready.push(delivery);
    }
  }

  /** Gives those who wait what there is. */
  #serve(): void {
    while (this.#takers.length > 0) {
      const taker = this.#takers[0] as Taker<T>;
      if (this.#trouble.length > 0) this.#quit(taker, this.#trouble.shift());
      else if (this.#next < this.#ready.length) this.#quit(taker, undefined, this.#give(taker.max));
      else if (this.#ended) this.#quit(taker);
      else return;
    }
  }

  #give(max: number): Delivery<T>[] {
    const given = this.#ready.slice(this.#next, this.#next + max);
    this.#next += given.length;
    if (this.#next === this.#ready.length) {
      this.#ready = [];
      this.#next = 0;
    }
    return given;
  }

  /** Lets somebody go who waits: with an error, with deliveries, or with none. */
  #quit(taker: Taker<T>, error?: unknown, deliveries: Delivery<T>[] = []): void {
    this.#takers.splice(this.#takers.indexOf(taker), 1);
    taker.settled();
    if (error === undefined) taker.resolve(deliveries);
    else taker.reject(error);
    if (this.#pulling && this.#takers.length === 0) this.#native.enough();
  }
}

/** Whether it may still be given out; one that should end before it began is given back. */
function wanted<T>(delivery: Delivery<T>): boolean {
  if (delivery.cancelled) void delivery.release();
  return !delivery.cancelled;
}
