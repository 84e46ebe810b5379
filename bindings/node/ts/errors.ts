/**
 * The errors of stargazer: one class per kind, all of them a {@link StargazerError}.
 *
 * The class is chosen by the code, which never changes; the message is for people and may. The same codes stand in Rust
 * and in Python.
 */

import type { Failure as Told } from '../native.cjs';
import { decode } from './codec/decode.js';

/** What an error was about: names and values, such as the field that was wrong or whether a publish was `stored`. */
export type ErrorContext = Readonly<Record<string, string>>;

/** What an error carries beside its message. */
export interface ErrorDetails {
  /** What it was about. */
  readonly context?: ErrorContext;
  /** What caused it. */
  readonly cause?: unknown;
}

/** Base of every error of this package. */
export class StargazerError extends Error {
  /** Stable for ever, the same in Rust, Python and Node. */
  static readonly code: string = 'internal';
  /** Whether the same call may succeed later without a change. */
  static readonly retryable: boolean = false;

  /** Stable for ever, the same in Rust, Python and Node. */
  readonly code: string;
  /** Whether the same call may succeed later without a change. */
  readonly retryable: boolean;
  /** What it was about. */
  readonly context: ErrorContext;

  /** An error with a message that says what to do. */
  constructor(message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    const { code, retryable, name } = new.target;
    this.code = code;
    this.retryable = retryable;
    this.context = details.context ?? {};
    Object.defineProperty(this, 'name', { value: name, configurable: true, writable: true });
  }
}

/** Fix the call or the configuration: an argument has the wrong type, shape or range. */
export class InvalidError extends StargazerError {
  static override readonly code: string = 'invalid';
}

/** Create it first, or correct the name: the thing does not exist. */
export class NotFoundError extends StargazerError {
  static override readonly code: string = 'not_found';
}

/** Somebody else holds it, or the group runs under other settings: join them or choose another name. */
export class ConflictError extends StargazerError {
  static override readonly code: string = 'conflict';
}

/** Retry: the server cannot be reached, is starting, or is failing over. */
export class UnavailableError extends StargazerError {
  static override readonly code: string = 'unavailable';
  static override readonly retryable: boolean = true;
}

/** Retry, or widen the time limit: no answer came in time. */
export class TimeoutError extends StargazerError {
  static override readonly code: string = 'timeout';
  static override readonly retryable: boolean = true;
}

/** Do not retry: the bytes are not an envelope we know. */
export class MalformedError extends StargazerError {
  static override readonly code: string = 'malformed';
}

/** Do not retry: the receiving side said no. */
export class RejectedError extends StargazerError {
  static override readonly code: string = 'rejected';
}

/** Open a new handle: this one is closed. */
export class ClosedError extends StargazerError {
  static override readonly code: string = 'closed';
}

/** Report it: a bug in stargazer. */
export class InternalError extends StargazerError {
  static override readonly code: string = 'internal';
}

/** Wait, or widen the cap: the stream holds as many unread entries as it may. */
export class FullError extends StargazerError {
  static override readonly code: string = 'full';
  static override readonly retryable: boolean = true;
}

/** Stop: the work is no longer yours, another consumer has taken it over. */
export class StaleError extends StargazerError {
  static override readonly code: string = 'stale';
}

/** Correct user, password or access rights. */
export class AuthError extends StargazerError {
  static override readonly code: string = 'auth';
}

/** Send less, or widen the limit: the body is too large or nested too deeply. */
export class TooLargeError extends StargazerError {
  static override readonly code: string = 'too_large';
}

/** Connect again in this process: the bus was opened before a fork. Not met in Node, which never forks itself. */
export class ForkedError extends StargazerError {
  static override readonly code: string = 'forked';
}

/** What a call's failure carries besides its message. */
export interface RemoteDetails extends ErrorDetails {
  /** What the handler told besides, by name. */
  readonly details?: Readonly<Record<string, unknown>>;
  /** What is merged into the caller's context all the same. */
  readonly writeback?: Readonly<Record<string, unknown>>;
}

/** Look at the remote error: the called function failed. */
export class RemoteError extends StargazerError {
  static override readonly code: string = 'remote';

  /** What the handler told besides, by name. */
  readonly details: Readonly<Record<string, unknown>>;
  /** What is merged into the caller's context all the same. */
  readonly writeback: Readonly<Record<string, unknown>>;

  /** An error as it came back. */
  constructor(message: string, { details, writeback, ...rest }: RemoteDetails = {}) {
    super(message, rest);
    this.details = details ?? {};
    this.writeback = writeback ?? {};
  }

