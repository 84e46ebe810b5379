/** Tools: schemas, serving, calling wherever they run, permissions, the catalog. */

import assert from 'node:assert/strict';
import test from 'node:test';
import {
  type AnyTool,
  ClosedError,
  connect,
  InvalidError,
  inbound,
  mergeWriteback,
  NotFoundError,
  Outcome,
  RemoteError,
  tool,
} from '@stargazer/core';
import { z } from 'zod';
import { both, gate, names, theServer } from './fixture.mjs';

const weather = tool(
  {
    name: 'weather',
    input: z
      .object({ city: z.string().describe('Its name.'), days: z.number().int().min(1).default(1) })
      .describe('Weather of a city.'),
  },
  async ({ city, days }) => `${city}: 21 °C for ${days}`,
);

const plain = (says: string) =>
  tool(
    {
      name: 'weather',
      input: {
        type: 'object',
        properties: { city: { type: 'string' } },
        required: ['city'],
        additionalProperties: false,
      },
    },
    ({ city }) => `${city}: ${says}`,
  );

/** What a call failed with. */
async function failed(call: Promise<unknown>): Promise<RemoteError> {
  const error = await call.then(
    () => assert.fail('it must fail'),
    (thrown: unknown) => thrown,
  );
  assert.ok(error instanceof RemoteError, String(error));
  return error;
}

test('the definition comes from the schema of zod', () => {
  const { parameters, ...rest } = weather.definition;
  assert.deepEqual(rest, {
    name: 'weather',
    description: 'Weather of a city.',
    permissions: [],
    no_background: false,
    allow_repeat: false,
  });
  assert.deepEqual(parameters, {
    type: 'object',
    properties: {
      city: { type: 'string', description: 'Its name.' },
      days: { default: 1, type: 'integer', minimum: 1, maximum: Number.MAX_SAFE_INTEGER },
    },
    required: ['city'],
  });
});

test('a tool has rules', () => {
  const { definition } = tool(
    {
      name: 'x',
      description: 'y',
      permissions: ['admin'],
      timeoutMs: 1500,
      concurrency: 2,
      place: 'worker',
      noBackground: true,
      allowRepeat: true,
    },
    () => {},
  );
  const { parameters, ...rest } = definition;
  assert.deepEqual(rest, {
    name: 'x',
    description: 'y',
    no_background: true,
    allow_repeat: true,
    timeout_ms: 1500,
    concurrency: 2,
    place: 'worker',
    permissions: ['admin'],
  });
  assert.equal(parameters.type, 'object');
});

test('what cannot be a tool is refused by name', () => {
  const wrong: [unknown, string][] = [
    [{ name: 'not a name' }, 'name'],
    [{ name: 'x', concurrency: 0 }, 'concurrency'],
    [{ name: 'x', nam: 'y' }, 'nam'],
    [{ name: 'x', place: 'moon' }, 'place'],
    [{ name: 'x', input: 1 }, 'input'],
    [{ name: 'x', permissions: 'admin' }, 'permissions'],
  ];
  for (const [options, field] of wrong) {
    assert.throws(
      () => tool(options as { name: string }, () => {}),
      (error) => error instanceof InvalidError && error.context.field === field,
      field,
    );
  }
  assert.throws(() => tool({ name: 'x' }, 1 as never), InvalidError);
  const other = { '~standard': { version: 1, vendor: 'other', validate: (value: unknown) => ({ value }) } } as const;
  assert.throws(() => tool({ name: 'x', input: other }, () => {}), /other does not tell its JSON Schema/);
});

test('what no JSON Schema can say is refused by name', () => {
  for (const inner of [z.date(), z.bigint(), z.symbol(), z.map(z.string(), z.string()), z.custom<string>()]) {
    assert.throws(
      () => tool({ name: 'x', input: z.object({ inner }) }, () => {}),
      (error: unknown) =>
        error instanceof InvalidError && error.context.field === 'input' && error.cause instanceof Error,
    );
  }
  const cycle: Record<string, unknown> = { type: 'object' };
  cycle.properties = cycle;
  assert.throws(() => tool({ name: 'x', input: cycle }, () => {}), InvalidError);
});

both('the function is given what its schema makes of the arguments', async ({ bus, again }) => {
  const input = z.object({
    count: z.coerce.number().int(),
    city: z.preprocess((given) => (typeof given === 'string' ? given.trim() : given), z.string().min(1)),
    when: z.string().transform((text) => new Date(text)),
    many: z.array(z.string()).default([]),
  });
  const shown = tool({ name: 'shown', input }, ({ count, city, when, many }) => [count, city, when.getTime(), many]);
  await using _ = await (await again()).serveTools(shown).ready();
  assert.deepEqual(await bus.call('shown', { count: 7, city: ' Bonn ', when: '1970-01-01T00:00:01Z' }), [
    7,
    'Bonn',
    1000,
    [],
  ]);
  // The definition says integer, and is what arguments are checked against first.
  const refused = await failed(bus.call('shown', { count: '7', city: 'Bonn', when: '' }));
  assert.match(refused.message, /`count` must be integer, found text "7"/);
  assert.match((await failed(bus.call('shown', { count: 7, city: ' ', when: '' }))).message, /`city`/);
});

