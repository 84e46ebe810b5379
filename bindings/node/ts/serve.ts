/** Serving calls: handlers by name, run on the thread that opened the server. */

import type * as native from '../native.cjs';
import { checkedOptions, duration, maybeOptions, needFunction, needRecord, needText } from './arguments.js';
import type { Identity } from './calls.js';
import type { Clock } from './clock.js';
import { decode } from './codec/decode.js';
import { dismissRunner, type Errand, type ErrandRunner, enlistRunner, Parts } from './errands.js';
import { ClosedError, errorOf } from './errors.js';
import { ask, hold, port, unhold } from './link.js';
import { Publisher } from './publisher.js';

/** A call that is to be run. */
export class Request<Args = Readonly<Record<string, unknown>>> {
  readonly #id: number;
  readonly #clock: Clock;
  readonly #until: number | undefined;
  #bus: Publisher | undefined;
  /** The name that was called. */
  readonly name: string;
  /** The arguments by name. */
  readonly arguments: Args;
  /** Whose message the call is made for. */
  readonly identity: Identity;
  /** Trace id, `''` for none. */
  readonly traceId: string;
  /** W3C `traceparent`, as the request has it. */
  readonly traceparent: string | null;
  /** W3C `tracestate`, as the request has it. */
  readonly tracestate: string | null;
  /** What the reply names, so that the caller finds it. */
  readonly correlationId: string;
  /** Which start of this call it is, from 1. */
  readonly attempt: number;
  /**
   * Aborted when it is to end: the caller cancelled, its time is over, or the server closes. Its reason is a
   * `CancelledError` whose context has the `reason`: `caller`, `deadline`, `timeout` or `abandoned`.
   */
  readonly signal: AbortSignal;

  /** @internal */
  constructor(errand: Errand) {
    const { name, arguments: args, trace_id, correlation_id, attempt, time_left, ...others } = errand.arguments;
    const { traceparent, tracestate, ...identity } = others;
    this.#id = errand.id;
    this.#clock = errand.clock;
    this.#until = typeof time_left === 'number' ? errand.clock.now() + time_left * 1000 : undefined;
    this.name = name as string;
    this.arguments = args as Args;
    this.identity = identity;
    this.traceId = trace_id as string;
    this.traceparent = traceparent as string | null;
    this.tracestate = tracestate as string | null;
    this.correlationId = correlation_id as string;
    this.attempt = attempt as number;
    this.signal = errand.signal;
  }

  /** How long somebody still waits for the answer; `undefined` without a deadline. */
  get timeLeftMs(): number | undefined {
    return this.#until === undefined ? undefined : Math.max(0, this.#until - this.#clock.now());
  }

  /**
   * The bus as this call may use it: fenced, so that a server which lost the call can do nothing in its name; calls made
   * through it have no more time than this one, and are remembered with it. To be taken before the handler has ended.
   */
  get bus(): Publisher {
    if (this.#bus === undefined) {
      const publisher = port.takePublisher(this.#id);
      if (publisher === null) throw new ClosedError('this call has ended; take its `bus` before');
      this.#bus = new Publisher(publisher);
    }
    return this.#bus;
  }
}

/** What a call gave: a result, and what is merged into the caller's context. */
export class Reply {
  /** The result. */
  readonly result: unknown;
  /** `sent_files` (media as raw bytes), `injected_tools`, `sent_rich_messages`. */
  readonly writeback: Readonly<Record<string, unknown>>;

