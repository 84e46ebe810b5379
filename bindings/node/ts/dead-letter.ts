/** Dead letters: the entries that were given up, to look at, to put back, to throw away. */

import type { Bus as Native } from '../native.cjs';
import { maybeOptions, needTexts } from './arguments.js';
import { decode } from './codec/decode.js';
import { Encoder } from './codec/encode.js';
import { errorOf, InvalidError, type StargazerError } from './errors.js';
import { ask } from './link.js';

/** Which letters are meant: those for which everything that is given holds. */
export interface LetterFilter {
  /** Name of the stream that the entry came from. */
  stream?: string;
  /** Code of the reason, such as `rejected`, `max_attempts`, `crashed`, `malformed`; `unknown` where none is given. */
  reason?: string;
  /** The entry's lane. */
  lane?: string;
  /** The group that gave it up. */
  group?: string;
  /** The consumer that gave it up: its name, or its identity with the random end. */
  consumer?: string;
  /** A text in the error, in any case. */
  text?: string;
  /** The entry's message id. */
  messageId?: string;
  /** The entry's trace id. */
  traceId?: string;
  /** Given up at this time or later: a `Date`, or milliseconds since 1970. */
  since?: Date | number;
  /** Given up before this time. */
  until?: Date | number;
  /** Started at least this often. */
  minAttempts?: number;
  /** Only those that can be put back, or only those that cannot. */
  replayable?: boolean;
}

/** Which page of letters. */
export interface LetterQuery extends LetterFilter {
  /** The oldest first instead of the newest. */
  oldestFirst?: boolean;
  /** At most this many, 1 to 1000. 100. */
  limit?: number;
  /** Where the page before ended. */
  cursor?: string;
}

/** How letters are put back. */
export interface ReplayOptions {
  /** Only say what would be done. */
  dryRun?: boolean;
  /** At most this many in one call, 1 to 10,000. 100, or as many as there are ids. */
  limit?: number;
  /** At most this many a second. */
  rate?: number;
}

/** One life of an entry, from being stored to being given up and put back. Times are milliseconds since 1970, 0 for unknown. */
export interface PastLife {
  /** Stream it stood in. */
  readonly stream: string;
  /** Id it had there. */
  readonly entry: string;
  /** Group that gave it up. */
  readonly group: string;
  /** Identity that gave it up. */
  readonly consumer: string;
  /** Code of the reason. */
  readonly reason: string;
  /** Text of the last error. */
  readonly error: string;
  /** How often it was started. */
  readonly attempts: number;
  /** When it was stored. */
  readonly firstAt: number;
  /** When it was given up. */
  readonly deadAt: number;
  /** When it was put back. */
  readonly replayedAt: number;
}

/** An entry that was given up. Times are milliseconds since 1970, 0 for unknown. */
export interface DeadLetter extends Omit<PastLife, 'replayedAt'> {
  /** Its id among the dead letters. */
  readonly id: string;
  /** Its lane. */
  readonly lane: string | null;
  /** The message id it was published under. */
  readonly messageId: string | null;
  /** The trace id, `''` for none. */
  readonly traceId: string;
  /** W3C `traceparent`. */
  readonly traceparent: string | null;
  /** The msgpack bytes of the body; empty in a list when the body is a big one, see {@link DeadLetters.get}. */
  readonly raw: Buffer;
  /** How many bytes the body has. */
  readonly bodyBytes: number;
  /** How often it was put back before. */
  readonly replays: number;
  /** What it went through before, oldest first. */
  readonly history: readonly PastLife[];
  /** Why it cannot be put back, if so. */
  readonly problem: string | null;
  /** The body, decoded at each look. `MalformedError` when it cannot be; perhaps that is why it is here. */
  readonly data: unknown;
}

/** Some letters. */
export interface DeadLetterPage {
  /** The letters. A page may be short, or empty, although more follow: a call looks at so many letters only. */
  readonly letters: readonly DeadLetter[];
  /** Where the next page begins; `null` at the end. */
  readonly cursor: string | null;
}

/** Dead letters at a glance. Times are milliseconds since 1970. */
export interface DeadLetterSummary {
  /** How many there are in all. */
  readonly count: number;
  /** How many of those looked at match the filter. */
  readonly matching: number;
  /** Whether all of them were looked at; if not, the newest are counted. */
  readonly complete: boolean;
  /** When the oldest match was given up. */
  readonly oldest: number | null;
  /** When the newest match was given up. */
  readonly newest: number | null;
  /** Matches by reason. */
  readonly reasons: Readonly<Record<string, number>>;
  /** Matches by the stream they came from. */
  readonly streams: Readonly<Record<string, number>>;
  /** Matches that cannot be put back. */
  readonly problems: number;
  /** Whether there are so many that somebody should act: they are kept until then. */
  readonly many: boolean;
}