both('a_tool_is_called_by_its_name', async ({ bus, again }) => {
  await using service = await (await again()).serveTools(weather).ready();
  assert.equal(await bus.call<string>('weather', { city: 'Berlin' }), 'Berlin: 21 °C for 1');
  assert.equal((await service.figures()).handlers.weather?.succeeded, 1);
  const workers = await bus.toolWorkers();
  assert.deepEqual(
    workers.map(({ instance, tools }) => [instance, tools.map(({ name }) => name)]),
    [[await service.instance(), ['weather']]],
  );
  assert.deepEqual([workers[0]?.hasRoom('weather'), workers[0]?.hasRoom('another')], [true, false]);
  await using registry = await bus.toolRegistry();
  assert.equal((await registry.workers())[0]?.instance, workers[0]?.instance);
  await service.close();
  assert.deepEqual(await bus.toolWorkers(), []);
});

both('wrong_arguments_are_told_before_the_tool_runs', async ({ bus }) => {
  await using service = bus.serveTools(plain('21 °C'));
  await service.ready();
  const error = await failed(bus.call('weather', { citty: 'Berlin' }));
  assert.equal(error.remoteCode, 'invalid_arguments');
  assert.match(error.message, /is `city` meant\?/);
  assert.equal(error.details.tool, 'weather');
  await using registry = await bus.toolRegistry();
  await assert.rejects(registry.call('weather', { citty: 'Berlin' }), InvalidError);
});

both('what a schema refuses is a wrong argument, and what it makes is given', async ({ bus }) => {
  const even = z.object({ n: z.number().refine((n) => n % 2 === 0, 'must be even'), at: z.iso.datetime().optional() });
  const half = tool({ name: 'half', input: even }, ({ n }) => n / 2);
  const shout = tool({ name: 'shout', input: z.object({ text: z.string().trim() }) }, ({ text }) => text);
  await using _ = bus.serveTools(half, shout);
  assert.equal(await bus.call('half', { n: 4 }), 2);
  const error = await failed(bus.call('half', { n: 3 }));
  assert.equal(error.remoteCode, 'invalid_arguments');
  assert.match(error.message, /`n`: must be even/);
  assert.equal(await bus.call('shout', { text: '  x ' }), 'x');
});

both('a tool writes back also when it fails', async ({ bus }) => {
  const data = Buffer.alloc(256_000, 'x');
  const draw = tool({ name: 'draw', input: z.object({ ok: z.boolean() }) }, ({ ok }, context) => {
    context.sentFile({ data, mimetype: 'image/png', filename: 'p.png' });
    context.injectTool('more');
    if (!ok) throw new RangeError('no ink');
    return context.name;
  });
  const written = {
    sent_files: [{ data, mimetype: 'image/png', filename: 'p.png', source_url: '' }],
    injected_tools: ['more'],
  };
  await using _ = bus.serveTools(draw);
  assert.deepEqual(await bus.callWith('draw', { ok: true }), { result: 'draw', writeback: written, remembered: false });
  const error = await failed(bus.call('draw', { ok: false }));
  assert.deepEqual([error.remoteCode, error.message, { ...error.writeback }], ['RangeError', 'no ink', written]);
  const have: Record<string, unknown> = { sent_files: ['x'], n: 1 };
  mergeWriteback(have, { sent_files: ['y'], n: 2 });
  assert.deepEqual(have, { sent_files: ['x', 'y'], n: 2 });
});

both('a tool ends when its time is over', async ({ bus }) => {
  const ended = gate();
  const slow = tool({ name: 'slow', timeoutMs: 200 }, async (_args, { signal }) => {
    await new Promise((resolve) => signal.addEventListener('abort', resolve));
    ended.open();
  });
  await using _ = bus.serveTools(slow);
  assert.equal((await failed(bus.call('slow'))).remoteCode, 'timeout');
  await ended.promise;
});

