/** A delivery: an entry in a handler's hands, with the power to settle it. */

import { needText } from './arguments.js';
import { decode } from './codec/decode.js';
import type { Reading } from './envelope/read.js';
import { ClosedError, InvalidError, MalformedError, StaleError } from './errors.js';
import { Outcome, textOf } from './outcome.js';
import type { Publisher } from './publisher.js';

/** An outcome, or what becomes of a body that its reader refuses. @internal */
export type Settlement = Pick<Outcome, 'afterMs' | 'reason'> & { readonly kind: Outcome['kind'] | 'refuse' };

/** What a delivery needs of the consumer it came from. @internal */
export interface Holder {
  readonly stream: string;
  settle(number: number, outcome: Settlement): void;
  begin(number: number): Promise<boolean>;
  beginNow(number: number): boolean;
  fenced(number: number): Publisher | undefined;
  field(number: number, name: string): Buffer | undefined;
}

/**
 * An entry handed out by a consumer.
 *
 * Settle it once; the first outcome counts. Until then the consumer holds it: its lane waits and a slot is taken.
 * Outcomes are collected and leave with the next burst; what is wrong with one comes up at the consumer's next `next`,
 * or at `close`.
 */
export class Delivery<T = unknown> {
  readonly #holder: Holder;
  readonly #number: number;
  readonly #read: Reading<T>;
  readonly #bytes: Buffer;
  readonly #start: number;
  readonly #body: number;
  readonly #end: number;
  /** Which start of the entry this is, from 1. */
  readonly attempt: number;
  /** Whether the entry was, or may have been, handed to a handler before. */
  readonly redelivered: boolean;
  #head: Head | undefined;
  #data: { readonly value: T } | undefined;
  #abort: AbortController | undefined;
  readonly #suspect: boolean;
  #cancelled: boolean;
  #settled = false;
  #bus: Publisher | undefined;

  /** @internal */
  constructor(holder: Holder, read: Reading<T>, bytes: Buffer, start: number, marks: Uint32Array, at: number) {
    const flags = marks[at + 1] as number;
    this.#holder = holder;
    this.#read = read;
    this.#bytes = bytes;
    this.#start = start;
    this.#number = marks[at] as number;
    this.attempt = flags >>> 3;
    this.redelivered = (flags & 1) === 1;
    this.#cancelled = (flags & 2) === 2;
    this.#suspect = (flags & 4) === 4;
    this.#body = marks[at + 2] as number;
    this.#end = marks[at + 3] as number;
  }

  /** The entry's id. */
  get id(): string {
    return this.#heads()[0];
  }

  /** The stream it came from. */
  get stream(): string {
    return this.#holder.stream;
  }

  /** Its lane; `undefined` when it has none. */
  get lane(): string | undefined {
    return this.#heads()[1] ?? undefined;
  }

  /** The trace id, `''` when there is none. */
  get traceId(): string {
    return this.#heads()[2];
  }

  /** The message id it was published under. */
  get messageId(): string | undefined {
    return this.#heads()[3] ?? undefined;
  }

  /** W3C `traceparent`, if it was published with one. */
  get traceparent(): string | undefined {
    return this.#heads()[5] ?? undefined;
  }

  /** W3C `tracestate`, if it was published with one. */
  get tracestate(): string | undefined {
    return this.#heads()[6] ?? undefined;
  }

  /** How often the entry was put back from the dead letters; attempts are counted anew each time. */
  get replays(): number {
    return this.#heads()[4];
  }

  /** The msgpack bytes of the body; empty when the entry has none. */
  get raw(): Buffer {
    return this.#bytes.subarray(this.#body, this.#end);
  }

  /**
   * The body, decoded at the first look, or as the consumer's `body` reads it. `MalformedError` when the entry has none.
   */
  get data(): T {
    this.#data ??= { value: this.#read(this.raw) };
    return this.#data.value;
  }

  /** A field of the entry as it came, such as `tp`; `undefined` when it is not there, or the delivery is settled. */
  field(name: string): Buffer | undefined {
    return this.#holder.field(this.#number, needText(name, 'name'));
  }

  /** Whether the handler should end, see {@link signal}. */
  get cancelled(): boolean {
    return this.#cancelled;
  }

