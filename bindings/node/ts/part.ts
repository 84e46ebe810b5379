/**
 * Parts of the core behind one handle: calls go out by name with plain values, in the core's spelling.
 */

import * as native from '../native.cjs';
import { decode } from './codec/decode.js';
import { Encoder } from './codec/encode.js';
import { errorOf, InternalError, InvalidError, StargazerError } from './errors.js';
import { ask, port, type Receipt } from './link.js';
import { spelled } from './settings.js';

/** Named values as they cross. */
export type Row = Record<string, unknown>;

/** What has parts. */
export interface Parts {
  /** Opens one. */
  part(name: string, row: Row): native.Part;
  /** What publishes. */
  readonly handle: native.Publisher;
}

/** A part of the core. */
export class Part {
  readonly #native: native.Part;
  readonly #camel: boolean;

  /** `camel`: arguments that an error names are spelled as here. */
  constructor(part: native.Part, { camel = false } = {}) {
    this.#native = part;
    this.#camel = camel;
  }

  /** The handle itself. */
  get native(): native.Part {
    return this.#native;
  }

  /** A call that gives a value. What is `undefined` or `null` was not given. */
  async call<T>(name: string, row: Row = {}): Promise<T> {
    return (await this.#perform(name, row)).value as T;
  }

  /** A call that stores something: its receipt, and a value beside it. */
  async store<T = null>(name: string, row: Row): Promise<{ receipt: Receipt; value: T }> {
    const { receipt, value } = await this.#perform(name, row);
    if (receipt === undefined) throw new InternalError(`the call ${name} gave no receipt`);
    return { receipt, value: value as T };
  }

  /** A call that gives another part. */
  async open(name: string, row: Row): Promise<Part> {
    const { token } = await this.#perform(name, row);
    const part = port.takePart(token);
    if (part === null) throw new InternalError(`the call ${name} gave no part`);
    return new Part(part, { camel: this.#camel });
  }

  /** A call that waits for nothing. */
  atOnce<T>(name: string, row: Row = {}): T {
    return converted<T>(this.#native.atOnce(name, encoded(row)));
  }

  async #perform(name: string, row: Row): Promise<{ token: number; value: unknown; receipt: Receipt | undefined }> {
    const bytes = encoded(row);
    try {
      const { token, plain, stored } = await ask((token) => this.#native.perform(token, name, bytes));
      const value = plain === undefined ? undefined : decode(plain);
      return { token, value, receipt: stored as Receipt | undefined };
    } catch (error) {
      throw this.#camel ? inCamel(error) : error;
    }
  }
}

/** A part that belongs to what publishes. */
export function openPart(publisher: Parts, name: string, row: Row, options: { camel?: boolean } = {}): Part {
  if (typeof publisher?.part !== 'function') {
    throw new InvalidError('`bus` must be a bus or the bus of a delivery', { context: { field: 'bus' } });
  }
  return new Part(publisher.part(name, row), options);
}

/** The native part of what publishes. */
export function opened(of: native.Publisher, name: string, row: Row): native.Part {
  return held(of.part(name, encoded(row)));
}

/** A gateway over the native parts of its adapters. */
export function openGateway(
  of: native.Publisher,
  adapters: readonly Part[],
  methods: readonly (readonly [string, number])[],
  consumer: native.ConsumerSettings,
  row: Row,
): Part {
  const [names, functions] = [methods.map(([name]) => name), methods.map(([, number]) => number)];
  const parts = adapters.map((part) => part.native);
  return new Part(held(of.gateway(port, parts, names, functions, consumer, encoded(row))), { camel: true });
}

function held(result: native.OpenedPart): native.Part {
  const failure = result.failure();
  if (failure !== null) throw errorOf(spelled(failure));
  const part = result.part();
  if (part === null) throw new InternalError('a part was not opened');
  return part;
}

/** A conversion that belongs to no bus. */
export function convert<T>(name: string, row: Row): T {
  return converted<T>(native.convert(name, encoded(row)));
}

/** Names in the core's spelling; what stands under them stays as it is. */
export function snake(options: object): Row {
  return Object.fromEntries(
    Object.entries(options).map(([name, value]) => [
      name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
      value,
    ]),
  );
}

/** Names in the spelling of this package; what stands under them stays as it is. */
export function camel<T>(row: Row): T {
  return Object.fromEntries(Object.entries(row).map(([name, value]) => [inCamelCase(name), value])) as T;
}

/** A value that came over, or the error that came instead. */
export function converted<T>({ value, failure }: native.Converted): T {
  if (failure !== undefined) throw errorOf(spelled(failure));
  return decode(value as Buffer) as T;
}

/** The bytes are copied on the other side before this returns, so one encoder is enough. */
function encoded(row: Row): Buffer {
  encoder.reset();
  encoder.write(row);
  return encoder.written();
}

const encoder = new Encoder();

function inCamelCase(name: string): string {
  return name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

/** The same error, with the argument that it names spelled as it was given. */
function inCamel(error: unknown): unknown {
  if (!(error instanceof StargazerError) || error.context.field === undefined) return error;
  const field = error.context.field;
  const here = inCamelCase(field);
  if (here === field) return error;
  const kind = error.constructor as typeof StargazerError;
  const context = { ...error.context, field: here };
  return new kind(error.message.replaceAll(field, here), { context, cause: error.cause });
}
