/**
 * Lifecycle events: what happens in a process, told to whoever watches.
 *
 * Best effort: publishing never throws, never holds its caller for more than 50 ms, and counts what it drops. Events are JSON
 * in the field `data` of a stream, in the bytes of Python's `json.dumps`.
 *
 * ```ts
 * import { connect, events } from '@stargazer/core';
 *
 * await using bus = await connect('memory://demo');
 * events.installDefaultBus(bus);
 * events.publishNowait('agent.complete', { payload: { channel: 'c1' } });
 * ```
 */

import * as native from '../native.cjs';
import { maybeCount, maybeOptions, maybeText, needFunction, needText } from './arguments.js';
import type { Bus } from './bus.js';
import { decode } from './codec/decode.js';
import { Encoder } from './codec/encode.js';
import { captured } from './context.js';
import { errorOf, InternalError, InvalidError } from './errors.js';
import { ask } from './link.js';
import { plainPayload } from './payload.js';
import { spelled } from './settings.js';

/** The kinds of the original. Others are forwarded too. */
export const EVENT_KINDS: ReadonlySet<string> = new Set(native.eventKinds());

/** What an event says besides its kind. */
export interface EventFields {
  /** Arena, `''` for none. */
  arena?: string;
  /** Run of the arena. */
  arenaId?: string;
  /** Phase of the run. */
  phase?: string;
  /** What belongs together; 32 hexadecimal digits of its own otherwise. */
  correlationId?: string;
  /**
   * Whatever else there is to say. Objects, arrays, sets, maps and scalars go as they are, what has `toJSON` as that says,
   * instances as their public properties, everything else as text; so does a cycle.
   */
  payload?: unknown;
}

/** Where events go. */
export interface EventOptions {
  /** The stream; the original's unless another one is named. */
  stream?: string;
  /** About how many events the stream keeps; 0 keeps all. 100,000. */
  maxLen?: number;
}

/** What became of the events of a bus. */
export interface EventStats {
  /** Stored. */
  readonly published: number;
  /** Never sent: the queue was full or closed, the event too large, or the time at the end too short. */
  readonly dropped: number;
  /** Sent in vain, or perhaps not: the server refused or did not answer. */
  readonly failed: number;
  /** Publishes that were told nothing in time; their events were queued all the same. */
  readonly late: number;
  /** Waiting, or being sent. */
  readonly queued: number;
}

/** Publishes lifecycle events. Made by {@link Bus.events}, and ends with its bus. */
export class EventBus {
  readonly #native: native.EventBus | undefined;
  /** The stream. */
  readonly stream: string;

  /** @internal */
  constructor(opened?: native.EventBus) {
    this.#native = opened;
    this.stream = opened?.stream ?? '';
  }

  /** Publishes an event and waits at most 50 ms for its id. `''`: it was dropped, or is still queued. */
  publish(kind: string, fields: EventFields = {}): Promise<string> {
    return this.#publish(kind, fields, false);
  }

  /** Publishes an event and waits for what becomes of one attempt, however long. `''`: it failed. */
  publishAndWait(kind: string, fields: EventFields = {}): Promise<string> {
    return this.#publish(kind, fields, true);
  }

  /** Publishes an event and waits for nothing. */
  publishNowait(kind: string, fields: EventFields = {}): void {
    this.#native?.publishNowait(row(kind, fields));
  }

  /** What became of the events so far. */
  get stats(): EventStats {
    return this.#native?.stats() ?? { published: 0, dropped: 0, failed: 0, late: 0, queued: 0 };
  }

  /** Sends what waits, for at most 2 s, drops the rest and takes nothing any more. May be called twice. */
  async close(): Promise<void> {
    const opened = this.#native;
    if (opened !== undefined) await ask((token) => opened.close(token));
  }

  /** {@link close}. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #publish(kind: string, fields: EventFields, waits: boolean): Promise<string> {
    const opened = this.#native;
    if (opened === undefined) return '';
    const { plain } = await ask((token) => opened.publish(token, row(kind, fields), waits));
    return decode(plain as Buffer) as string;
  }
}

/** Publishes nothing: for tests, and where there is no server. */
export class NullEventBus extends EventBus {
  /** Needs no bus. */
  // biome-ignore lint/complexity/noUselessConstructor: the one of the base class is not public
  constructor() {
    super();
  }
}

/** Where a reader begins, and how it reads. */
export interface ReaderOptions {
  /** The stream; the original's unless another one is named. */
  stream?: string;
  /** `$` for what comes from now on (the default), `0` for everything, or the id of the event after which to go on. */
  lastId?: string;
  /** How long one read waits at the server. 5000. */
  blockMs?: number;
  /** How many events one read brings at most, 1 to 1000. 50. */
  count?: number;
}

/**
 * An event that was read: what was written, and its `stream_id`. What is no event has only that and an `error`:
 * `no_data_field`, `bad_utf8`, `not_an_object`, or `json_decode: …`.
 */
export interface SeenEvent {
  /** Its id in the stream. */
  readonly stream_id: string;
  /** What is wrong with it. */
  readonly error?: string;
  /** Its kind. */
  readonly kind?: string;
  /** Whatever else was said. */
  readonly payload?: unknown;
  readonly [key: string]: unknown;
}

/** What handles an event. */
export type EventHandler = (event: SeenEvent) => unknown;

/** Reads lifecycle events: iterate it, or say what handles which kinds and {@link run} it. Outages are waited through. */
export class EventBusReader implements AsyncIterable<SeenEvent> {
  readonly #native: native.EventReader;
  readonly #waiting: [string, EventHandler][] = [];
  readonly #handlers = new Map<number, EventHandler>();
  #lastId: string;

  /** @internal */
  constructor(opened: native.EventReader, lastId: string) {
    this.#native = opened;
    this.#lastId = lastId;
  }