both('permissions_are_asked_where_a_tool_runs', async ({ bus }) => {
  const ban = tool({ name: 'ban', permissions: ['admin'] }, () => 'banned');
  const one = { platform: 'web', user_id: '1' };
  const two = { platform: 'web', user_id: '2' };
  const table = { 'web:1': ['admin'] };
  const asked = async ({ user_id }: { user_id?: string }, permission: string) =>
    user_id === '1' && permission === 'admin';
  for (const authority of [table, asked]) {
    await using service = bus.serveTools(ban, { authority });
    await service.ready();
    await using registry = await bus.toolRegistry({ authority });
    assert.equal(await bus.call('ban', {}, { identity: one }), 'banned');
    assert.equal((await failed(bus.call('ban', {}, { identity: two }))).remoteCode, 'permission_denied');
    assert.deepEqual(
      (await registry.definitionsFor(one)).map(({ name }) => name),
      ['ban'],
    );
    assert.deepEqual(await registry.openaiToolsFor(two), []);
  }
});

both('a_registry_offers_and_calls_what_others_serve', async ({ bus, again }) => {
  await using service = await (await again()).serveTools(weather).ready();
  const registry = await bus.toolRegistry();
  const { name, description, parameters } = weather.definition;
  assert.deepEqual(registry.openaiTools(), [{ type: 'function', function: { name, description, parameters } }]);
  assert.deepEqual(registry.route('weather'), { to: 'service', service: await service.service() });
  assert.equal(registry.schemaHash, await service.schemaHash());
  assert.equal(await registry.call('weather', { city: 'Berlin' }), 'Berlin: 21 °C for 1');
  await assert.rejects(registry.call('nothing'), NotFoundError);
  assert.throws(() => registry.get('nothing'), NotFoundError);
  assert.equal(registry.get('weather').description, 'Weather of a city.');
  registry.close();
  assert.throws(() => registry.definitions(), ClosedError);
});

both('a registry follows the catalog', async ({ bus, again }) => {
  const other = await again();
  await using service = other.serveTools(weather);
  await service.ready();
  const registry = await bus.toolRegistry();
  const { version } = registry;
  await using more = other.serveTools(tool({ name: 'more' }, () => {}));
  await more.ready();
  await registry.changed(version);
  await registry.reload();
  assert.deepEqual(
    registry.definitions().map(({ name }) => name),
    ['more', 'weather'],
  );
  const closing = assert.rejects(registry.changed(registry.version), ClosedError);
  registry.close();
  await closing;
});

both('a_tool_of_ones_own_runs_in_the_process', async ({ bus, again }) => {
  await using service = (await again()).serveTools(plain('21 °C'));
  await service.ready();
  const tools: AnyTool[] = [plain('here')];
  const of = async (options: object) => {
    await using registry = await bus.toolRegistry({ tools, ...options });
    return await registry.call('weather', { city: 'Berlin' });
  };
  assert.equal(await of({}), 'Berlin: here');
  assert.equal(await of({ mode: 'remote' }), 'Berlin: 21 °C');
  assert.equal(await of({ mode: 'remote', forceInProcess: ['weather'] }), 'Berlin: here');
  await assert.rejects(bus.toolRegistry({ forceInProcess: ['weather'] }), InvalidError);
  await assert.rejects(bus.toolRegistry({ mode: 'elsewhere' as 'remote' }), InvalidError);
  const remote = await again({ toolsServiceMode: 'remote', toolsForceInProcess: ['weather'] });
  assert.deepEqual((await remote.toolRegistry({ tools })).route('weather'), { to: 'in_process' });
});

both('a redelivered turn does not pay for a tool again', async ({ bus }) => {
  let ran = 0;
  const given: unknown[] = [];
  await using service = bus.serveTools(tool({ name: 'charge' }, () => ++ran));
  await service.ready();
  await using registry = await bus.toolRegistry();
  await bus.publishInbound(inbound('web', { channel: 'c1', user: 'u1', text: 'x' }));
  await using inbox = bus.consumeInbound();
  await inbox.run(
    async (_msg, d) => {
      given.push(await registry.call('charge', {}, { bus: d.bus }));
      given.push(await d.bus.call('charge', {}, { callId: 'call_1' }));
      return d.attempt === 1 ? Outcome.retry({ afterMs: 0 }) : undefined;
    },
    { untilIdle: true },
  );
  assert.deepEqual(given, [1, 2, 1, 2]);
});

test('what cannot be served is refused', async () => {
  await using bus = await connect('memory://', names());
  await assert.rejects(bus.serveTools().ready(), InvalidError);
  await assert.rejects(bus.serveTools(weather, weather).ready(), InvalidError);
  assert.throws(() => bus.serveTools({ name: 'x' } as never), InvalidError);
});

test('closing the bus ends its tools', async () => {
  const { url } = await theServer();
  const settings = names();
  await using watching = await connect(url, settings);
  const bus = await connect(url, settings);
  await bus.serveTools(weather).ready();
  assert.equal((await watching.toolWorkers()).length, 1);
  await bus.close();
  assert.deepEqual(await watching.toolWorkers(), []);
});