  /**
   * Aborted when the handler should end: the work has, or may have, gone to another consumer (`StaleError`), it ran
   * longer than `handlerTimeoutMs`, or the consumer closes. What the handler reports then is still heard; where the
   * work has gone, it is refused.
   */
  get signal(): AbortSignal {
    this.#abort ??= new AbortController();
    if (this.#cancelled && !this.#abort.signal.aborted) this.#abort.abort(ended());
    return this.#abort.signal;
  }

  /**
   * The bus as this delivery may use it: what is published through it is refused with `StaleError` once the delivery is
   * no longer ours. To be taken before the delivery is settled.
   */
  get bus(): Publisher {
    if (this.#bus === undefined) {
      this.#bus = this.#settled ? undefined : this.#holder.fenced(this.#number);
      if (this.#bus === undefined) throw new ClosedError('this delivery is settled; take its `bus` before settling it');
    }
    return this.#bus;
  }

  /** Done. */
  ack(): Promise<void> {
    return this.settle(Outcome.ack());
  }

  /** Again later: after this time, or by the back-off. Counts as an attempt. */
  async retry(options: { afterMs?: number; reason?: string } = {}): Promise<void> {
    await this.settle(Outcome.retry(options));
  }

  /** To the dead letters, with this reason. */
  async reject(reason: string): Promise<void> {
    await this.settle(Outcome.reject(reason));
  }

  /** Given back, not counted as an attempt. */
  release(): Promise<void> {
    return this.settle(Outcome.release());
  }

  /** Reports an outcome; later ones of the same delivery are ignored. */
  settle(outcome: Outcome): Promise<void> {
    if (!(outcome instanceof Outcome)) {
      return Promise.reject(new InvalidError('an outcome is made by Outcome', { context: { field: 'outcome' } }));
    }
    if (!this.#settled) {
      this.#settled = true;
      // What was published through it stands before its outcome.
      this.#bus?.flush();
      this.#holder.settle(this.#number, outcome);
    }
    return Promise.resolve();
  }

  /** @internal */
  get number(): number {
    return this.#number;
  }

  /**
   * Said when it is about to be run; `false`: it must not be, and was given back. A promise only for those that may have
   * killed their process: the start of these is written down first.
   *
   * @internal
   */
  begin(): Promise<boolean> | boolean {
    return this.#suspect ? this.#begun() : this.#go(this.#holder.beginNow(this.#number));
  }

  async #begun(): Promise<boolean> {
    return this.#go(await this.#holder.begin(this.#number));
  }

  #go(go: boolean): boolean {
    if (!go) void this.release();
    return go;
  }

  /**
   * Whether the body is what is expected of it; where not, it has gone to the dead letters. `atOnce`: also one without a schema is
   * looked at now.
   *
   * @internal
   */
  fits(atOnce: boolean): boolean | Promise<boolean> {
    const { fit } = this.#read;
    try {
      if (fit === undefined) {
        if (atOnce) this.#data ??= { value: this.#read(this.raw) };
        return true;
      }
      const found = fit(this.raw);
      if (!(found instanceof Promise)) return this.#fitted(found);
      return found.then(
        (value) => this.#fitted(value),
        (error: unknown) => this.#misfits(error),
      );
    } catch (error) {
      return this.#misfits(error);
    }
  }

  #fitted(value: T): boolean {
    this.#data = { value };
    return true;
  }

  #misfits(error: unknown): boolean {
    const reason = error instanceof MalformedError ? error.message : textOf(error);
    process.emitWarning(
      `<Delivery ${this.id} of ${this.stream}, attempt ${this.attempt}> goes to the dead letters: its body does not fit`,
      { type: 'StargazerWarning', code: 'STARGAZER_BODY_REFUSED', detail: reason },
    );
    if (!this.#settled) {
      this.#settled = true;
      this.#holder.settle(this.#number, { kind: 'refuse', afterMs: undefined, reason: reason.toWellFormed() });
    }
    return false;
  }

  /** @internal */
  cancel(): void {
    this.#cancelled = true;
    if (this.#abort !== undefined && !this.#abort.signal.aborted) this.#abort.abort(ended());
  }

  #heads(): Head {
    this.#head ??= decode(this.#bytes.subarray(this.#start, this.#body)) as Head;
    return this.#head;
  }
}

/** Id, lane, trace id, message id, replays, traceparent, tracestate. */
type Head = readonly [string, string | null, string, string | null, number, string | null, string | null];

function ended(): StaleError {
  return new StaleError('this delivery should end: its lease is lost, its time is over, or its consumer closes');
}