/** What a call put back. */
export interface ReplayReport {
  /** Letters that were put back (in a dry run: that would be), in their order. */
  readonly replayed: readonly {
    /** The letter. */
    readonly letter: string;
    /** The stream it stands in again; `null` when an earlier call had put it back. */
    readonly stream: string | null;
    /** Its id there; `null` in a dry run. */
    readonly id: string | null;
  }[];
  /** Letters that were not, and why. They are kept. */
  readonly failed: readonly { readonly letter: string; readonly error: StargazerError }[];
  /** Whether letters that are meant may be left besides those that failed. */
  readonly more: boolean;
}

type Row = Record<string, unknown>;

/** The dead letters in one stream. Made by {@link Bus.deadLetters}. */
export class DeadLetters {
  readonly #native: Native;
  readonly #stream: string | undefined;

  /** @internal */
  constructor(native: Native, stream: string | undefined) {
    this.#native = native;
    this.#stream = stream;
  }

  /** How many there are, since when, and why. */
  async inspect(filter: LetterFilter = {}): Promise<DeadLetterSummary> {
    return (await this.#ask('inspect', maybeOptions(filter, 'filter'))) as DeadLetterSummary;
  }

  /** A page of letters, the newest first, without their big bodies. */
  async list(query: LetterQuery = {}): Promise<DeadLetterPage> {
    const { letters, cursor } = (await this.#ask('list', maybeOptions(query, 'query'))) as {
      letters: Row[];
      cursor: string | null;
    };
    return { letters: letters.map(letterOf), cursor };
  }

  /** One letter by its id, with its whole body. `NotFoundError` when there is none. */
  async get(id: string): Promise<DeadLetter> {
    return letterOf((await this.#ask('get', { id })) as Row);
  }

  /**
   * Puts letters back into the streams they came from, under their message ids and with their history.
   *
   * Which: a list of ids; a filter; or `'all'`. By filter the oldest come first. A letter that cannot be put back is
   * kept and stands in the report; at a full stream the call ends. Repeating a call stores nothing twice.
   */
  async replay(which: readonly string[] | LetterFilter | 'all', options: ReplayOptions = {}): Promise<ReplayReport> {
    const report = (await this.#ask('replay', { ...maybeOptions(options), ...meant(which) })) as Row;
    const failed = (report.failed as Row[]).map(({ letter, code, message, context }) => ({
      letter: letter as string,
      error: errorOf({
        code: code as string,
        message: message as string,
        context: Object.entries(context as Record<string, string>).flat(),
      }),
    }));
    return { replayed: report.replayed as ReplayReport['replayed'], failed, more: report.more as boolean };
  }

  /**
   * Throws letters away, and gives what was removed. Which: a list of ids, or a filter together with the `count` of
   * letters that it must mean; if it means another number, `ConflictError`, and nothing is removed.
   */
  async discard(
    which: readonly string[] | (LetterFilter & { readonly count: number }),
  ): Promise<readonly DeadLetter[]> {
    return ((await this.#ask('discard', meant(which))) as Row[]).map(letterOf);
  }

  async #ask(call: string, given: object): Promise<unknown> {
    const encoder = new Encoder();
    encoder.write(Object.fromEntries(Object.entries(given).map(plain)));
    const { plain: answer } = await ask((token) =>
      this.#native.deadLetters(token, this.#stream, call, encoder.written()),
    );
    return decode(answer as Buffer);
  }
}

function meant(which: unknown): object {
  if (which === 'all') return { all: true };
  if (Array.isArray(which)) return { ids: needTexts(which, 'ids') };
  if (typeof which === 'object' && which !== null) return which;
  throw new InvalidError("say which letters are meant: a list of ids, a filter, or 'all'", {
    context: { field: 'which' },
  });
}

/** An argument under its name in core. */
function plain([name, value]: [string, unknown]): [string, unknown] {
  const known = name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
  if (known !== 'since' && known !== 'until') return [known, value];
  const time = value instanceof Date ? value.getTime() : value;
  return [known, typeof time === 'number' ? Math.trunc(time) : time];
}

/** Names as they are in Node. */
function cased(row: Row): Row {
  const name = (known: string) => known.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
  return Object.fromEntries(Object.entries(row).map(([known, value]) => [name(known), value]));
}

function letterOf({ data, history, ...row }: Row): DeadLetter {
  const letter = { ...cased(row), raw: data, history: (history as Row[]).map(cased) };
  Object.defineProperty(letter, 'data', { get: () => decode(data as Buffer) });
  return letter as unknown as DeadLetter;
}