  /** The id of the last event that was handed out, to go on from another time. */
  get lastId(): string {
    return this.#lastId;
  }

  /** Finds the end if that is where it begins: what is published afterwards is read. */
  async ready(): Promise<void> {
    if (this.#lastId !== '$') return;
    const { plain } = await ask((token) => this.#native.ready(token));
    this.#lastId = decode(plain as Buffer) as string;
  }

  /** Has events of a kind handled by {@link run}: `phase.start`, `phase.*` or `*`. Before it runs. */
  on(kind: string, handler: EventHandler): this {
    this.#waiting.push([needText(kind, 'kind'), needFunction(handler, 'handler')]);
    return this;
  }

  /**
   * Reads until it is closed, and hands each event to the handlers that want it, one after the other. A handler that throws is
   * a process warning, and a kind that nobody knows and nobody wants is told in the log, once. `InvalidError` for a kind that
   * was given to {@link on} and is none.
   */
  async run(): Promise<void> {
    for (const [kind, handler] of this.#waiting.splice(0)) {
      const { plain } = await ask((token) => this.#native.route(token, kind));
      this.#handlers.set(Number(decode(plain as Buffer)), handler);
    }
    const inContext = captured();
    for (let next = await this.#next(true); next !== undefined; next = await this.#next(true)) {
      for (const place of next.places) await inContext(() => this.#handle(place, next.event));
    }
  }

  /** The next event; `undefined` once it is closed. */
  async next(): Promise<SeenEvent | undefined> {
    return (await this.#next(false))?.event;
  }

  /** Events as they come, until it is closed. Leaving the loop closes nothing. */
  async *[Symbol.asyncIterator](): AsyncGenerator<SeenEvent, void, undefined> {
    for (let event = await this.next(); event !== undefined; event = await this.next()) yield event;
  }

  /** Ends it. May be called twice. */
  close(): void {
    this.#native.close();
  }

  /** {@link close}. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
  }

  async #next(routed: boolean): Promise<{ event: SeenEvent; places: readonly (number | bigint)[] } | undefined> {
    const { plain } = await ask((token) => this.#native.next(token, routed));
    const answer = decode(plain as Buffer) as [SeenEvent, (number | bigint)[]] | null;
    if (answer === null) return undefined;
    const [event, places] = answer;
    this.#lastId = event.stream_id;
    return { event, places };
  }

  async #handle(place: number | bigint, event: SeenEvent): Promise<void> {
    try {
      await this.#handlers.get(Number(place))?.({ ...event });
    } catch (error) {
      process.emitWarning(`a handler of events failed at ${event.stream_id}: ${error}`, 'StargazerWarning');
    }
  }
}

let current: EventBus | undefined;

/** Makes this the bus of the process; nothing takes it away. */
export function setEventBus(bus: EventBus | undefined | null): void {
  if (bus !== undefined && bus !== null && !(bus instanceof EventBus)) {
    throw new InvalidError('`bus` must be an event bus, or nothing', { context: { field: 'bus' } });
  }
  current = bus ?? undefined;
}

/** The bus of the process; without one, a bus that publishes nothing. */
export function getEventBus(): EventBus {
  return current ?? new NullEventBus();
}

/** Makes an event bus over a bus and has it be that of the process. */
export function installDefaultBus(bus: Bus, options: EventOptions = {}): EventBus {
  if (typeof bus?.events !== 'function') {
    throw new InvalidError('`bus` must be a bus', { context: { field: 'bus' } });
  }
  const made = bus.events(options);
  setEventBus(made);
  return made;
}

/** Publishes an event on the bus of the process and waits for nothing. */
export function publishNowait(kind: string, fields: EventFields = {}): void {
  current?.publishNowait(kind, fields);
}

/** @internal */
export function openEvents(bus: native.Bus, options: EventOptions): EventBus {
  const { stream, maxLen } = maybeOptions(options);
  const opened = bus.events(maybeText(stream, 'stream'), maybeCount(maxLen, 'maxLen') ?? 100_000);
  return new EventBus(held(opened, opened.events()));
}

/** @internal */
export function openReader(bus: native.Bus, options: ReaderOptions): EventBusReader {
  const { stream, lastId = '$', blockMs, count } = maybeOptions(options);
  const settings: native.ReaderSettings = { lastId: maybeText(lastId, 'lastId') as string };
  const [named, block, most] = [
    maybeText(stream, 'stream'),
    maybeCount(blockMs, 'blockMs'),
    maybeCount(count, 'count'),
  ];
  if (named !== undefined) settings.stream = named;
  if (block !== undefined) settings.blockMs = block;
  if (most !== undefined) settings.count = most;
  const opened = bus.eventReader(settings);
  return new EventBusReader(held(opened, opened.reader()), lastId);
}

function held<T>(opened: native.Opened, handle: T | null): T {
  const failure = opened.failure();
  if (failure !== null) throw errorOf(spelled(failure));
  if (handle === null) throw new InternalError('an event bus was not opened');
  return handle;
}

function row(kind: string, fields: EventFields): native.EventRow {
  const { arena, arenaId, phase, correlationId, payload } = fields ?? {};
  const encoder = new Encoder();
  encoder.write(plainPayload(payload));
  return {
    kind: text(kind),
    arena: text(arena),
    arenaId: text(arenaId),
    phase: text(phase),
    correlationId: text(correlationId),
    payload: encoder.written(),
  };
}

/** Nothing that is said makes it throw. */
function text(value: unknown): string {
  if (value === undefined) return '';
  if (typeof value === 'string') return value.toWellFormed();
  const plain = plainPayload(value);
  return typeof plain === 'object' ? JSON.stringify(plain) : String(plain);
}
