/** Calls: made, served, cancelled, and the ways in which they end. */

import assert from 'node:assert/strict';
import test from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import {
  type CallOptions,
  CancelledError,
  ClosedError,
  connect,
  ExpiredError,
  Failure,
  type Identity,
  InvalidError,
  inbound,
  NoWorkerError,
  Outcome,
  RemoteError,
  Reply,
  type Request,
  TimeoutError,
  tool,
} from '@stargazer/core';
import { both, gate, names, theServer, until } from './fixture.mjs';

const weather = async ({ arguments: { city } }: Request) => {
  if (city === 'Xanadu') {
    const writeback = { sent_files: [Buffer.from([0])] };
    throw new Failure('no_city', 'no such city', { details: { city }, writeback });
  }
  return `${city}: 21 °C`;
};

/** What a call failed with. */
async function failed(call: Promise<unknown>): Promise<RemoteError> {
  const error = await call.then(
    () => assert.fail('it must fail'),
    (thrown: unknown) => thrown,
  );
  assert.ok(error instanceof RemoteError, String(error));
  return error;
}

/** Ends when it is told to. */
const told = (signal: AbortSignal) =>
  new Promise<unknown>((resolve) => signal.addEventListener('abort', () => resolve(signal.reason), { once: true }));

both('a_call_runs_where_it_is_served', async ({ bus, again }) => {
  await using serving = await (await again()).serve({ weather }).ready();
  assert.equal(await bus.call<string>('weather', { city: 'Berlin' }), 'Berlin: 21 °C');
  assert.deepEqual(await serving.names(), ['weather']);
  assert.equal((await serving.figures()).handlers.weather?.succeeded, 1);
  assert.deepEqual({ ...bus.callFigures() }, { inFlight: 0, late: 0, malformed: 0 });
});

