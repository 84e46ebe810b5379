/** The front door: connect, publish, consume, look, close. */

import type { Bus as Native } from '../native.cjs';
import { maybeOptions, maybeText, needCount, needText, needTexts } from './arguments.js';
import { type Body, readingOf } from './body.js';
import { type Clock, REAL, Time, virtualClock } from './clock.js';
import { Consumer } from './consumer.js';
import { DeadLetters } from './dead-letter.js';
import type { Reading } from './envelope/read.js';
import { readInbound, readOutbound } from './envelope/read.js';
import type { Fields, Inbound, Outbound } from './envelope/types.js';
import { ClosedError } from './errors.js';
import {
  type EventBus,
  type EventBusReader,
  type EventOptions,
  openEvents,
  openReader,
  type ReaderOptions,
} from './events.js';
import { type Entry, entryOf, type Finding, type PendingInfo, pendingOf, type StreamInfo } from './inspect.js';
import type { Opening } from './intake.js';
import { ask, port } from './link.js';
import { type Lease, type LeaseSettings, type Lock, type LockSettings, openLease, openLock } from './lock.js';
import { Publisher } from './publisher.js';
import { type CallHandler, type ServeSettings, Serving } from './serve.js';
import { type BusSettings, busSettings, type ConsumerSettings, type Role } from './settings.js';
import { openSingleton, type Singleton, type SingletonSettings } from './singleton.js';
import { closing } from './time.js';
import { openRegistry, type RegistryOptions, type RemoteRegistry } from './tool-registry.js';
import { ToolService, type ToolServiceSettings } from './tool-service.js';
import { type AnyTool, Tool } from './tools.js';
import { Topology } from './topology.js';
import { call, readTrace, type State, type Trace } from './trace.js';
import { type Worker, workersOf } from './worker.js';

/**
 * Connects to `memory://` (private), `memory://name` (shared in this process), `redis://`, `rediss://`, `unix://`, or to the
 * primary that sentinels name (`redis+sentinel://host:port,host:port/service`), and makes what the role needs.
 *
 * ```ts
 * await using bus = await connect('memory://demo', { role: 'standalone', platforms: ['web'] });
 * await bus.publishInbound(inbound('web', { channel: 'c1', user: 'u1', text: 'Berlin?' }));
 * ```
 *
 * Without an address, that of the variable `REDIS_URL`. Waits for a server that cannot be reached as long as `connectTimeoutMs`, then `UnavailableError`; `AuthError` for a
 * wrong password, `InvalidError` for an address or setting that is wrong.
 */
export async function connect(url?: string, options: ConnectOptions = {}): Promise<Bus> {
  const { role, platforms, ...settings } = maybeOptions(options);
  const [checkedRole, checkedPlatforms, checkedSettings] = [
    maybeText(role, 'role'),
    needTexts(platforms ?? [], 'platforms'),
    busSettings(settings),
  ];
  const address = maybeText(url, 'url');
  let number = 0;
  await ask((token) => {
    number = token;
    port.connect(token, address, checkedRole, checkedPlatforms, checkedSettings);
  });
  const native = port.takeBus(number);
  if (native === null) throw new ClosedError('this bus was closed while it connected');
  return new Bus(native, checkedSettings.virtualTime === true ? virtualClock(native) : REAL);
}

/** What {@link connect} takes beside the address. */
export interface ConnectOptions extends BusSettings {
  /** Makes what this role needs once connected. `none`. */
  role?: Role;
  /** The platforms whose outbound streams a gateway needs. */
  platforms?: readonly string[];
}

/** How {@link Bus.consume} reads. */
export interface ConsumeOptions<Payload = unknown> extends ConsumerSettings {
  /** What bodies are read as; as they are, without. */
  body?: Body<Payload>;
}

/** A connection to a bus. Made by {@link connect}; close it, or leave its scope when it stands behind `await using`. */
export class Bus extends Publisher {
  readonly #native: Native;
  readonly #clock: Clock;
  /** Consumers that may be open. */
  readonly #consumers = new Set<{ close(): Promise<void> }>();
  /** What serves; held, so that what nobody keeps serves on. */
  readonly #serving = new Set<{ close(): Promise<void> }>();
  #closing: Promise<void> | undefined;
  #topology: Topology | undefined;
  #time: Time | undefined;

  /** @internal */
  constructor(native: Native, clock: Clock) {
    super(native.publisher());
    this.#native = native;
    this.#clock = clock;
  }

  /** @internal */
  override get clock(): Clock {
    return this.#clock;
  }

  /** The address, without its password. */
  get url(): string {
    return this.#native.url;
  }

