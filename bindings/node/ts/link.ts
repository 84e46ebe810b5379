/**
 * This thread's connection to the I/O thread: requests leave under a number, answers come back in bursts.
 *
 * Promises are made here. The native side rings one bell per burst; the bell does not keep the process alive. While
 * somebody waits for something, a timer does, so a process ends by itself exactly when nothing is pending.
 */

import { type End, type Errand, type Failure, Port, type Receipts, type Reply } from '../native.cjs';
import { errorOf, type StargazerError } from './errors.js';
import { spelled } from './settings.js';

/**
 * How safe an entry is: in this process' memory, in the server's, in its append-only file (synced about every second, or
 * always), or confirmed by so many replicas.
 */
export type Durability = 'memory' | 'server' | 'aof-everysec' | 'aof-always' | `replicated(${number})`;

/** Proof that an entry was stored. */
export interface Receipt {
  /** The entry's id; the first one's when it was a duplicate. */
  readonly id: string;
  /** The stream. */
  readonly stream: string;
  /** How safe it is. */
  readonly durability: Durability;
  /** The message id had been published before; nothing was added. */
  readonly duplicate: boolean;
}

/** Somebody who waits. */
export interface Waiting {
  /** Told the answer. */
  resolve(value: never): void;
  /** Told the failure. */
  reject(error: StargazerError): void;
  /** Waits without keeping the process alive. */
  readonly idle?: boolean;
}

/** The mark of a publish that failed; why stands with the other failures. */
const REFUSED = 0xffffffff;

/** The longest that a timer can run. */
const FAR_OFF = 2 ** 31 - 1;

const waiting = new Map<number, Waiting>();
/** Those who wait for a burst of publishes, under its number. */
const bursts = new Map<number, readonly Waiting[]>();
const cancelled = new Map<number, (deliveries: readonly number[]) => void>();
const noticed = new Map<number, (words: Buffer | undefined) => void>();
let ordered: (errands: readonly Errand[], ends: readonly End[]) => void = () => {};

let awake: NodeJS.Timeout | undefined;
let holds = 0;
let last = 0;

/** This thread's port. */
export const port = new Port(drain);

/** Keeps the process alive until as many {@link unhold}. */
export function hold(): void {
  if (holds++ > 0) return;
  awake ??= setInterval(() => {}, FAR_OFF);
  awake.ref();
}

/** Takes back one {@link hold}. */
export function unhold(): void {
  if (--holds === 0) awake?.unref();
}

/** A number under which this one will be told. */
function enlist(waiter: Waiting): number {
  const number = next();
  waiting.set(number, waiter);
  return number;
}

/** A number under which those of a burst will be told, each by its place; {@link hold} was called for each. */
export function enlistBurst(waiters: readonly Waiting[]): number {
  const number = next();
  bursts.set(number, waiters);
  return number;
}

function next(): number {
  last = (last + 1) >>> 0;
  return last;
}

/** A request and the promise of its answer; the process stays alive until then, unless told otherwise. */
export function ask(request: (token: number) => void, { idle = false } = {}): Promise<Reply> {
  if (!idle) hold();
  return new Promise<Reply>((resolve, reject) => {
    const token = enlist({ resolve, reject, idle });
    try {
      request(token);
    } catch (error) {
      // It never left, so no answer comes.
      taken(token);
      throw error;
    }
  });
}

/** Has deliveries of a consumer told when they should end. */
export function onCancelled(consumer: number, listener: (deliveries: readonly number[]) => void): void {
  cancelled.set(consumer, listener);
}

/** Ends {@link onCancelled}. */
export function offCancelled(consumer: number): void {
  cancelled.delete(consumer);
}

/** Has what a consumer tells besides deliveries told; nothing once it has ended. */
export function onNotices(consumer: number, listener: (words: Buffer | undefined) => void): void {
  noticed.set(consumer, listener);
}

/** Has what the core orders told: what is to be done on this thread, and what is to end. */
export function onOrders(listener: typeof ordered): void {
  ordered = listener;
}

function drain(): void {
  const { receipts, refusals, replies, cancellations, notices, errands, ends } = port.drain();
  if (receipts !== undefined) tell(receipts, refusals);
  for (const reply of replies) {
    const { resolve, reject } = taken(reply.token);
    if (reply.failure === undefined) resolve(reply as never);
    else reject(errorOf(spelled(reply.failure)));
  }
  for (const { consumer, deliveries } of cancellations) cancelled.get(consumer)?.(deliveries);
  for (const { consumer, notice } of notices) {
    noticed.get(consumer)?.(notice);
    if (notice === undefined) noticed.delete(consumer);
  }
  if (errands.length > 0 || ends.length > 0) ordered(errands, ends);
}

/** Tells those who published what became of it: burst by burst, each in the order of its publishes. */
function tell({ bursts: ended, marks, ids, places }: Receipts, refusals: readonly Failure[]): void {
  const stored = ids.split(',');
  let [at, id, refusal] = [0, 0, 0];
  for (const burst of ended) {
    const waiters = bursts.get(burst);
    if (waiters === undefined) throw new Error(`stargazer: nobody waits for the burst ${burst}`);
    bursts.delete(burst);
    for (const { resolve, reject } of waiters) {
      unhold();
      const mark = marks[at++] as number;
      const place = mark & ~1;
      if (mark === REFUSED) {
        reject(errorOf(spelled(refusals[refusal++] as Failure)));
        continue;
      }
      const receipt: Receipt = {
        id: stored[id++] as string,
        stream: places[place] as string,
        durability: places[place + 1] as Receipt['durability'],
        duplicate: (mark & 1) === 1,
      };
      resolve(receipt as never);
    }
  }
}

function taken(token: number): Waiting {
  const found = waiting.get(token);
  if (found === undefined) throw new Error(`stargazer: nobody waits under the number ${token}`);
  waiting.delete(token);
  if (!found.idle) unhold();
  return found;
}
