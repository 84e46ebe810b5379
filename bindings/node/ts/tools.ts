/**
 * Tools: functions that a model may call by name, serving them, and calling them wherever they run.
 *
 * ```ts
 * const weather = tool({ name: 'weather', input: z.object({ city: z.string() }) }, async ({ city }) => `${city}: 21 °C`);
 * await using tools = bus.serveTools(weather);
 * await bus.call('weather', { city: 'Berlin' });
 * ```
 */

import * as native from '../native.cjs';
import { type Answer, type CallOptions, called, type Identity, identityOf, packed } from './calls.js';
import { decode } from './codec/decode.js';
import { dismissRunner, type Errand, enlistRunner } from './errands.js';
import { ClosedError, errorOf, Failure, InvalidError } from './errors.js';
import { ask, port } from './link.js';
import type { Publisher } from './publisher.js';
import { type Input, type InputOf, isSchema, type OutputOf, readInput, schemaOf } from './schema.js';
import { answered, type Figures, Request, Served } from './serve.js';
import { checkedOptions, needText, needTexts, spelled, type ToolsMode } from './settings.js';

/** Where a tool runs: in the gateway that holds the platform's connection, in the worker that asks, or in a tools service. */
export type Place = 'gateway' | 'worker' | 'service';

/** What a tool is called, what it takes, and under which rules it runs. */
export interface ToolOptions<I extends Input = Input> {
  /** Its name: 1 to 64 of `A-Z a-z 0-9 _ -`. */
  name: string;
  /** What it does, for the model that chooses; by default the description of its input. */
  description?: string;
  /** Its arguments: a JSON Schema of type object, or a schema that knows its own (zod 4 and its like). Nothing by default. */
  input?: I;
  /** What the caller must be allowed. */
  permissions?: readonly string[];
  /** How long a call may run. */
  timeoutMs?: number;
  /** Calls at the same time in one instance. */
  concurrency?: number;
  /** Where it runs. `service`. */
  place?: Place;
  /** It must not go on in the background of a turn. */
  noBackground?: boolean;
  /** It may be called again in one turn with the same arguments. */
  allowRepeat?: boolean;
}

/** The definition of a tool, with the names of the wire. */
export interface ToolDefinition {
  /** Its name. */
  readonly name: string;
  /** What it does. */
  readonly description: string;
  /** JSON Schema of its arguments. */
  readonly parameters: Readonly<Record<string, unknown>>;
  /** It must not go on in the background of a turn. */
  readonly no_background: boolean;
  /** It may be called again in one turn with the same arguments. */
  readonly allow_repeat: boolean;
  /** What the caller must be allowed. */
  readonly permissions: readonly string[];
  /** How long a call may run. */
  readonly timeout_ms?: number;
  /** Calls at the same time in one instance. */
  readonly concurrency?: number;
  /** Where it runs; `service` where it does not say. */
  readonly place?: Place;
  readonly [key: string]: unknown;
}

/** A tool as the `tools` of a chat model take it. */
export interface FunctionSchema {
  /** Always this. */
  readonly type: 'function';
  /** What it is called and takes. */
  readonly function: {
    /** What a model calls it. */
    readonly name: string;
    /** What a model reads of it. */
    readonly description: string;
    /** JSON Schema of its arguments. */
    readonly parameters: Readonly<Record<string, unknown>>;
  };
}

/** A file that a tool has sent. */
export interface SentFile {
  /** Its bytes. */
  readonly data: Uint8Array;
  /** Its type. */
  readonly mimetype: string;
  /** Its name. */
  readonly filename: string;
  /** Where it came from. */
  readonly source_url?: string;
}

/** What a tool knows of its call besides the arguments, and what it gives back besides the result. */
export class ToolContext extends Request {
  readonly #writeback: Record<string, unknown> = {};

  /** What was written back so far. */
  get writeback(): Readonly<Record<string, unknown>> {
    return this.#writeback;
  }

