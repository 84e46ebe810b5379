/**
 * Every function, class and method that is exported, called with garbage: what is refused is refused with an error of ours that
 * names what was wrong, and nothing crashes.
 */

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import * as sg from '@stargazer/core';
import * as testing from '@stargazer/core/testing';

const GARBAGE: readonly unknown[] = [
  undefined,
  null,
  Number.NaN,
  -0.5,
  2n ** 80n,
  'x'.repeat(2000),
  '\ud800',
  Symbol('s'),
  () => {},
  [],
  [null],
  {},
  Object.create(null),
  new Date(Number.NaN),
  {
    get name(): never {
      throw new Ours('a getter that throws');
    },
  },
  new Proxy(
    {},
    {
      ownKeys: () => {
        throw new Ours('a proxy that throws');
      },
    },
  ),
];

/** Garbage alone, everywhere, and behind what is sound: a name, two names, a name and an object. */
function calls(garbage: unknown): unknown[][] {
  return [
    [],
    [garbage],
    [garbage, garbage, garbage],
    ['x', garbage],
    ['x', 'y', garbage],
    ['x', {}, garbage],
    [() => {}, garbage],
  ];
}

/** For the package's own use; the types leave them out. */
const INTERNAL: ReadonlySet<PropertyKey> = new Set([
  'answer',
  'begin',
  'cancel',
  'enlist',
  'flush',
  'onClosed',
  'open',
  'opened',
  'openEvents',
  'openReader',
  'part',
]);

