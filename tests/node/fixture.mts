/** A bus on either transport, with streams that no other test uses. */

import { randomUUID } from 'node:crypto';
import { after, type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Bus, type BusSettings, type ConsumerSettings, connect } from '@stargazer/core';
import { Server } from '../harness/server.mjs';

let server: Promise<Server> | undefined;

/** The server of this file's tests, started at the first need. */
export function theServer(): Promise<Server> {
  server ??= Server.start();
  return server;
}

after(async () => {
  // Bun has one process and one copy of this module for all files: the next one starts a server of its own.
  const ended = server;
  server = undefined;
  await (await ended)?.close();
});

/** Settings under which a bus shares no stream with another test's. */
export function names(): Required<Pick<BusSettings, 'inboundStream' | 'toolsStream' | 'deadLetterStream'>> &
  BusSettings {
  const own = `t-${randomUUID().slice(0, 8)}`;
  return {
    inboundStream: `${own}:inbound`,
    outboundStreamPrefix: `${own}:outbound`,
    workerGroup: `${own}:workers`,
    gatewayGroupPrefix: `${own}:gateway`,
    toolsStream: `${own}:tools`,
    toolsGroup: `${own}:tools`,
    toolsReplyPrefix: `${own}:reply`,
    deadLetterStream: `${own}:dlq`,
    streamPrefix: own,
    toolsCatalogPrefix: `${own}:catalog`,
    toolsCatalogChannel: `${own}:catalog:channel`,
  };
}

/** What a test is given. */
export interface Bench {
  /** A bus for both roles and the platform `web`. */
  readonly bus: Bus;
  /** Another connection to the same. */
  readonly again: (settings?: BusSettings) => Promise<Bus>;
  /** Name of the dead letters' stream. */
  readonly dead: string;
  /** Name of the inbound stream. */
  readonly inbound: string;
  /** Name of the outbound stream of `web`. */
  readonly outbound: string;
  /** Name of the tools' stream and group. */
  readonly tools: string;
}

/** Connects for a test, and closes behind it. */
export async function bench(t: TestContext, url: string, settings: BusSettings = {}): Promise<Bench> {
  const own = { ...names(), ...settings };
  const open: Bus[] = [];
  t.after(() => Promise.all(open.map((bus) => bus.close())));
  const again = async (more: BusSettings = {}) => {
    const bus = await connect(url, { ...own, ...more, role: 'standalone', platforms: ['web', 'redis'] });
    open.push(bus);
    return bus;
  };
  const { deadLetterStream: dead, inboundStream: inbound, toolsStream: tools } = own;
  return { bus: await again(), again, dead, inbound, tools, outbound: `${own.outboundStreamPrefix}:web` };
}

/** A test that runs on both transports. */
export function both(
  name: string,
  body: (bench: Bench, t: TestContext) => Promise<void>,
  settings?: BusSettings,
): void {
  test(name, async (t) => {
    await t.test('on memory', async (t) => body(await bench(t, `memory://${randomUUID()}`, settings), t));
    await t.test('on a server', async (t) => body(await bench(t, (await theServer()).url, settings), t));
  });
}

/** Settings that notice things soon. */
export const quick: ConsumerSettings = { leaseMs: 2000, sweepMs: 500, retryBaseMs: 20, retryMaxMs: 100 };

/** Waits until a condition holds. */
export async function until(what: string, condition: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 30_000;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`never: ${what}`);
    await sleep(10);
  }
}

/** A promise and what settles it. */
export function gate<T = void>(): { promise: Promise<T>; open: (value: T) => void } {
  let open: (value: T) => void = () => {};
  const promise = new Promise<T>((resolve) => {
    open = resolve;
  });
  return { promise, open };
}
