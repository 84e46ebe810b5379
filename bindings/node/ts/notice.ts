/** Notices: what happens to a consumer besides deliveries. The same words in Rust, Python and Node. */

import { decode } from './codec/decode.js';

/** What happened, and what it was about. */
export type Notice =
  /** The group was gone and was made again; it reads on after this id. `stream`: the stream was gone as well. */
  | { readonly kind: 'group_recreated'; readonly from: string; readonly missing: 'stream' | 'group' }
  /** A pending entry was deleted by somebody; it counts as finished. */
  | { readonly kind: 'vanished'; readonly id: string }
  /** An entry went to the dead letters. */
  | { readonly kind: 'dead_lettered'; readonly id: string; readonly reason: string }
  /** Dead letters pile up: they are kept until somebody acts. */
  | { readonly kind: 'many_dead_letters'; readonly count: number }
  /** Our session was refused; what it held runs elsewhere, and a new session is made. */
  | { readonly kind: 'session_lost'; readonly identity: string; readonly why: 'stale' | 'forgotten' | 'group_lost' }
  /** The work of another consumer was taken over. */
  | { readonly kind: 'adopted'; readonly identity: string }
  /** The outcome of an entry was refused: it is not ours any more. */
  | { readonly kind: 'stale_outcome'; readonly id: string }
  /** The lock of a channel was lost while we ran it: somebody else may run it, too. */
  | { readonly kind: 'lock_lost'; readonly lane: string }
  /** The server could not be reached for nearly a lease: nothing starts until it can. */
  | { readonly kind: 'lease_expired' }
  /** Running handlers were told to end. */
  | { readonly kind: 'handlers_cancelled' }
  /** Somebody reads the group who is not registered in it; told once for each name. */
  | { readonly kind: 'foreign_consumer'; readonly consumer: string }
  /** Entries that others had left were taken over. */
  | { readonly kind: 'gathered'; readonly count: number }
  /** First failure of a streak of failed requests. */
  | { readonly kind: 'trouble'; readonly code: string; readonly error: string }
  /** The streak is over. */
  | { readonly kind: 'recovered' }
  /** Notices that were not read in time are gone. */
  | { readonly kind: 'missed'; readonly count: number };

/** Every kind, to compare with what core knows. @internal */
export const KINDS: readonly Notice['kind'][] = [
  'group_recreated',
  'vanished',
  'dead_lettered',
  'many_dead_letters',
  'session_lost',
  'adopted',
  'stale_outcome',
  'lock_lost',
  'lease_expired',
  'handlers_cancelled',
  'foreign_consumer',
  'gathered',
  'trouble',
  'recovered',
  'missed',
];

/** Notices that wait for one reader; more are dropped, the oldest first. */
const MOST = 256;

/** What one reader of notices has not read yet. @internal */
export class Notices {
  #waiting: Notice[] = [];
  #missed = 0;
  #ended = false;
  #wake: (() => void) | undefined;

  /** Adds one, from the native side. */
  add(words: Buffer): void {
    this.#waiting.push(decode(words) as Notice);
    if (this.#waiting.length > MOST) {
      this.#waiting.shift();
      this.#missed++;
    }
    this.#wake?.();
  }

  /** Nothing follows. */
  end(): void {
    this.#ended = true;
    this.#wake?.();
  }

  /** One by one, until the end. Does not keep the process alive. */
  async *read(): AsyncGenerator<Notice, void> {
    while (true) {
      if (this.#missed > 0) {
        const count = this.#missed;
        this.#missed = 0;
        yield { kind: 'missed', count };
      }
      const notice = this.#waiting.shift();
      if (notice !== undefined) yield notice;
      else if (this.#ended) return;
      else {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    }
  }
}