/** What ends the thing itself comes last. */
const ENDS = /^(close|stop|drain|end|ended|resign|release|return|reached)$|Symbol\(/;

/** Methods, those of its classes of ours included. */
function methodsOf(thing: object): PropertyKey[] {
  const found = new Set<PropertyKey>();
  for (
    let at = thing;
    at !== null && at !== Object.prototype && at !== Function.prototype;
    at = Object.getPrototypeOf(at)
  ) {
    for (const key of Reflect.ownKeys(at)) {
      if (key === 'constructor' || key === 'prototype' || INTERNAL.has(key)) continue;
      const described = Object.getOwnPropertyDescriptor(at, key);
      if (typeof described?.value === 'function') found.add(key);
    }
  }
  return [...found].sort((a, b) => Number(ENDS.test(String(a))) - Number(ENDS.test(String(b))));
}

/** What users make themselves; everything else comes from a bus. */
const MADE: readonly unknown[] = [
  sg.AdapterKinds,
  sg.Ext,
  sg.events.NullEventBus,
  sg.Gateway,
  sg.Intake,
  sg.ProxyAdapter,
  sg.RedisPlatform,
  sg.Reply,
];

/** What is wrong, by what was called and how it failed, with the first arguments that did it. */
const wrong = new Map<string, string>();

class Ours extends Error {}

/** What an error must be: ours, no bug, and telling what was wrong where a call was. */
function judge(what: string, given: readonly unknown[], error: unknown): void {
  const shown = given.map((value) => {
    try {
      return typeof value === 'string' && value.length > 9
        ? 'xxx…'
        : typeof value === 'function'
          ? '()'
          : String(value);
    } catch {
      return typeof value;
    }
  });
  const complain = (text: string) => {
    const key = `${what}: ${text}`;
    if (!wrong.has(key)) wrong.set(key, shown.join(', '));
  };
  // What the caller's own code throws is the caller's.
  if (error instanceof sg.Failure || error instanceof sg.Reject || error instanceof Ours) return;
  if (!(error instanceof sg.StargazerError)) {
    complain(error instanceof Error ? String(error.stack).split('\n', 3).join(' ') : String(error));
  } else if (error.code === 'internal') {
    complain(`${error}`);
  } else if (error.code === 'invalid' && Object.keys(error.context).length === 0) {
    complain(`names nothing: ${error}`);
  }
}

/** Calls it in every way; what waits is left waiting. */
async function harass(what: string, call: (...given: unknown[]) => unknown): Promise<void> {
  const answers: Promise<unknown>[] = [];
  for (const garbage of GARBAGE) {
    for (const given of calls(garbage)) {
      try {
        const answer = call(...given);
        if (!(answer instanceof Promise)) continue;
        answers.push(answer.then(undefined, (error: unknown) => judge(what, given, error)));
      } catch (error) {
        judge(what, given, error);
      }
    }
  }
  await Promise.race([Promise.all(answers), sleep(50)]);
}

async function harassAll(name: string, thing: object): Promise<void> {
  for (const key of methodsOf(thing)) {
    const what = `${name}.${String(key)}`;
    await harass(what, (...given) => (thing as Record<PropertyKey, (...all: unknown[]) => unknown>)[key]?.(...given));
  }
}

class Web extends sg.PlatformAdapter {
  readonly name = 'web';
  isRunning(): boolean {
    return true;
  }
  start(): void {}
  stop(): void {}
  send(): string {
    return '1';
  }
  isChannelValid(): boolean {
    return true;
  }
}

/** One of everything that is made by something else. */
async function things(bus: sg.Bus): Promise<Record<string, object>> {
  await bus.publishInbound(sg.inbound('web', { channel: 'c', user: 'u', text: 't' }));
  await bus.publish('s', 1);
  const consumer = bus.consume('s', 'g', { drainTimeoutMs: 0 });
  const { value: delivery } = await consumer.next();
  const lock = bus.lock('l', { waitMs: 0 });
  const lease = bus.lease('e', { waitMs: 0 });
  const platform = new sg.RedisPlatform(bus);
  const tool = sg.tool({ name: 't' }, () => 1);
  return {
    delivery: delivery as object,
    publisher: (delivery as sg.Delivery).bus,
    held: await lock.acquire(),
    lock,
    lease,
    singleton: bus.singleton('j'),
    batch: bus.store().batch(),
    subscription: await bus.store().subscribe('c'),
    store: bus.store(),
    letters: bus.deadLetters(),
    serving: bus.serve({ a: () => 1 }),
    tool,
    service: await bus.serveTools(tool).ready(),
    registry: await bus.toolRegistry(),
    eventBus: bus.events({ stream: 'ev' }),
    reader: bus.eventReader({ stream: 'ev' }),
    topology: bus.topology,
    time: bus.time,
    intake: new sg.Intake(bus, 'web'),
    proxy: new sg.ProxyAdapter(bus, 'web'),
    kinds: new sg.AdapterKinds(),
    platform,
    gateway: new sg.Gateway(bus, [new Web()]),
    entry: (await bus.entries(bus.topology.inboundStream))[0] as object,
    consumer,
    bus,
  };
}

after(() => sg.events.setEventBus(undefined));

test('garbage is refused by name wherever it is given', { timeout: 300_000 }, async () => {
  const bus = await sg.connect('memory://', {
    role: 'standalone',
    platforms: ['web'],
    noWorkerAfterMs: 0,
    callTimeoutMs: 50,
  });
  const { events, ...exported } = { ...sg, ...testing } as Record<string, unknown>;
  for (const [name, value] of Object.entries({ ...exported, ...(events as object) })) {
    if (typeof value !== 'function' || INTERNAL.has(name)) continue;
    const source = Function.prototype.toString.call(value);
    if (!source.startsWith('class')) await harass(name, value as () => unknown);
    else if (!(value.prototype instanceof Error)) {
      if (MADE.includes(value)) await harass(`new ${name}`, (...given) => Reflect.construct(value, given));
      await harassAll(name, value);
    }
  }
  await harass('new Gateway of a bus', (...given) => new sg.Gateway(bus, ...(given as [never])));
  await harass('new Gateway of an adapter', (...given) => new sg.Gateway(bus, [new Web()], ...(given as [never])));
  await harass('new RedisPlatform of a bus', (...given) => new sg.RedisPlatform(bus, ...(given as [never])));
  await harass('new ProxyAdapter of a bus', (...given) => new sg.ProxyAdapter(bus, ...(given as [never])));
  await harass('new Intake of a bus', (...given) => new sg.Intake(bus, ...(given as [never])));
  await harass('installDefaultBus of a bus', (...given) => sg.events.installDefaultBus(bus, ...(given as [never])));
  await harass('serve', (...given) => bus.serve({}, ...(given as [never])));
  await harass('serveTools', (...given) =>
    bus.serveTools(
      sg.tool({ name: 'g' }, () => 1),
      ...(given as [never]),
    ),
  );
  for (const [name, thing] of Object.entries(await things(bus))) await harassAll(name, thing);
  assert.deepEqual(
    [...wrong].map(([what, given]) => `${what} (${given})`),
    [],
  );
});
