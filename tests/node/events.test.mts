/** Lifecycle events: published in the original's bytes, read, handled; never in the way. */

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import test from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Bus, connect, events, InvalidError } from '@stargazer/core';
import { Server } from '../harness/server.mjs';
import { both, theServer } from './fixture.mjs';
import { command } from './raw.mjs';

const own = () => `t:${randomUUID()}`;

/** The text of the first event. */
async function first(bus: Bus, stream: string): Promise<string> {
  const [entry] = await bus.entries(stream);
  return Buffer.from(entry?.fields.get('data') as Uint8Array).toString();
}

/** What CPython makes of the same value. */
function python(json: string): string {
  return execFileSync('python3', ['-c', 'import json,sys;sys.stdout.write(json.dumps(json.load(sys.stdin)))'], {
    input: json,
  }).toString();
}

both('events_travel_in_the_originals_bytes', async ({ bus }) => {
  const stream = own();
  const payload = {
    text: 'Ü😀\u007f\u2028"\\\n',
    numbers: [0, -1, 2 ** 53 - 1, 0.1, 1e-7, 5e-324, 1.5e300, 1e16, 940097477645821.25],
    nested: { a: [true, false, null], b: {} },
  };
  const fields = { arena: 'trading', arenaId: 'a1', phase: 'Ä', correlationId: 'c1', payload };
  const id = await bus.events({ stream }).publishAndWait('phase.complete', fields);
  const text = await first(bus, stream);
  const body = {
    schema_version: '1',
    kind: 'phase.complete',
    arena: 'trading',
    arena_id: 'a1',
    phase: 'Ä',
    ts: (JSON.parse(text) as { ts: string }).ts,
    correlation_id: 'c1',
    payload,
  };
  // JavaScript writes 1.5e300 as a whole number in JSON's eyes as well, and 1e16 without its exponent.
  const numbers = text.replace('1e+16', '10000000000000000');
  assert.equal(numbers, python(JSON.stringify(body)));
  const event = await bus.eventReader({ stream, lastId: '0' }).next();
  assert.deepEqual({ ...event }, { ...body, stream_id: id });
  assert.match(body.ts, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?\+00:00$/);
});

both('whatever is handed over becomes a payload', async ({ bus }) => {
  const stream = own();
  const publisher = bus.events({ stream });
  const reader = bus.eventReader({ stream, lastId: '0' });
  class Point {
    readonly x = 1;
    readonly _hidden = 2;
    get bad(): number {
      throw new Error('no');
    }
  }
  const cycle: Record<string, unknown> = { a: [1] };
  (cycle.a as unknown[]).push(cycle);
  let deep: unknown = 'end';
  for (let i = 0; i < 10_000; i++) deep = [deep];
  const twice = { y: 1 };
  const thrower = {
    get bad(): number {
      throw new Error('no');
    },
    fine: 1,
  };
  const table: [unknown, unknown][] = [
    [undefined, {}],
    ['', {}],
    ['c1', 'c1'],
    [cycle, { a: [1, '<cycle>'] }],
    [
      [twice, twice],
      [{ y: 1 }, { y: 1 }],
    ],
    [new Point(), { x: 1 }],
    [thrower, { bad: '<Error: no>', fine: 1 }],
    [{ d: new Date(0), e: new TypeError('x'), s: new Set([1]), m: new Map([[1, 'a']]), f: first }, undefined],
    [{ big: 2n ** 80n, fits: 5n, sym: Symbol('s'), lone: '\ud800', bytes: new Uint8Array([97, 0]) }, undefined],
    [{ toJSON: () => ({ z: 1 }) }, { z: 1 }],
  ];
  const odd = [
    { d: '1970-01-01T00:00:00.000Z', e: 'TypeError: x', s: [1], m: { 1: 'a' }, f: '<function first>' },
    { big: (2n ** 80n).toString(), fits: 5, sym: 'Symbol(s)', lone: '\ufffd', bytes: "b'a\\x00'" },
  ];
  for (const [payload, wanted] of table) {
    assert.notEqual(await publisher.publishAndWait('agent.signal', { payload }), '');
    const event = await reader.next();
    assert.deepEqual(JSON.parse(JSON.stringify(event?.payload)), wanted ?? odd.shift());
  }
  await publisher.publishAndWait('agent.signal', { payload: deep });
  assert.match(JSON.stringify((await reader.next())?.payload), /<too deep>/);
});

both('a_live_reader_misses_nothing_between_two_reads', async ({ bus }) => {
  const stream = own();
  const publisher = bus.events({ stream });
  await publisher.publishAndWait('agent.start');
  const reader = bus.eventReader({ stream });
  assert.equal(reader.lastId, '$');
  await reader.ready();
  for (const n of [1, 2, 3]) {
    // While nobody reads.
    await publisher.publish('agent.signal', { payload: n });
    assert.equal((await reader.next())?.payload, n);
  }
  const id = await publisher.publishAndWait('agent.complete');
  for await (const event of bus.eventReader({ stream, lastId: reader.lastId })) {
    assert.equal(event.stream_id, id);
    break;
  }
  const waiting = reader.next();
  assert.equal((await waiting)?.stream_id, id);
  const closing = reader.next();
  reader.close();
  assert.equal(await closing, undefined);
});