  /** A result, and what is written back. */
  constructor(result: unknown, options: { writeback?: Readonly<Record<string, unknown>> } = {}) {
    this.result = result;
    this.writeback = needRecord(maybeOptions(options).writeback ?? {}, 'writeback');
  }
}

/**
 * What runs calls. What it resolves to is the result, or a {@link Reply}. What it throws is the caller's `RemoteError`: its
 * code the name of the class, or that of a {@link Failure}.
 */
export type CallHandler = (request: Request) => unknown;

/** How calls of one name are run. */
export interface HandlerOptions {
  /** Calls of this name at the same time in this process, at least 1; no limit but the server's by default. */
  concurrency?: number;
  /** How long one call may run; the caller then gets `RemoteError` with the code `timeout`. */
  timeoutMs?: number;
  /** How long a handler may take to end after it was told to. 500 ms. */
  cancelGraceMs?: number;
}

/** How calls are served. */
export interface ServeSettings {
  /** A service of its own instead of the shared one: servers that do not serve the same names must not share one. */
  service?: string;
  /** First part of its identity, for people who look. `tools`. */
  name?: string;
  /** Calls at the same time, those included that wait for the turn of their name. 256. */
  concurrency?: number;
  /** How often a request may be started before it goes to the dead letters, should it kill the process. 3. */
  maxAttempts?: number;
  /** Lease of its requests. 15 s. */
  leaseMs?: number;
  /** How quickly the end of a lease is noticed. A third of the lease. */
  sweepMs?: number;
  /** How long running calls may go on when it closes. 20 s. */
  drainTimeoutMs?: number;
}

/** What a server has done under one name. */
export interface HandlerFigures {
  /** Calls that run. */
  readonly running: number;
  /** Calls that wait for their turn. */
  readonly waiting: number;
  /** Calls that may run at the same time. */
  readonly capacity: number;
  /** Calls that gave a result. */
  readonly succeeded: number;
  /** Calls that failed or ran too long. */
  readonly failed: number;
  /** Calls whose deadline passed before they ran. */
  readonly expired: number;
  /** Calls that were cancelled. */
  readonly cancelled: number;
  /** Calls answered with what was remembered. */
  readonly remembered: number;
  /** How long half of the last 256 calls took at most; 0 before the first. */
  readonly p50Ms: number;
  /** How long 95 % of them took at most. */
  readonly p95Ms: number;
}

/** What a server has done so far, all names together. */
export interface Figures {
  /** Requests that named a reply stream which is none: dead-lettered unrun. */
  readonly rejected: number;
  /** Requests for a name that is not served. */
  readonly unknown: number;
  /** Requests that had been answered before they came again. */
  readonly duplicates: number;
  /** Answers that could not be stored before the deadline. */
  readonly unanswered: number;
  /** By name. */
  readonly handlers: Readonly<Record<string, HandlerFigures>>;
}

const SETTINGS = {
  service: 'text',
  name: 'text',
  concurrency: 'count',
  maxAttempts: 'count',
  leaseMs: 'time',
  sweepMs: 'time',
  drainTimeoutMs: 'time',
} as const;

const HANDLER = { concurrency: 'count', timeoutMs: 'time', cancelGraceMs: 'time' } as const;

/** What serves: it opens by itself, and keeps the process alive until it is closed. */
export abstract class Served<Native extends { close(token: number, drainTimeoutMs?: number): void }> {
  readonly #clock: Clock;
  readonly #numbers: number[] = [];
  #opening: Promise<Native> | undefined;
  #native: Native | undefined;
  #closing: Promise<void> | undefined;
  #closed: () => void = () => {};

  /** @internal */
  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Has it told that it is closed, or was never open. @internal */
  onClosed(listener: () => void): void {
    this.#closed = listener;
  }