  /** Adds to a list of what is merged into the caller's context. */
  writeBack(key: string, item: unknown): void {
    mergeWriteback(this.#writeback, { [key]: [item] });
  }

  /** Says that a file was sent: the caller's context gets it, its bytes untouched. */
  sentFile({ data, mimetype, filename, source_url = '' }: SentFile): void {
    this.writeBack('sent_files', { data, mimetype, filename, source_url });
  }

  /** Offers a tool for the rest of the caller's turn. */
  injectTool(name: string): void {
    this.writeBack('injected_tools', name);
  }

  /** Says that a message with more than text was sent. */
  sentRichMessage(message: object): void {
    this.writeBack('sent_rich_messages', message);
  }
}

/** Merges what a tool wrote back into what the caller has: lists grow, anything else is replaced. */
export function mergeWriteback(into: Record<string, unknown>, more: Readonly<Record<string, unknown>>): void {
  for (const [key, value] of Object.entries(more)) {
    const have = into[key];
    if (Array.isArray(have) && Array.isArray(value)) have.push(...value);
    else into[key] = Array.isArray(value) ? [...value] : value;
  }
}

/** A definition, and what runs it. Made by {@link tool}. */
export class Tool<Args = never, Result = unknown> {
  /** The definition with everything in it. */
  readonly definition: ToolDefinition;
  readonly #input: Input | undefined;
  readonly #handler: (args: Args, context: ToolContext) => Result;

  /** @internal */
  constructor(
    definition: ToolDefinition,
    input: Input | undefined,
    handler: (args: Args, context: ToolContext) => Result,
  ) {
    this.definition = definition;
    this.#input = input;
    this.#handler = handler;
  }

  /** Its name. */
  get name(): string {
    return this.definition.name;
  }

  /** Calls the function itself: no schema, no bus. */
  run(args: Args, context: ToolContext): Result {
    return this.#handler(args, context);
  }

