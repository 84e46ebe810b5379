/** Adapters by the name of their kind, as a configuration names them. */

import { needFunction, needText } from '../arguments.js';
import { ConflictError, InvalidError } from '../errors.js';
import type { Publisher } from '../publisher.js';
import type { PlatformAdapter } from './adapter.js';
import type { CoreAdapter } from './core-adapter.js';
import { RedisPlatform } from './redis.js';

/** Makes an adapter from a bus and its settings. Does no I/O: that is what starting is for. */
export type MakeAdapter = (
  bus: Publisher,
  settings: Readonly<Record<string, unknown>>,
) => PlatformAdapter | CoreAdapter;

/** The kinds of adapters that can be made by name: at first those in the box, `redis`. */
export class AdapterKinds {
  readonly #kinds = new Map<string, MakeAdapter>([['redis', (bus, settings) => new RedisPlatform(bus, settings)]]);

  /** Adds a kind. `ConflictError` when there is one of that name, `InvalidError` for an empty name. */
  register(kind: string, make: MakeAdapter): this {
    if (typeof kind !== 'string' || kind === '') {
      throw new InvalidError('a kind of adapter must have a name', { context: { field: 'kind' } });
    }
    if (this.#kinds.has(kind)) {
      const text = `there is a kind of adapter called "${kind}" already; choose another name`;
      throw new ConflictError(text, { context: { kind } });
    }
    this.#kinds.set(kind, needFunction(make, 'make'));
    return this;
  }

  /** The names, sorted. */
  get names(): string[] {
    return [...this.#kinds.keys()].sort();
  }

  /** Makes an adapter. `InvalidError` for an unknown kind, listing the known ones; else as its maker fails. */
  create(
    kind: string,
    bus: Publisher,
    settings: Readonly<Record<string, unknown>> = {},
  ): PlatformAdapter | CoreAdapter {
    const make = this.#kinds.get(needText(kind, 'kind'));
    if (make === undefined) {
      const text = `there is no kind of adapter called "${kind}"; known are: ${this.names.join(', ')}`;
      throw new InvalidError(text, { context: { field: 'kind' } });
    }
    return make(bus, settings);
  }
}

/**
 * Makes an adapter of one of the kinds in the box; {@link AdapterKinds} takes others as well. `InvalidError` for an unknown kind,
 * listing the known ones.
 */
export function createAdapter(
  kind: string,
  bus: Publisher,
  settings: Readonly<Record<string, unknown>> = {},
): PlatformAdapter | CoreAdapter {
  return new AdapterKinds().create(kind, bus, settings);
}