  /** The names of its streams and groups, after settings and environment. */
  get topology(): Topology {
    this.#topology ??= new Topology(this.#native.topology);
    return this.#topology;
  }

  /** The time of a bus that was connected with `virtualTime`. */
  get time(): Time {
    this.#time ??= new Time(this.#native);
    return this.#time;
  }

  /** Makes the streams and groups that a role needs; what exists stays as it is. */
  async ensureStreams(role: Role, platforms: readonly string[] = []): Promise<void> {
    const [wanted, named] = [needText(role, 'role'), needTexts(platforms, 'platforms')];
    await ask((token) => this.#native.ensureStreams(token, wanted, named));
  }

  /** Reads messages from platforms, in the workers' group. */
  consumeInbound<Extra extends object = Fields>(options: ConsumerSettings = {}): Consumer<Inbound<Extra>> {
    const opening: Opening = (token, settings) => this.#native.consumeInbound(token, settings);
    return this.#consumer(opening, readInbound as Reading<Inbound<Extra>>, options);
  }

  /** Reads what a platform's gateway is to do, in its group. */
  consumeOutbound(platform: string, options: ConsumerSettings = {}): Consumer<Outbound> {
    needText(platform, 'platform');
    const opening: Opening = (token, settings) => this.#native.consumeOutbound(token, platform, settings);
    return this.#consumer(opening, readOutbound, options);
  }

  /**
   * Reads any stream in any group.
   *
   * ```ts
   * const Order = z.object({ id: z.number(), lines: z.array(z.string()) });
   * await bus.consume('orders', 'billing', { body: Order }).run((order) => bill(order.lines));
   * ```
   *
   * With a `body`, what it reads is the delivery's `data`; a body that it refuses goes to the dead letters with the reason
   * `malformed`. Without one, the type of bodies is the caller's word.
   */
  consume<Payload = unknown>(stream: string, group: string, options: ConsumeOptions<Payload> = {}): Consumer<Payload> {
    needText(stream, 'stream');
    needText(group, 'group');
    const { body, ...settings } = maybeOptions(options);
    const opening: Opening = (token, checked) => this.#native.consume(token, stream, group, checked);
    return this.#consumer(opening, readingOf(body), settings);
  }

  /** A stream at a glance; `NotFoundError` when there is none. */
  async streamInfo(stream: string): Promise<StreamInfo> {
    needText(stream, 'stream');
    const { streamInfo } = await ask((token) => this.#native.streamInfo(token, stream));
    return streamInfo as StreamInfo;
  }

  /** What a group has read and not finished; `NotFoundError` when there is no such stream or group. */
  async pending(stream: string, group: string): Promise<PendingInfo> {
    needText(stream, 'stream');
    needText(group, 'group');
    const { pending } = await ask((token) => this.#native.pending(token, stream, group));
    return pendingOf(pending as NonNullable<typeof pending>);
  }

  /**
   * Whether the server is safe to keep messages on, check by check: version, role, eviction, persistence, rights and more.
   * What it does not let us see is `unknown`, never `ok`.
   */
  async doctor(): Promise<readonly Finding[]> {
    const { findings } = await ask((token) => this.#native.doctor(token));
    return findings as readonly Finding[];
  }

  /** Entries of a stream after an id, oldest first, at most `count` (and 1000). Touches nothing. */
  async entries(stream: string, options: { after?: string; count?: number } = {}): Promise<Entry[]> {
    const { after = '0-0', count = 100 } = maybeOptions(options);
    needText(stream, 'stream');
    needText(after, 'after');
    needCount(count, 'count');
    const { entries = [] } = await ask((token) => this.#native.entries(token, stream, after, count));
    return entries.map(entryOf);
  }

  /** The entries that were given up; those of another stream than this bus writes them to, if one is named. */
  deadLetters(stream?: string): DeadLetters {
    return new DeadLetters(this.#native, maybeText(stream, 'stream'));
  }

  /** Publishes lifecycle events: best effort, never in the way. See {@link EventBus}. */
  events(options: EventOptions = {}): EventBus {
    return openEvents(this.#native, options);
  }

  /** Reads lifecycle events. */
  eventReader(options: ReaderOptions = {}): EventBusReader {
    return openReader(this.#native, options);
  }

  /**
   * The whole life of whatever has this trace id: what each process of the fleet told of it. `NotFoundError` when nobody traced
   * it, or its last step was more than a day ago.
   */
  async trace(traceId: string): Promise<Trace> {
    return readTrace(this.#native, needText(traceId, 'traceId'));
  }

  /**
   * Takes down that something came to a state; it is written soon, also where the bus traces nothing by itself. Nothing is
   * refused but what is no state: a step that the state before does not allow is counted.
   */
  async transition(traceId: string, state: State, detail: object = {}): Promise<void> {
    await call(this.#native, 'transition', { trace_id: needText(traceId, 'traceId'), state, detail });
  }

  /**
   * The same with what replaces the checkpoint of the trace: anything that can be a body. It is written when this resolves;
   * whether the state before allowed the step.
   */
  async checkpoint(traceId: string, state: State, value: unknown, detail: object = {}): Promise<boolean> {
    const said = { trace_id: needText(traceId, 'traceId'), state, detail, value };
    return (await call(this.#native, 'checkpoint', said)) as boolean;
  }

  /** A lock over the fleet. Nothing is taken yet. A name with a colon is the key itself. */
  lock(name: string, settings: LockSettings = {}): Lock {
    return openLock(this.#native, needText(name, 'name'), false, settings);
  }

  /** The original's lock of a channel, by the channel's id or its key; the one that workers in mode `lock` take. */
  channelLock(channel: string, settings: LockSettings = {}): Lock {
    return openLock(this.#native, needText(channel, 'channel'), true, settings);
  }

  /** Leadership under a name. Nobody leads yet. */
  lease(name: string, settings: LeaseSettings = {}): Lease {
    return openLease(this.#native, needText(name, 'name'), settings);
  }

  /** A job that runs on one process of the fleet at a time. Nothing runs yet. */
  singleton(name: string, settings: SingletonSettings = {}): Singleton {
    return openSingleton(this.#native, needText(name, 'name'), settings);
  }

  /**
   * Serves calls: `await using serving = bus.serve({ weather: (request) => … })`. Servers of one service must serve the same
   * names; `others` runs every name that no handler serves.
   */
  serve(
    handlers: Readonly<Record<string, CallHandler>> = {},
    settings: ServeSettings & { others?: CallHandler } = {},
  ): Serving {
    return this.#served(new Serving(this.#native, this.#clock, handlers ?? {}, maybeOptions(settings)));
  }

  /**
   * Serves tools, and keeps them in the catalog: `await using tools = bus.serveTools(weather)`. The last argument may say
   * how. Opening fails with `InvalidError` for two tools of one name, and for none at all.
   */
  serveTools(...tools: readonly AnyTool[]): ToolService;
  /** With how they are served. */
  serveTools(...tools: readonly [...tools: AnyTool[], settings: ToolServiceSettings]): ToolService;
  serveTools(...given: readonly (AnyTool | ToolServiceSettings)[]): ToolService {
    const last = given.at(-1);
    const settings = last instanceof Tool || last === undefined ? undefined : (last as ToolServiceSettings);
    const tools = (settings === undefined ? given : given.slice(0, -1)) as readonly AnyTool[];
    return this.#served(new ToolService(this.#native, this.#clock, tools, settings ?? {}));
  }

  /** The tools that can be called from here, wherever they run. */
  toolRegistry(options: RegistryOptions = {}): Promise<RemoteRegistry> {
    return openRegistry(this.#native, this, options);
  }

  /** The instances of tools services that live, as they told of themselves at their last sign of life. */
  async toolWorkers(): Promise<Worker[]> {
    return workersOf(this.#native);
  }

  /**
   * Closes it: consumers drain, then the connections end. Settles within `timeoutMs` (60 s): `TimeoutError` then, while
   * closing goes on. May be called twice.
   */
  close(options: { timeoutMs?: number } = {}): Promise<void> {
    return closing(() => this.#close(), options, 'the bus did not close');
  }

  /** {@link close}. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #consumer<T>(opening: Opening, read: Reading<T>, settings: ConsumerSettings): Consumer<T> {
    const closed = (one: Consumer<T>) => this.#consumers.delete(one);
    const consumer = new Consumer<T>(opening, read, settings, this.#clock, closed);
    this.#consumers.add(consumer);
    return consumer;
  }

  #served<T extends { close(): Promise<void>; onClosed(listener: () => void): void }>(serving: T): T {
    this.#serving.add(serving);
    serving.onClosed(() => this.#serving.delete(serving));
    return serving;
  }

  #close(): Promise<void> {
    this.#closing ??= this.#end();
    return this.#closing;
  }

  async #end(): Promise<void> {
    this.flush();
    const closed = await Promise.allSettled([...this.#consumers, ...this.#serving].map((open) => open.close()));
    await ask((token) => this.#native.close(token));
    const failed = closed.find((result) => result.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  }
}