  /** How it failed: the handler's own word, else the name of the error's class, or one of those of a server. */
  get remoteCode(): string {
    return this.context.remote_code ?? '';
  }
}

/** What is thrown by what runs a call, to choose its code: the caller gets a {@link RemoteError} with it. */
export class Failure extends Error {
  /** A word for programs. */
  readonly code: string;
  /** More for programs, by name. */
  readonly details: Readonly<Record<string, unknown>>;
  /** What is merged into the caller's context all the same. */
  readonly writeback: Readonly<Record<string, unknown>>;

  /** A word for programs, a sentence for people, and more by name. */
  constructor(code: string, message = '', { details, writeback, ...rest }: RemoteDetails & ErrorOptions = {}) {
    super(message, rest);
    this.code = code;
    this.details = details ?? {};
    this.writeback = writeback ?? {};
    Object.defineProperty(this, 'name', { value: 'Failure', configurable: true, writable: true });
  }
}

/** Call again if it is still wanted: the request's deadline passed before it ran. */
export class ExpiredError extends StargazerError {
  static override readonly code: string = 'expired';
}

/** The call was cancelled by its caller. */
export class CancelledError extends StargazerError {
  static override readonly code: string = 'cancelled';
}

/** Start a worker: nobody serves this call. */
export class NoWorkerError extends StargazerError {
  static override readonly code: string = 'no_worker';
  static override readonly retryable: boolean = true;
}

/** Every class that stands for a kind of error, in the order of the table. */
const CLASSES: readonly (typeof StargazerError)[] = [
  InvalidError,
  NotFoundError,
  ConflictError,
  UnavailableError,
  TimeoutError,
  MalformedError,
  RejectedError,
  ClosedError,
  InternalError,
  FullError,
  StaleError,
  AuthError,
  TooLargeError,
  ForkedError,
  RemoteError,
  ExpiredError,
  CancelledError,
  NoWorkerError,
];

const BY_CODE: ReadonlyMap<string, typeof StargazerError> = new Map(CLASSES.map((kind) => [kind.code, kind]));

/** The error that the native side describes. @internal */
export function errorOf({ code, message, context: pairs, cause: text, more }: Told): StargazerError {
  const context: Record<string, string> = {};
  for (let i = 0; i + 1 < pairs.length; i += 2) context[pairs[i] as string] = pairs[i + 1] as string;
  const kind = BY_CODE.get(code);
  // A kind that core has and this table lacks: a test compares the two.
  if (kind === undefined) return new InternalError(`unknown error code ${code}: ${message}`, { context });
  if (kind === RemoteError && more !== undefined) {
    const [details, writeback] = decode(more) as [Record<string, unknown>, Record<string, unknown>];
    return new RemoteError(message, { context, details, writeback });
  }
  return new kind(message, { context, cause: text === undefined ? undefined : new Error(text) });
}

/** The same error about a publish that did not leave this process. @internal */
export function unstored(error: unknown): unknown {
  if (!(error instanceof StargazerError)) return error;
  const kind = BY_CODE.get(error.code) ?? InternalError;
  return new kind(error.message, { context: { ...error.context, stored: 'no' }, cause: error.cause });
}

/**
 * What core is told of something that was thrown: an error of ours by its kind, any other by the name of its class.
 * @internal
 */
export function told(thrown: unknown): Record<string, unknown> {
  try {
    if (thrown instanceof StargazerError) {
      const { code: kind, message, context } = thrown;
      const code = context.remote_code ?? kind;
      const row = { kind, code: wellFormed(code), message: wellFormed(message), context: texts(context) };
      return thrown instanceof RemoteError ? { ...row, details: thrown.details, writeback: thrown.writeback } : row;
    }
    if (thrown instanceof Failure) {
      const { code, message, details, writeback } = thrown;
      return { code: wellFormed(code), message: wellFormed(message), details, writeback };
    }
    if (thrown instanceof Error) return { code: wellFormed(thrown.name), message: wellFormed(thrown.message) };
    return { code: 'Error', message: wellFormed(thrown) };
  } catch {
    return { code: 'Error', message: 'something was thrown whose text cannot be read' };
  }
}

function texts(context: ErrorContext): Record<string, string> {
  return Object.fromEntries(Object.entries(context).map(([name, value]) => [wellFormed(name), wellFormed(value)]));
}

function wellFormed(value: unknown): string {
  return String(value).toWellFormed();
}
