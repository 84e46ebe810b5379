/** A gateway: runs adapters, takes what they receive to the bus, and does on them what workers say. */

import { CHECKS, checked, maybeOptions, maybeSignal, needFunction, needText, needTexts } from '../arguments.js';
import { dismissRunner, type ErrandRunner, enlistRunner } from '../errands.js';
import { ConflictError, errorOf, InvalidError, type StargazerError } from '../errors.js';
import { port } from '../link.js';
import { openGateway, Part } from '../part.js';
import type { Publisher } from '../publisher.js';
import { answered, type CallHandler, Request } from '../serve.js';
import { type ConsumerSettings, consumerSettings, spell } from '../settings.js';
import { type Authority, needTools, toolRows } from '../tool-service.js';
import type { AnyTool } from '../tools.js';
import { PlatformAdapter, posted } from './adapter.js';
import { CoreAdapter } from './core-adapter.js';

/** Where an adapter stands. */
export type AdapterState = 'starting' | 'running' | 'restarting' | 'failed' | 'stopping' | 'stopped';

/** Settings of a gateway. */
export interface GatewaySettings {
  /** The consumers of the outbound streams, one a platform. Its `drainTimeoutMs` also bounds how long an adapter drains. */
  consumer?: Omit<ConsumerSettings, 'group'>;
  /**
   * What becomes of something that may have been sent, because a gateway died or an adapter gave no answer: it is sent and the
   * adapter told (`resend`, the default), or goes to the dead letters (`skip`).
   */
  onUnknown?: 'resend' | 'skip';
  /** How long it is remembered what was sent: something doubled within is sent once. 24 h. */
  rememberMs?: number;
  /** How long one send may take; then it may have been sent. 60 s. */
  sendTimeoutMs?: number;
  /** How long a call may take that names no deadline. 30 s. */
  callTimeoutMs?: number;
  /** How long an adapter may take to start. 30 s. */
  startTimeoutMs?: number;
  /** How long an adapter may take to stop, or to say whether it runs. 10 s. */
  stopTimeoutMs?: number;
  /** How often an adapter is asked whether it runs. 1 s. */
  lookMs?: number;
  /** Pause before a failed adapter is started again, doubled each time it fails. 1 s. */
  restartBaseMs?: number;
  /** Longest such pause; an adapter that ran for longer begins anew. 60 s. */
  restartMaxMs?: number;
}

const { text, time } = CHECKS;

const SETTINGS: Parameters<typeof checked<GatewaySettings>>[1] = {
  consumer: (value) => (typeof value === 'object' && value !== null ? undefined : 'settings of a consumer'),
  onUnknown: text,
  rememberMs: time,
  sendTimeoutMs: time,
  callTimeoutMs: time,
  startTimeoutMs: time,
  stopTimeoutMs: time,
  lookMs: time,
  restartBaseMs: time,
  restartMaxMs: time,
};
spell(Object.keys(SETTINGS));

/** How an adapter is. Counts are of this gateway since it started. */
export interface AdapterHealth {
  /** The platform. */
  readonly platform: string;
  /** Where it stands. */
  readonly state: AdapterState;
  /** Since when, milliseconds since 1970. */
  readonly since: number;
  /** How often it was started. */
  readonly starts: number;
  /** What failed last, in its connection or in a send; stays after it is well again. */
  readonly lastError: StargazerError | undefined;
  /** What was done on the platform. */
  readonly performed: number;
  /** Of these, what may have been done before, so that the adapter was told. */
  readonly repeated: number;
  /** What had been done before and was not done again. */
  readonly doubled: number;
  /** What may have been done before and went to the dead letters. */
  readonly skipped: number;
  /** Tries that failed. */
  readonly failed: number;
  /** What is being done at this moment. */
  readonly underWay: number;
  /** What waits for the adapter to run. */
  readonly waiting: number;
}

/**
 * Runs the adapters of one process.
 *
 * For each adapter the outbound stream of its platform is read in the platform's gateway group, channel by channel in order, from
 * before the adapter starts until after it has stopped. What was sent is not sent again within `rememberMs`, by whichever gateway.
 * An adapter that fails is started again; one that refuses to start for good is left.
 *
 * Close it, or leave its scope when it stands behind `await using`. As long as it runs the process stays alive.
 */
export class Gateway {
  readonly #bus: Publisher;
  readonly #adapters: readonly (PlatformAdapter | CoreAdapter)[];
  readonly #settings: GatewaySettings;
  readonly #methods: [string, CallHandler][] = [];
  readonly #tools: AnyTool[] = [];
  #authority: Authority | undefined;
  readonly #numbers: number[] = [];
  #part: Part | undefined;