both('a_call_carries_the_context_of_its_trace', async ({ bus }) => {
  const tell = async ({ traceparent, tracestate }: Request) => [traceparent, tracestate];
  const handOn = async (request: Request) => request.bus.call('tell');
  await using _ = bus.serve({ tell, handOn });
  const traceparent = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`;
  const given = { traceparent, tracestate: 'vendor=x' };
  assert.deepEqual(await bus.call('tell', {}, given), [traceparent, 'vendor=x']);
  assert.deepEqual(await bus.call('handOn', {}, given), [traceparent, 'vendor=x']);
  assert.deepEqual(await bus.call('tell'), [null, null]);
});

both('a_failing_call_tells_code_text_and_details', async ({ bus }) => {
  const broken = () => {
    throw new RangeError('too far');
  };
  await using _ = bus.serve({ weather, broken });
  const error = await failed(bus.call('weather', { city: 'Xanadu' }));
  assert.deepEqual(
    [error.remoteCode, error.message, { ...error.details }],
    ['no_city', 'no such city', { city: 'Xanadu' }],
  );
  assert.deepEqual({ ...error.writeback }, { sent_files: [Buffer.from([0])] });
  const raised = await failed(bus.call('broken'));
  assert.deepEqual([raised.remoteCode, raised.message], ['RangeError', 'too far']);
  assert.equal((await failed(bus.call('nothing'))).remoteCode, 'unknown_tool');
});

both('a_call_that_nobody_answers_ends_by_its_timeout', async ({ bus }) => {
  const ended = gate<unknown>();
  await using _ = bus.serve({ slow: async ({ signal }) => ended.open(await told(signal)) });
  await assert.rejects(bus.call('slow', {}, { timeoutMs: 300 }), TimeoutError);
  assert.ok((await ended.promise) instanceof CancelledError);
});

both(
  'a_call_that_nobody_serves_says_so',
  async ({ bus }) => {
    await assert.rejects(bus.call('weather', { city: 'Berlin' }), NoWorkerError);
  },
  { noWorkerAfterMs: 300 },
);

both('a_request_that_is_read_too_late_is_not_run', async ({ bus }) => {
  const ran: unknown[] = [];
  const free = gate();
  const one = async ({ arguments: { name } }: Request) => {
    ran.push(name);
    await free.promise;
  };
  await using serving = bus.serve();
  await serving.handle('x', one, { concurrency: 1 });
  const first = bus.call('x', { name: 'first' });
  await until('the first runs', async () => ran.length === 1);
  const late = await bus.call('x', { name: 'late' }, { timeoutMs: 200 }).catch((error: unknown) => error);
  assert.ok(late instanceof ExpiredError || late instanceof TimeoutError);
  await until('it is given up', async () => {
    const of = (await serving.figures()).handlers.x;
    return (of?.expired ?? 0) + (of?.cancelled ?? 0) === 1;
  });
  free.open();
  await first;
  assert.deepEqual(ran, ['first']);
});

both('cancelling_a_call_reaches_its_handler', async ({ bus }) => {
  const began = gate();
  const ended = gate<unknown>();
  const endless = async ({ signal }: Request) => {
    began.open();
    ended.open(await told(signal));
  };
  await using serving = bus.serve({ endless });
  const abort = new AbortController();
  const call = bus.call('endless', {}, { signal: abort.signal });
  await began.promise;
  const reason = new Error('enough');
  abort.abort(reason);
  await assert.rejects(call, (error) => error === reason);
  const seen = await ended.promise;
  assert.ok(seen instanceof CancelledError);
  assert.equal(seen.context.reason, 'caller');
  await until('it is counted', async () => (await serving.figures()).handlers.endless?.cancelled === 1);
  await assert.rejects(bus.call('endless', {}, { signal: abort.signal }), (error) => error === reason);
});

both('bytes_written_back_survive', async ({ bus }) => {
  const data = Buffer.alloc(76_800, Buffer.from(Array.from({ length: 256 }, (_, n) => n)));
  const writeback = { sent_files: [{ data, mimetype: 'image/png', filename: 'p.png' }] };
  await using _ = bus.serve({ picture: () => new Reply('sent', { writeback }) });
  assert.deepEqual(await bus.callWith('picture'), { result: 'sent', writeback, remembered: false });
});

both('a_redelivered_turn_does_not_run_its_calls_again', async ({ bus }) => {
  let ran = 0;
  const given: number[] = [];
  await bus.publishInbound(inbound('web', { channel: 'c1', user: 'u1', text: 'x' }));
  await using _ = bus.serve({ charge: () => ++ran });
  await using inbox = bus.consumeInbound();
  await inbox.run(
    async (_msg, d) => {
      given.push(await d.bus.call('charge'));
      given.push(await d.bus.call('charge', {}, { memo: false }));
      return d.attempt === 1 ? Outcome.retry({ afterMs: 0 }) : undefined;
    },
    { untilIdle: true },
  );
  assert.deepEqual(given, [1, 2, 1, 3], 'the first is remembered with the turn, the second is not');
});

both('thousands of calls are in flight together', async ({ bus }) => {
  const allThere = gate();
  const echo = async ({ arguments: { n } }: Request) => {
    await allThere.promise;
    return n;
  };
  await using _ = bus.serve({ echo });
  const all = Array.from({ length: 2000 }, (_, n) => n);
  const answers = Promise.all(all.map((n) => bus.call<number>('echo', { n })));
  await until('all are in flight', async () => bus.callFigures().inFlight === all.length);
  allThere.open();
  assert.deepEqual(await answers, all);
});

both('a call says for whom it is made', async ({ bus }) => {
  const seen: Identity[] = [];
  const who = ({ identity, timeLeftMs }: Request) => {
    assert.ok(timeLeftMs !== undefined && timeLeftMs > 0);
    seen.push(identity);
  };
  await bus.publishInbound(inbound('web', { channel: 'c1', user: 'u1', text: 'x' }));
  await using _ = bus.serve({ who });
  await using inbox = bus.consumeInbound();
  await inbox.run(
    async (_msg, d) => {
      await d.bus.call('who');
    },
    { untilIdle: true },
  );
  await bus.call('who', {}, { identity: { platform: 'x', user_id: '9' } });
  assert.deepEqual(
    seen.map(({ platform, channel_id, user_id }) => [platform, channel_id, user_id]),
    [
      ['web', 'c1', 'u1'],
      ['x', '', '9'],
    ],
  );
});

both('a handler calls on with the time it has', async ({ bus }) => {
  const outer = ({ bus }: Request) => bus.call('inner', {}, { timeoutMs: 60_000 });
  await using _ = bus.serve({ inner: ({ timeLeftMs }) => timeLeftMs, outer });
  const left = await bus.call<number>('outer', {}, { timeoutMs: 2000 });
  assert.ok(left > 0 && left <= 2000, String(left));
});

both('wrong options of a call are named', async ({ bus }) => {
  const wrong: [unknown, string][] = [
    [{ timeoutMs: -1 }, 'timeoutMs'],
    [{ timeoutMs: 0 }, 'timeout'],
    [{ turn: 't' }, 'callId'],
    [{ memo: false, callId: '1' }, 'memo'],
    [{ callId: '1' }, 'memo'],
    [{ identity: { platfrom: 'x' } }, 'platfrom'],
    [{ timeout: 1 }, 'timeout'],
    [{ service: '' }, 'service'],
    [{ signal: 1 }, 'signal'],
  ];
  for (const [options, field] of wrong) {
    await assert.rejects(bus.call('x', {}, options as CallOptions), (error) => {
      assert.ok(error instanceof InvalidError, String(error));
      assert.equal(error.context.field, field);
      return true;
    });
  }
  await assert.rejects(bus.call('x', { a: () => {} }), InvalidError);
  await assert.rejects(bus.call(''), InvalidError);
  await assert.rejects(bus.call('x', []), InvalidError);
  assert.throws(() => bus.serve({ x: 1 as never }), InvalidError);
});

both('what cannot be sent back is a bad answer', async ({ bus }) => {
  await using _ = bus.serve({ odd: () => () => {} });
  assert.equal((await failed(bus.call('odd'))).remoteCode, 'bad_answer');
});

both('a bad answer is told by name and place', async ({ bus }) => {
  const odd = () => {};
  const cases: [unknown, string][] = [
    [odd, 'answer'],
    [[{ x: odd }], 'answer[0].x'],
    [{ rows: [1, odd] }, 'answer.rows[1]'],
    [new Reply(1, { writeback: { sent_files: [odd] } }), 'writeback.sent_files[0]'],
  ];
  let given: unknown;
  const tooled = tool({ name: 'tooled' }, async () => given);
  await using served = bus.serve({ odd: () => given });
  await using tools = bus.serveTools(tooled);
  await Promise.all([served.ready(), tools.ready()]);
  for (const [answer, place] of cases) {
    given = answer;
    for (const name of ['odd', 'tooled']) {
      const error = await failed(bus.call(name));
      assert.equal(error.remoteCode, 'bad_answer');
      const told = ['odd', 'tooled'].some((name) => error.message.includes(`\`${place}\` of \`${name}\` must be`));
      assert.ok(told, error.message);
    }
  }
});