test('what_is_no_event_is_told_as_such', async () => {
  const { url } = await theServer();
  const port = Number(new URL(url).port);
  const stream = own();
  await using bus = await connect(url);
  const reader = bus.eventReader({ stream, lastId: '0', count: 2 });
  for (const [field, data, problem] of [
    ['other', '{}', 'no_data_field'],
    ['data', '', 'no_data_field'],
    ['data', Buffer.from([0xff, 0x7b, 0x7d]), 'bad_utf8'],
    ['data', '[1, 2]', 'not_an_object'],
    ['data', '17', 'not_an_object'],
    ['data', '{', 'json_decode: '],
    ['data', '['.repeat(100_000), 'json_decode: '],
  ] as const) {
    await command(port, 'XADD', stream, '*', field, data);
    const event = await reader.next();
    assert.ok(event?.error?.startsWith(problem), JSON.stringify(event));
    assert.equal(event?.stream_id, reader.lastId);
  }
  await command(port, 'XADD', stream, '*', 'data', '{"kind": 5, "x": NaN, "stream_id": "mine"}');
  const event = await reader.next();
  assert.deepEqual([event?.x, event?.stream_id], [Number.NaN, reader.lastId]);
});

both('events_are_handled_by_kind_or_by_beginning', async ({ bus }) => {
  const stream = own();
  const publisher = bus.events({ stream });
  for (const kind of ['phase.start', 'novel.kind', 'phase.error', 'agent.start']) {
    await publisher.publishAndWait(kind);
  }
  const reader = bus.eventReader({ stream, lastId: '0' });
  const seen: string[] = [];
  reader
    .on('phase.*', async ({ kind }) => {
      seen.push(`phase.* ${kind}`);
      if (kind === 'phase.error') throw new Error('a handler may fail');
    })
    .on('phase.start', ({ kind }) => seen.push(`phase.start ${kind}`))
    .on('agent.start', ({ kind }) => {
      seen.push(`agent.start ${kind}`);
      reader.close();
    });
  await reader.run();
  assert.deepEqual(seen, [
    'phase.* phase.start',
    'phase.start phase.start',
    'phase.* phase.error',
    'agent.start agent.start',
  ]);
  const wrong = bus.eventReader({ stream }).on('ph*', () => {});
  await assert.rejects(wrong.run(), InvalidError);
});

both('closing_sends_the_events_that_wait', async ({ bus }) => {
  const stream = own();
  const publisher = bus.events({ stream });
  for (let n = 1; n <= 1000; n++) publisher.publishNowait('agent.signal', { payload: n });
  await publisher.close();
  await publisher.close();
  assert.deepEqual({ ...publisher.stats }, { published: 1000, dropped: 0, failed: 0, late: 0, queued: 0 });
  assert.equal(await publisher.publish('agent.signal'), '');
  assert.equal(publisher.stats.dropped, 1);
  const reader = bus.eventReader({ stream, lastId: '0' });
  for (let n = 1; n <= 1000; n++) assert.equal((await reader.next())?.payload, n);
});

test('a_silent_server_holds_no_publisher_of_events_up', async (t) => {
  const server = await Server.start();
  t.after(() => server.close());
  await using bus = await connect(server.url, { responseTimeoutMs: 30_000 });
  const publisher = bus.events();
  assert.notEqual(await publisher.publishAndWait('agent.start'), '');
  await server.pause();
  try {
    for (let n = 0; n < 5; n++) {
      // What 50 ms are here and now, a timer beside it says; the server is silent for as long as it takes.
      const due = sleep(50).then(() => performance.now());
      assert.equal(await publisher.publish('agent.signal'), '');
      const late = performance.now() - (await due);
      assert.ok(late < 3000, `${late} ms later than a timer of 50 ms, at a server that would take 30 s`);
    }
    assert.equal(publisher.stats.late, 5);
  } finally {
    await server.resume();
  }
  await publisher.close();
  const { published, failed, dropped, queued } = publisher.stats;
  assert.deepEqual([published + failed + dropped, queued], [6, 0]);
});

both('deep_code_tells_the_bus_of_the_process', async ({ bus }) => {
  const stream = own();
  assert.ok(events.getEventBus() instanceof events.NullEventBus);
  events.publishNowait('agent.start', { payload: 'into the void' });
  const installed = events.installDefaultBus(bus, { stream });
  try {
    assert.equal(events.getEventBus(), installed);
    events.publishNowait('agent.complete', { payload: { channel: 'c1' } });
    const event = await bus.eventReader({ stream, lastId: '0' }).next();
    assert.deepEqual([event?.kind, { ...(event?.payload as object) }], ['agent.complete', { channel: 'c1' }]);
  } finally {
    events.setEventBus(undefined);
  }
  const none = events.getEventBus();
  assert.equal(await none.publish('agent.start'), '');
  assert.deepEqual([none.stream, none.stats.published], ['', 0]);
  await none.close();
});

both('options of events that are wrong are refused', async ({ bus }) => {
  for (const options of [{ stream: '' }, { stream: 5 }, { maxLen: -1 }]) {
    assert.throws(() => bus.events(options as events.EventOptions), InvalidError);
  }
  for (const options of [{ lastId: 'x' }, { count: 0 }, { blockMs: 0 }, { blockMs: 'soon' }]) {
    assert.throws(() => bus.eventReader(options as events.ReaderOptions), InvalidError);
  }
  assert.equal(events.EVENT_KINDS.size, 19);
  assert.ok(events.EVENT_KINDS.has('llm.call'));
});
