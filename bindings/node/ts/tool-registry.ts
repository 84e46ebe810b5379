/** The tools that can be called from here, wherever they run. */

import type * as native from '../native.cjs';
import { checkedOptions, maybeOptions, needText } from './arguments.js';
import { type Answer, type CallOptions, called, type Identity, identityOf, packed } from './calls.js';
import { decode } from './codec/decode.js';
import { dismissRunner, enlistRunner } from './errands.js';
import { ClosedError, errorOf, InvalidError } from './errors.js';
import { ask, port } from './link.js';
import { Publisher } from './publisher.js';
import type { ToolsMode } from './settings.js';
import { type Authority, authorityRow, type Enlist, needTools, rowOf } from './tool-service.js';
import type { AnyTool, FunctionSchema, ToolDefinition } from './tools.js';
import { type Worker, workersOf } from './worker.js';

/** Which tools a registry has itself, and where they run. */
export interface RegistryOptions {
  /** Tools that this process has itself. */
  tools?: readonly AnyTool[];
  /** Who knows what callers are allowed: asked for tools that run here, and for what is offered to whom. */
  authority?: Authority;
  /** Where a tool runs that this process has and a service has, too; by default as the bus is set. */
  mode?: ToolsMode;
  /** Runs these in this process in any case, beside those of the setting `toolsForceInProcess`. */
  forceInProcess?: readonly string[];
}

/** Where a call of a tool goes; `service` is absent for the shared one. */
export interface Route {
  /** The place. */
  readonly to: 'in_process' | 'gateway' | 'service';
  /** The service, where it is one of its own. */
  readonly service?: string;
}

/**
 * The tools that can be called from here, wherever they run. Made by {@link Bus.toolRegistry}; close it, or let it stand behind
 * `await using`. It reads the catalog and follows it. Arguments are checked before anything is sent.
 */
export class RemoteRegistry {
  readonly #native: native.ToolRegistry;
  readonly #bus: Publisher;
  readonly #dismiss: () => void;
  readonly #workers: () => Promise<Worker[]>;

  /** @internal */
  constructor(opened: native.ToolRegistry, bus: Publisher, dismiss: () => void, workers: () => Promise<Worker[]>) {
    this.#workers = workers;
    this.#native = opened;
    this.#bus = bus;
    this.#dismiss = dismiss;
  }

  /** The version of the catalog that is in use, `''` before the first. */
  get version(): string {
    return still(this.#native.version);
  }

  /** The hash of the catalog that is in use, `''` before the first. */
  get schemaHash(): string {
    return still(this.#native.schemaHash);
  }

  /** All tools, sorted by name. Of two of one name, that which a call would run. */
  definitions(): ToolDefinition[] {
    return decode(still(this.#native.definitions(false))) as ToolDefinition[];
  }

  /** The tools that a caller may call, as far as the authority knows; without one, those that need no permission. */
  async definitionsFor(caller: Identity): Promise<ToolDefinition[]> {
    const { plain } = await ask((token) => this.#native.definitionsFor(token, identityOf(caller), false));
    return decode(plain as Buffer) as ToolDefinition[];
  }

  /** All tools as the `tools` of a chat model take them: a list of function schemas. */
  openaiTools(): FunctionSchema[] {
    return decode(still(this.#native.definitions(true))) as FunctionSchema[];
  }

  /** The function schemas of the tools that a caller may call. */
  async openaiToolsFor(caller: Identity): Promise<FunctionSchema[]> {
    const { plain } = await ask((token) => this.#native.definitionsFor(token, identityOf(caller), true));
    return decode(plain as Buffer) as FunctionSchema[];
  }

  /** The definition of a tool; `NotFoundError`. */
  get(name: string): ToolDefinition {
    this.route(name);
    return this.definitions().find((one) => one.name === name) as ToolDefinition;
  }

  /** Where a call of a tool goes; `NotFoundError`. */
  route(name: string): Route {
    const { to, service, failure } = this.#native.route(needText(name, 'name'));
    if (failure !== undefined) throw errorOf(failure);
    return { to: to as Route['to'], ...(service !== undefined && { service }) };
  }

  /**
   * Calls a tool, and gives the result. Ends as {@link Bus.call} does, and besides with `NotFoundError` for a tool that nobody
   * has, and `InvalidError` when the arguments do not fit. Through the `bus` of a delivery, that says for whom, until
   * when, and what remembers it.
   */
  async call<Result = unknown>(
    name: string,
    args: object = {},
    options: CallOptions & { bus?: Publisher } = {},
  ): Promise<Result> {
    return (await this.callWith<Result>(name, args, options)).result;
  }

  /** {@link call} with the whole answer: the result, and what is to be written back. */
  async callWith<Result = unknown>(
    name: string,
    args: object = {},
    given: CallOptions & { bus?: Publisher } = {},
  ): Promise<Answer<Result>> {
    needText(name, 'name');
    const { bus = this.#bus, ...options } = maybeOptions(given);
    if (!(bus instanceof Publisher)) {
      throw new InvalidError('`bus` must be a bus or the bus of a delivery', { context: { field: 'bus' } });
    }
    const sent = packed(args);
    return called(options, (token, cancel, calling) =>
      this.#native.call(token, cancel, bus.native, name, sent, calling),
    );
  }

  /** Reads the catalog now. */
  async reload(): Promise<void> {
    await ask((token) => this.#native.reload(token));
  }

  /** Waits until the catalog in use is another one than that of this version; `ClosedError` once it is closed. */
  async changed(version: string): Promise<void> {
    await ask((token) => this.#native.changed(token, needText(version, 'version')));
  }

  /** The instances of tools services that live: {@link Bus.toolWorkers}. */
  workers(): Promise<Worker[]> {
    return this.#workers();
  }

  /** Ends it. May be called twice. */
  close(): void {
    this.#native.close();
    this.#dismiss();
  }

  /** {@link close}. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
  }
}

/** Opens a registry. @internal */
export async function openRegistry(
  bus: native.Bus,
  publisher: Publisher,
  given: RegistryOptions,
): Promise<RemoteRegistry> {
  const {
    tools = [],
    authority,
    mode,
    forceInProcess,
  } = checkedOptions<RegistryOptions>(given, {
    tools: 'any',
    authority: 'any',
    mode: 'text',
    forceInProcess: 'texts',
  });
  const numbers: number[] = [];
  const enlist: Enlist = (run) => {
    const number = enlistRunner(run, publisher.clock);
    numbers.push(number);
    return number;
  };
  const dismiss = () => {
    for (const number of numbers.splice(0)) dismissRunner(number);
  };
  const settings: native.RegistrySettings = { forced: [...(forceInProcess ?? [])] };
  if (mode !== undefined) settings.mode = mode;
  try {
    const rows = needTools(tools).map((one) => rowOf(one, enlist));
    const asked = authorityRow(authority, enlist);
    let number = 0;
    await ask((token) => {
      number = token;
      bus.toolRegistry(token, rows, asked, settings);
    });
    const opened = port.takeToolRegistry(number);
    if (opened === null) throw new ClosedError('this registry was closed while it opened');
    return new RemoteRegistry(opened, publisher, dismiss, () => workersOf(bus));
  } catch (error) {
    dismiss();
    throw error;
  }
}

function still<T>(value: T | null): T {
  if (value === null) throw new ClosedError('this registry is closed; open a new one');
  return value;
}