  /** Runs a call. @internal */
  async answer(errand: Errand): Promise<unknown> {
    const context = new ToolContext(errand);
    try {
      const args = isSchema(this.#input) ? await this.#read(this.#input, context.arguments) : context.arguments;
      const [result, writeback] = answered(await this.#handler(args as Args, context));
      const both = { ...context.writeback };
      mergeWriteback(both, writeback);
      return [result, both];
    } catch (error) {
      throw Object.keys(context.writeback).length === 0 ? error : withWriteback(error, context.writeback);
    }
  }

  async #read(input: Input, args: unknown): Promise<unknown> {
    const read = await readInput(input, args);
    if (read.faults === undefined) return read.value;
    throw new Failure('invalid_arguments', `arguments of \`${this.name}\`: ${read.faults}`);
  }
}

/** A failure that keeps what was written back before it. */
function withWriteback(error: unknown, written: Readonly<Record<string, unknown>>): Failure {
  const failure = error instanceof Failure ? error : undefined;
  const writeback = { ...written };
  mergeWriteback(writeback, failure?.writeback ?? {});
  const code = failure?.code ?? (error instanceof Error ? error.name : 'Error');
  const message = error instanceof Error ? error.message : String(error);
  return new Failure(code, message, { writeback, cause: error, ...(failure && { details: failure.details }) });
}

const OPTIONS = {
  name: 'text',
  description: 'text',
  input: 'any',
  permissions: 'texts',
  timeoutMs: 'time',
  concurrency: 'count',
  place: 'text',
  noBackground: 'flag',
  allowRepeat: 'flag',
} as const;

/**
 * Makes a tool of a function. `InvalidError`, naming the field, for a definition that cannot be.
 *
 * The function is given the arguments as its `input` reads them (defaults and transformations of zod included), and the
 * context of the call, whose `signal` is aborted when it is to end. What it throws is the caller's `RemoteError`.
 */
export function tool<I extends Input = Readonly<Record<string, never>>, Result = unknown>(
  options: ToolOptions<I>,
  handler: (args: OutputOf<I>, context: ToolContext) => Result,
): Tool<OutputOf<I>, Result> {
  const given = checkedOptions<ToolOptions<I>>(options, OPTIONS);
  if (typeof handler !== 'function') {
    throw new InvalidError(`a tool is run by a function, not by ${typeof handler}`, { context: { field: 'handler' } });
  }
  const parameters = given.input === undefined ? undefined : schemaOf(given.input);
  const { description: told, ...rest } = parameters ?? {};
  const description = given.description ?? (typeof told === 'string' ? told : undefined);
  const definition = {
    name: given.name,
    ...(description !== undefined && { description }),
    ...(parameters !== undefined && { parameters: rest }),
    ...(given.permissions !== undefined && { permissions: given.permissions }),
    ...(given.timeoutMs !== undefined && { timeout_ms: Math.round(given.timeoutMs) }),
    ...(given.concurrency !== undefined && { concurrency: given.concurrency }),
    ...(given.place !== undefined && { place: given.place }),
    ...(given.noBackground !== undefined && { no_background: given.noBackground }),
    ...(given.allowRepeat !== undefined && { allow_repeat: given.allowRepeat }),
  };
  const { definition: made, failure } = native.toolDefinition(packed(definition));
  if (failure !== undefined) throw errorOf(spelled(failure));
  return new Tool(decode(made as Buffer) as ToolDefinition, given.input, handler);
}

export type { Input, InputOf, OutputOf };

/** Any tool. */
// biome-ignore lint/suspicious/noExplicitAny: whatever its function takes and gives
export type AnyTool = Tool<any, any>;

/**
 * Who knows what callers are allowed: a table of users (`platform:user_id`, all of them `*`) with their permissions (all of
 * them `*`), or a function. Requests are not signed: this protects one user of a platform from another, not the bus
 * from those who may write to it.
 */
export type Authority =
  | Readonly<Record<string, readonly string[]>>
  | ((caller: Identity, permission: string) => boolean | PromiseLike<boolean>);

/** How tools are served. */
export interface ToolServiceSettings {
  /**
   * Its name; by default one that follows from the names of its tools, so that instances of the same tools are one service.
   * Instances of one service must have the same tools.
   */
  service?: string;
  /** Who knows what callers are allowed; without it, tools that need a permission are refused to everybody. */
  authority?: Authority;
  /** Calls at the same time in this instance, on each of its two streams. 256. */
  concurrency?: number;
  /** Lease of its requests. 15 s. */
  leaseMs?: number;
  /** How quickly the end of a lease is noticed. A third of the lease. */
  sweepMs?: number;
  /** How long running calls may go on when it closes. 20 s. */
  drainTimeoutMs?: number;
}

const SERVICE = {
  service: 'text',
  authority: 'any',
  concurrency: 'count',
  leaseMs: 'time',
  sweepMs: 'time',
  drainTimeoutMs: 'time',
} as const;

/**
 * A tools service: it serves calls of its tools, and keeps them in the catalog. It opens by itself; await {@link ready} to know
 * that it has. Closing leaves the catalog first, then ends what runs within the drain time.
 */
export class ToolService extends Served<native.ToolService> {
  /** The names of its tools, sorted. */
  readonly names: readonly string[];

  /** @internal */
  constructor(bus: native.Bus, tools: readonly AnyTool[], given: ToolServiceSettings) {
    super();
    const { authority, ...settings } = checkedOptions<ToolServiceSettings>(given, SERVICE);
    this.names = needTools(tools)
      .map((tool) => tool.name)
      .sort();
    const rows = tools.map((tool) => rowOf(tool, (run) => this.enlist(run)));
    const asked = authorityRow(authority, (run) => this.enlist(run));
    const start = (token: number) => bus.serveTools(token, rows, asked, settings as native.ToolServiceSettings);
    this.open(start, (token) => port.takeToolService(token), 'tools service');
  }

  /** The name of its service. */
  async service(): Promise<string> {
    return (await this.opened()).service;
  }

  /** Its identity, never used twice. */
  async instance(): Promise<string> {
    return (await this.opened()).instance;
  }

  /** The hash of the catalog in force, as this instance knows it. */
  async schemaHash(): Promise<string> {
    return (await this.opened()).schemaHash;
  }

