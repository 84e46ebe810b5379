/** Writes to keys that are carried out together, in one step. */

import type { Part } from '../part.js';
import { OPS, type Op } from './operations.js';
import type { Data } from './types.js';

/**
 * Writes that are collected and carried out by {@link commit}, in their order, all or none.
 *
 * A condition of a write that does not hold (`setIfAbsent`) leaves out that write only; one of the batch (`requireAbsent`,
 * `requireMember`) leaves out everything. A key is of one kind throughout, also when the batch removes it; a counter is written
 * once. Each write is as the method of its name on {@link Store}.
 */
export class Batch {
  readonly #part: Part;
  readonly #ops: Op[] = [];

  /** @internal */
  constructor(part: Part) {
    this.#part = part;
  }

  /** How many operations were collected. */
  get length(): number {
    return this.#ops.length;
  }

  /**
   * Carries them out; one answer for each, as the method of that name on {@link Store} gives it. `ConflictError` when a
   * condition of the batch does not hold and nothing was changed; `context.unmet` is its place.
   */
  commit(): Promise<unknown[]> {
    return this.#part.call('apply', { ops: this.#ops });
  }

  /** Has the batch carried out only if there is no such key. */
  requireAbsent(key: string): this {
    return this.#add({ op: 'exists', key, require: false });
  }

  /** Has the batch carried out only if a set has a member. */
  requireMember(key: string, member: Data): this {
    return this.#add({ op: 'set_contains', key, member, require: true });
  }

  /** {@link Store.set}. */
  set(...given: Parameters<typeof OPS.set>): this {
    return this.#add(OPS.set(...given));
  }

  /** {@link Store.setIfAbsent}. */
  setIfAbsent(...given: Parameters<typeof OPS.setIfAbsent>): this {
    return this.#add(OPS.setIfAbsent(...given));
  }

  /** {@link Store.compareAndSet}. */
  compareAndSet(...given: Parameters<typeof OPS.compareAndSet>): this {
    return this.#add(OPS.compareAndSet(...given));
  }

  /** {@link Store.compareAndDelete}. */
  compareAndDelete(...given: Parameters<typeof OPS.compareAndDelete>): this {
    return this.#add(OPS.compareAndDelete(...given));
  }

  /** {@link Store.increment}. */
  increment(...given: Parameters<typeof OPS.increment>): this {
    return this.#add(OPS.increment(...given));
  }

  /** {@link Store.delete}. */
  delete(...keys: string[]): this {
    return keys.length === 0 ? this : this.#add(OPS.delete(keys));
  }

  /** {@link Store.expire}. */
  expire(...given: Parameters<typeof OPS.expire>): this {
    return this.#add(OPS.expire(...given));
  }

  /** {@link Store.hashSet}. */
  hashSet(...given: Parameters<typeof OPS.hashSet>): this {
    return this.#add(OPS.hashSet(...given));
  }

  /** {@link Store.hashSetIfAbsent}. */
  hashSetIfAbsent(...given: Parameters<typeof OPS.hashSetIfAbsent>): this {
    return this.#add(OPS.hashSetIfAbsent(...given));
  }

  /** {@link Store.hashDelete}. */
  hashDelete(key: string, ...fields: string[]): this {
    return this.#add(OPS.hashDelete(key, fields));
  }

  /** {@link Store.hashIncrement}. */
  hashIncrement(...given: Parameters<typeof OPS.hashIncrement>): this {
    return this.#add(OPS.hashIncrement(...given));
  }

  /** {@link Store.setAdd}. */
  setAdd(...given: Parameters<typeof OPS.setAdd>): this {
    return this.#add(OPS.setAdd(...given));
  }

  /** {@link Store.setRemove}. */
  setRemove(...given: Parameters<typeof OPS.setRemove>): this {
    return this.#add(OPS.setRemove(...given));
  }

  /** {@link Store.sortedAdd}. */
  sortedAdd(...given: Parameters<typeof OPS.sortedAdd>): this {
    return this.#add(OPS.sortedAdd(...given));
  }

  /** {@link Store.sortedRemove}. */
  sortedRemove(...given: Parameters<typeof OPS.sortedRemove>): this {
    return this.#add(OPS.sortedRemove(...given));
  }

  /** {@link Store.listPush}. */
  listPush(...given: Parameters<typeof OPS.listPush>): this {
    return this.#add(OPS.listPush(...given));
  }

  /** {@link Store.listTrim}. */
  listTrim(...given: Parameters<typeof OPS.listTrim>): this {
    return this.#add(OPS.listTrim(...given));
  }

  /** {@link Store.notify}. */
  notify(...given: Parameters<typeof OPS.notify>): this {
    return this.#add(OPS.notify(...given));
  }

  /** {@link Store.logAppend}. */
  logAppend(...given: Parameters<typeof OPS.logAppend>): this {
    return this.#add(OPS.logAppend(...given));
  }

  #add(op: Op): this {
    this.#ops.push(op);
    return this;
  }
}
