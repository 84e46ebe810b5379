/** How a handler says what is to become of its delivery. */

import { duration, maybeOptions, maybeText, needText } from './arguments.js';

/** What is to become of a delivery; what a handler may return. */
export class Outcome {
  static readonly #ack: Outcome = new Outcome('ack');
  static readonly #release: Outcome = new Outcome('release');

  /** Which of the four it is. */
  readonly kind: 'ack' | 'retry' | 'reject' | 'release';
  /** When to try again; by the back-off when not given. */
  readonly afterMs: number | undefined;
  /** Text for people, kept in the dead letter. */
  readonly reason: string | undefined;

  private constructor(kind: Outcome['kind'], afterMs?: number, reason?: string) {
    this.kind = kind;
    this.afterMs = afterMs;
    this.reason = reason;
  }

  /** Done. */
  static ack(): Outcome {
    return Outcome.#ack;
  }

  /**
   * Again later, by the same consumer: after this time, or by the back-off. The lane waits. Counts as an attempt; after
   * the last one the entry goes to the dead letters.
   */
  static retry(options: { afterMs?: number; reason?: string } = {}): Outcome {
    const { afterMs, reason } = maybeOptions(options);
    return new Outcome('retry', duration(afterMs, 'afterMs'), maybeText(reason, 'reason'));
  }

  /** To the dead letters, with this reason. */
  static reject(reason: string): Outcome {
    return new Outcome('reject', undefined, needText(reason, 'reason'));
  }

  /** Given back, not counted as an attempt. */
  static release(): Outcome {
    return Outcome.#release;
  }
}

/**
 * Thrown by a handler to send its delivery to the dead letters. Not an error of the bus: whatever else a handler throws
 * means retry.
 */
export class Reject extends Error {
  /** A rejection with its reason. */
  constructor(reason = 'rejected by the handler', options?: ErrorOptions) {
    super(reason, options);
    Object.defineProperty(this, 'name', { value: 'Reject', configurable: true, writable: true });
  }
}

/** What a handler's return value stands for; `undefined` when it stands for nothing. @internal */
export function outcomeOf(returned: unknown): Outcome | undefined {
  if (returned === undefined) return Outcome.ack();
  return returned instanceof Outcome ? returned : undefined;
}

/** What a handler that threw asks for. @internal */
export function outcomeOfThrown(thrown: unknown): Outcome {
  if (thrown instanceof Reject) return Outcome.reject(reasonOf(thrown));
  return Outcome.retry({ reason: textOf(thrown) });
}

function reasonOf(reject: Reject): string {
  try {
    return String(reject.message);
  } catch {
    return 'rejected by the handler';
  }
}

/** The text of whatever was thrown; some objects do not let themselves be looked at. @internal */
export function textOf(thrown: unknown): string {
  try {
    return thrown instanceof Error ? `${thrown.name}: ${thrown.message}` : String(thrown);
  } catch {
    return 'something was thrown whose text cannot be read';
  }
}