  /** A gateway with these adapters. Nothing happens before {@link start} or {@link run}. */
  constructor(bus: Publisher, adapters: readonly (PlatformAdapter | CoreAdapter)[], settings: GatewaySettings = {}) {
    if (typeof bus?.part !== 'function') {
      throw new InvalidError('`bus` must be a bus or the bus of a delivery', { context: { field: 'bus' } });
    }
    this.#bus = bus;
    const isAdapter = (one: unknown) => one instanceof PlatformAdapter || one instanceof CoreAdapter;
    if (!Array.isArray(adapters) || !adapters.every(isAdapter)) {
      throw new InvalidError('`adapters` must be a list of PlatformAdapters', { context: { field: 'adapters' } });
    }
    this.#adapters = [...adapters];
    this.#settings = checked(settings, SETTINGS);
    consumerSettings(this.#settings.consumer ?? {});
  }

  /**
   * Answers calls of a name itself, whichever adapter they came for. Before it is started. The handler is as those of
   * {@link Bus.serve}; the arguments of its request are the parameters of the call.
   */
  withMethod(name: string, handler: CallHandler): this {
    this.#unstarted();
    this.#methods.push([needText(name, 'name'), needFunction(handler, 'handler')]);
    return this;
  }

  /**
   * Runs these tools for workers that have the gateway of a platform execute them. Before it is started. Without an authority,
   * tools that need a permission are refused to everybody.
   */
  withTools(tools: readonly AnyTool[], options: { authority?: Authority } = {}): this {
    const { authority } = maybeOptions(options);
    this.#unstarted();
    this.#tools.push(...needTools(tools));
    this.#authority = authority ?? this.#authority;
    return this;
  }

  #unstarted(): void {
    if (this.#part === undefined) return;
    throw new ConflictError('this gateway was started before; say what it answers before it is');
  }

  /**
   * Runs until it is told to stop, its signal is aborted, the bus closes, or every adapter has failed for good. Then the adapters
   * drain and stop. Fails as {@link start} and {@link ended} do.
   */
  async run(options: { signal?: AbortSignal } = {}): Promise<void> {
    const signal = maybeSignal(maybeOptions(options).signal);
    const part = this.#open();
    const stop = () => this.stop();
    signal?.addEventListener('abort', stop, { once: true });
    try {
      const running = part.call('run');
      if (signal?.aborted) stop();
      await running;
    } finally {
      signal?.removeEventListener('abort', stop);
      this.#dismiss();
    }
  }

  /**
   * Opens the consumers and starts the adapters, all at once; resolves when each has been tried once. An adapter that fails is
   * started again later; one that fails for good is left. `InvalidError` without adapters, for two of one name, and for a setting
   * or name of a method that is wrong; `ConflictError` when it was started before; what the first adapter failed with, when all of
   * them failed for good.
   */
  async start(): Promise<void> {
    const part = this.#open();
    await part.call('start');
    // Keeps the process alive until it has ended; what that came to is told by who asks.
    part.call('ended').catch(() => {});
  }

  /** Resolves when no adapter is left: all were stopped, or have failed for good. Rejects with what they failed with. */
  async ended(): Promise<void> {
    await this.#started().call('ended');
  }

  /** Lets the adapters take no more messages and wait for what users wait for; sends go on. Closing does this. */
  async drain(): Promise<void> {
    await this.#started().call('drain');
  }

  /** Begins to close without waiting. */
  stop(): void {
    this.#part?.atOnce('stop');
  }

  /**
   * Ends it: the adapters drain and stop, what is in hand is finished within `drainTimeoutMs`, the rest given back. Rejects with
   * what failed in the end. May be called twice.
   */
  async close(): Promise<void> {
    if (this.#part === undefined) return;
    try {
      await this.#part.call('close');
    } finally {
      this.#dismiss();
    }
  }

  /** {@link close}. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** How the adapters are, in their order; empty before the start. */
  get health(): readonly AdapterHealth[] {
    const rows = this.#part?.atOnce<HealthRow[]>('health') ?? [];
    return rows.map(({ last_error: error, under_way: underWay, ...row }) => ({
      ...row,
      underWay,
      lastError: error === null ? undefined : errorOf({ ...error, context: Object.entries(error.context).flat() }),
    }));
  }

  /** Waits until the adapter of a platform is in one of these states, and gives it. `NotFoundError` without such an adapter. */
  async reached(platform: string, ...states: AdapterState[]): Promise<AdapterState> {
    return this.#started().call('reached', { platform, states: needTexts(states, 'states') });
  }

  #started(): Part {
    if (this.#part === undefined) {
      throw new InvalidError('this gateway was not started', { context: { field: 'gateway' } });
    }
    return this.#part;
  }

  #open(): Part {
    if (this.#part !== undefined) return this.#part;
    const { consumer = {}, ...settings } = this.#settings;
    try {
      const parts = this.#adapters.map((adapter) => this.#post(adapter));
      const methods = this.#methods.map(([name, handler]) => [name, this.#enlist(answering(handler))] as const);
      const own = Object.fromEntries(Object.entries(settings).map(([name, value]) => [inCore(name), value]));
      const row = { ...own, ...toolRows(this.#tools, this.#authority, (run) => this.#enlist(run)) };
      this.#part = openGateway(this.#bus.handle, parts, methods, consumerSettings(consumer), row);
    } catch (error) {
      this.#dismiss();
      throw error;
    }
    return this.#part;
  }

  #post(adapter: PlatformAdapter | CoreAdapter): Part {
    if (adapter instanceof CoreAdapter) return adapter.part;
    let part: Part;
    const number = this.#enlist(posted(adapter, () => part));
    part = new Part(this.#bus.handle.hostAdapter(port, number, needText(adapter.name, 'name')));
    return part;
  }

  #enlist(run: ErrandRunner): number {
    const number = enlistRunner(run, this.#bus.clock);
    this.#numbers.push(number);
    return number;
  }

  #dismiss(): void {
    for (const number of this.#numbers.splice(0)) dismissRunner(number);
  }
}

type HealthRow = Omit<AdapterHealth, 'lastError' | 'underWay'> & {
  last_error: { code: string; message: string; context: Record<string, string> } | null;
  under_way: number;
};

function answering(handler: CallHandler): ErrandRunner {
  return async (errand) => answered(await handler(new Request(errand)));
}

/** A setting in the core's spelling, which counts these times in milliseconds without saying so. */
function inCore(name: string): string {
  return name.replace(/Ms$/, '').replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