  /** What it has done so far, by tool over both streams. */
  async figures(): Promise<Figures> {
    const opened = await this.opened();
    const { plain } = await ask((token) => opened.figures(token));
    return decode(plain as Buffer) as Figures;
  }
}

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

/** An instance of a tools service, as it told of itself at its last sign of life. */
export interface Worker {
  /** Its identity, never used twice. */
  readonly instance: string;
  /** Its service. */
  readonly service: string | null;
  /** Whether it takes no calls any more, and only ends what it has begun. */
  readonly draining: boolean;
  /** Calls that it runs at the same time. */
  readonly capacity: number;
  /** Calls that run or wait for their turn. */
  readonly inFlight: number;
  /** When it told this, milliseconds since 1970, by its own clock. */
  readonly seenMs: number;
  /** When it started, milliseconds since 1970, by its own clock. */
  readonly startedMs: number;
  /** Its tools, sorted by name. */
  readonly tools: readonly {
    /** Its name. */
    readonly name: string;
    /** Calls of it at the same time. */
    readonly capacity: number;
    /** Calls of it that run or wait for their turn. */
    readonly inFlight: number;
    /** Calls that gave a result. */
    readonly succeeded: number;
    /** Calls that failed. */
    readonly failed: number;
    /** How long 95 % of the last calls took at most; 0 before the first. */
    readonly p95Ms: number;
  }[];
}

/**
 * The tools that can be called from here, wherever they run. Made by {@link Bus.toolRegistry}; close it, or let it stand behind
 * `await using`. It reads the catalog and follows it. Arguments are checked before anything is sent.
 */
export class RemoteRegistry {
  readonly #native: native.ToolRegistry;
  readonly #bus: Publisher;
  readonly #dismiss: () => void;

  /** @internal */
  constructor(opened: native.ToolRegistry, bus: Publisher, dismiss: () => void) {
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
    { bus = this.#bus, ...options }: CallOptions & { bus?: Publisher } = {},
  ): Promise<Answer<Result>> {
    needText(name, 'name');
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

/** What enlists functions of this thread. */
type Enlist = (run: (errand: Errand) => unknown) => number;

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
    const number = enlistRunner(run);
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
    return new RemoteRegistry(opened, publisher, dismiss);
  } catch (error) {
    dismiss();
    throw error;
  }
}

function needTools(tools: readonly AnyTool[]): readonly AnyTool[] {
  if (Array.isArray(tools) && tools.every((one) => one instanceof Tool)) return tools;
  throw new InvalidError('tools are made by `tool`', { context: { field: 'tools' } });
}

/** Tools and their authority as plain values, each function by its number. @internal */
export function toolRows(
  tools: readonly AnyTool[],
  authority: Authority | undefined,
  enlist: Enlist,
): Record<string, unknown> {
  const rows = needTools(tools).map((one) => ({
    definition: one.definition,
    function: enlist((errand) => one.answer(errand)),
  }));
  const row = authorityRow(authority, enlist);
  if (row === undefined) return { tools: rows };
  const grants = Object.fromEntries(row.grants.map(([user, ...permissions]) => [user, permissions]));
  return { tools: rows, authority: row.function === undefined ? { grants } : { function: row.function } };
}

function rowOf(one: AnyTool, enlist: Enlist): native.ToolRow {
  return { definition: packed(one.definition), function: enlist((errand) => one.answer(errand)) };
}

function authorityRow(authority: Authority | undefined, enlist: Enlist): native.AuthorityRow | undefined {
  if (authority === undefined) return undefined;
  if (typeof authority === 'function') {
    const allows = async ({ arguments: asked }: Errand) => {
      const { permission, ...caller } = asked;
      return authority(caller, permission as string);
    };
    return { function: enlist(allows), grants: [] };
  }
  const grants = Object.entries(authority).map(([user, list]) => [user, ...needTexts(list, 'authority')]);
  return { grants };
}

function still<T>(value: T | null): T {
  if (value === null) throw new ClosedError('this registry is closed; open a new one');
  return value;
}