both('one bus serves calls and tools', async ({ bus }) => {
  await using tools = bus.serveTools(tool({ name: 'tooled' }, async () => 'tooled'));
  const served = bus.serve({ plain: () => 'plain' });
  await Promise.all([tools.ready(), served.ready()]);
  for (let round = 0; round < 20; round++) {
    assert.deepEqual([await bus.call('plain'), await bus.call('tooled')], ['plain', 'tooled']);
  }
  await served.close();
  assert.equal((await failed(bus.call('plain'))).remoteCode, 'unknown_tool');
  assert.equal(await bus.call('tooled'), 'tooled');
});

both('names change while it serves', async ({ bus }) => {
  const other = ({ name }: Request) => `other ${name}`;
  await using serving = bus.serve({ a: weather }, { others: other });
  assert.equal(await bus.call('b'), 'other b');
  await serving.handle('a', other);
  assert.equal(await bus.call('a'), 'other a');
  assert.equal(await serving.remove('a'), true);
  assert.equal(await serving.remove('a'), false);
  await assert.rejects(serving.handle('a', other, { concurrency: 0 }), InvalidError);
});

test('a server that could not be opened says so', async () => {
  const bus = await connect('memory://', names());
  const serving = bus.serve({ weather }, { service: '' });
  await assert.rejects(serving.ready(), InvalidError);
  await assert.rejects(serving.close(), InvalidError);
  await bus.close();
  await assert.rejects(bus.call('x'), ClosedError);
  await assert.rejects(bus.serve({ weather }).ready(), ClosedError);
});

test('a thread that ends leaves its calls to others', async () => {
  const { url } = await theServer();
  const settings = names();
  const source = `
    const { connect } = require('@stargazer/core');
    const { parentPort, workerData } = require('node:worker_threads');
    connect(workerData.url, workerData.settings).then((bus) => {
      const stuck = () => new Promise(() => parentPort.postMessage('began'));
      return bus.serve({ x: stuck }).ready().then(() => parentPort.postMessage('open'));
    });`;
  const worker = new Worker(source, { eval: true, workerData: { url, settings } });
  const said = gate();
  const began = gate();
  worker.on('message', (text) => (text === 'open' ? said.open() : began.open()));
  await said.promise;
  await using bus = await connect(url, settings);
  const call = bus.call('x', {}, { timeoutMs: 30_000 });
  await began.promise;
  await worker.terminate();
  await using _ = bus.serve({ x: () => 'done' });
  assert.equal(await call, 'done');
});

test('a process that serves stays until it is told to end', async () => {
  await using bus = await connect('memory://', names());
  const serving = bus.serve({ weather });
  await serving.ready();
  await sleep(0);
  await serving.close();
  await serving.close();
});
