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
import { checkedOptions, needFunction, needRecord } from './arguments.js';
import { packed } from './calls.js';
import { decode } from './codec/decode.js';
import { type Errand, Parts } from './errands.js';
import { errorOf, Failure } from './errors.js';
import { type Input, type InputOf, isSchema, type OutputOf, readInput, schemaOf } from './schema.js';
import { answered, Request } from './serve.js';
import { spelled } from './settings.js';

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
  needRecord(into, 'into');
  needRecord(more, 'more');
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
      const { result, writeback } = answered(await this.#handler(args as Args, context));
      const both = { ...context.writeback };
      mergeWriteback(both, writeback);
      return new Parts(result, both);
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
  needFunction(handler, 'handler');
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

/** Any tool: what its function takes only its own schema knows. */
export type AnyTool = Tool<never, unknown>;
