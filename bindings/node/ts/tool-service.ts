/** Serving tools: a service keeps them in the catalog for as long as it lives. */

import type * as native from '../native.cjs';
import { checkedOptions, needTexts } from './arguments.js';
import { type Identity, packed } from './calls.js';
import type { Clock } from './clock.js';
import { decode } from './codec/decode.js';
import type { Errand } from './errands.js';
import { InvalidError } from './errors.js';
import { ask, port } from './link.js';
import { type Figures, Served } from './serve.js';

import { type AnyTool, Tool } from './tools.js';

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
  constructor(bus: native.Bus, clock: Clock, tools: readonly AnyTool[], given: ToolServiceSettings) {
    super(clock);
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

/** What enlists functions of this thread. @internal */
export type Enlist = (run: (errand: Errand) => unknown) => number;

/** Tools, or a refusal. @internal */
export function needTools(tools: readonly AnyTool[]): readonly AnyTool[] {
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

/** A tool as the native side takes it. @internal */
export function rowOf(one: AnyTool, enlist: Enlist): native.ToolRow {
  return { definition: packed(one.definition), function: enlist((errand) => one.answer(errand)) };
}

/** An authority as the native side takes it. @internal */
export function authorityRow(authority: Authority | undefined, enlist: Enlist): native.AuthorityRow | undefined {
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