  /** Opens it; {@link ready} is told when it is. */
  protected open(request: (token: number) => void, take: (token: number) => Native | null, what: string): void {
    hold();
    let number = 0;
    this.#opening = ask((token) => {
      number = token;
      request(token);
    }).then(() => {
      const native = take(number);
      if (native === null) throw new ClosedError(`this ${what} was closed while it opened`);
      this.#native = native;
      return native;
    });
    // Who awaits it, or uses it, is told.
    this.#opening.catch(() => {
      this.#dismiss();
      unhold();
    });
  }

  /** A function of this thread that the core is to know until this is closed. */
  protected enlist(runner: ErrandRunner): number {
    const number = enlistRunner(runner, this.#clock);
    this.#numbers.push(number);
    return number;
  }

  /** The native side, once it is open. */
  protected opened(): Promise<Native> {
    return this.#opening as Promise<Native>;
  }

  /** The native side, if it is open. */
  protected get native(): Native | undefined {
    return this.#native;
  }

  /** Resolves to itself when it is open; fails when it could not be opened. */
  async ready(): Promise<this> {
    await this.#opening;
    return this;
  }

  /**
   * Ends it: nothing new is started, what runs gets the drain time, the rest goes to others at once. May be called twice.
   */
  async close(options: { drainTimeoutMs?: number } = {}): Promise<void> {
    const limit = duration(maybeOptions(options).drainTimeoutMs, 'drainTimeoutMs');
    this.#closing ??= this.#end(limit);
    await this.#closing;
  }

  /** {@link close}. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #end(limit: number | undefined): Promise<void> {
    // Why it could not be opened is told to who awaits `ready`; where nobody does, here.
    const native = await this.#opening;
    if (native === undefined) return;
    try {
      await ask((token) => native.close(token, limit));
    } finally {
      this.#dismiss();
      unhold();
    }
  }

  #dismiss(): void {
    this.#closed();
    for (const number of this.#numbers.splice(0)) dismissRunner(number);
  }
}

/**
 * A server of calls. It opens by itself; await {@link ready} to know that it has. Close it, or let it stand behind `await using`.
 *
 * A request is run by one server of its service, and whatever its handler does, it is answered. A server that dies leaves
 * its requests to the others.
 */
export class Serving extends Served<native.Serving> {
  /** @internal */
  constructor(
    bus: native.Bus,
    clock: Clock,
    handlers: Readonly<Record<string, CallHandler>>,
    { others, ...rest }: ServeSettings & { others?: CallHandler },
  ) {
    super(clock);
    const settings = checkedOptions<ServeSettings>(rest, SETTINGS);
    const rows = Object.entries(needRecord(handlers, 'handlers')).map(([name, handler]) =>
      this.#row(handler, {}, name),
    );
    if (others !== undefined) rows.push(this.#row(others, {}));
    const start = (token: number) => bus.serve(token, rows, settings as native.ServeSettings);
    this.open(start, (token) => port.takeServing(token), 'server');
  }

  /** Serves a name from now on, in place of what served it so far; what runs goes on. */
  async handle(name: string, handler: CallHandler, options: HandlerOptions = {}): Promise<void> {
    const row = this.#row(handler, options, needText(name, 'name'));
    const failure = (await this.opened()).handle(row);
    if (failure !== null) throw errorOf(failure);
  }

  /** Serves a name no longer; whether it was served. What runs goes on. */
  async remove(name: string): Promise<boolean> {
    return (await this.opened()).remove(needText(name, 'name'));
  }

  /** The names that are served, sorted. */
  async names(): Promise<string[]> {
    return (await this.opened()).names();
  }

  /** The stream that its requests come from. */
  async stream(): Promise<string> {
    return (await this.opened()).stream;
  }

  /** What it has done so far. */
  async figures(): Promise<Figures> {
    const native = await this.opened();
    const { plain } = await ask((token) => native.figures(token));
    return decode(plain as Buffer) as Figures;
  }

  #row(handler: CallHandler, given: HandlerOptions, name?: string): native.HandlerRow {
    needFunction(handler, 'handler');
    const options = checkedOptions<HandlerOptions>(given, HANDLER);
    const run = async (errand: Errand) => answered(await handler(new Request(errand)));
    return { ...(name !== undefined && { name }), function: this.enlist(run), ...options };
  }
}

/** What goes back. @internal */
export function answered(given: unknown): Parts {
  return given instanceof Reply ? new Parts(given.result, given.writeback) : new Parts(given, {});
}
