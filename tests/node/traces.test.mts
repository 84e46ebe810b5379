/** The life of a message by its trace id. */

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once as event } from 'node:events';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type Bus, InvalidError, inbound, message, NotFoundError, type State, type Trace } from '@stargazer/core';
import { both, theServer, until } from './fixture.mjs';

/** The trace once it has come to a state. */
async function once(bus: Bus, id: string, state: string): Promise<Trace> {
  let trace: Trace | undefined;
  await until('the trace is there', async () => {
    trace = await bus.trace(id).catch(() => undefined);
    return trace?.state === state;
  });
  return trace as Trace;
}

const say = (text: string) => ({
  ...inbound('web', { channel: 'c1', user: 'u1', text }),
  trace_id: randomUUID(),
});

both('a_message_is_followed_by_its_trace_id', async ({ again, inbound: stream }) => {
  const gateway = await again({ trace: 'gateway-1' });
  const worker = await again({ trace: 'worker-1' });
  const looks = await again();
  const said = say('Berlin?');
  await gateway.publishInbound(said);
  await using inbox = worker.consumeInbound();
  await inbox.run(async (_, d) => void (await d.bus.publishOutbound('web', message('c1', '21 °C'))), {
    untilIdle: true,
  });
  // In its own time, so that the order of the two last steps is known.
  await once(looks, said.trace_id, 'COMPLETED');
  await using outbox = gateway.consumeOutbound('web');
  const { value: d } = await outbox.next({ timeoutMs: 5000 });
  assert.ok(d !== undefined);
  assert.equal(d.traceId, said.trace_id, 'what a handler publishes belongs to the trace');
  await d.ack();
  const trace = await once(looks, said.trace_id, 'DELIVERED');
  assert.deepEqual(
    trace.steps.map(({ state, by }) => [state, by]),
    [
      ['RECEIVED', 'gateway-1'],
      ['QUEUED', 'gateway-1'],
      ['CLAIMED', 'worker-1'],
      ['DELIVERING', 'worker-1'],
      ['COMPLETED', 'worker-1'],
      ['DELIVERED', 'gateway-1'],
    ],
  );
  assert.deepEqual([trace.total, trace.illegal], [6, trace.steps.filter((step) => !step.legal).length]);
  assert.equal(trace.steps[2]?.detail.attempt, 1);
  assert.equal(trace.steps[2]?.detail.stream, stream);
  assert.ok(trace.updatedAtMs >= (trace.steps[0]?.atMs ?? Number.POSITIVE_INFINITY));
  assert.equal(trace.checkpoint, null);
});

both('retries_and_dead_letters_stand_in_the_trace', async ({ again, dead }) => {
  const bus = await again({ trace: 'worker-1' });
  const said = say('bad');
  await bus.publishInbound(said);
  await using inbox = bus.consumeInbound({ maxAttempts: 2, retryBaseMs: 10, retryMaxMs: 10 });
  const fails = async () => {
    throw new RangeError('it broke');
  };
  await inbox.run(fails, { untilIdle: true });
  const trace = await once(bus, said.trace_id, 'ERRORED');
  assert.deepEqual(
    trace.steps.map(({ state }) => state),
    ['RECEIVED', 'QUEUED', 'CLAIMED', 'ERRORED', 'RETRYING', 'QUEUED', 'CLAIMED', 'ERRORED'],
  );
  assert.equal(trace.illegal, 0);
  const last = trace.steps.at(-1)?.detail ?? {};
  assert.deepEqual([last.reason, last.attempt, last.dead_letters], ['max_attempts', '2', dead]);
  assert.match(String(last.error), /it broke/);
});

both('steps_of_ones_own_are_written_and_judged', async ({ bus }) => {
  const said = say('quiet');
  // Nothing is traced unasked.
  await bus.publishInbound(said);
  await assert.rejects(bus.trace(said.trace_id), NotFoundError);
  await bus.transition(said.trace_id, 'RECEIVED', { from: 'a test' });
  await bus.transition(said.trace_id, 'COMPLETED');
  assert.equal(await bus.checkpoint(said.trace_id, 'ERRORED', { turn: 3, text: 'ü' }), false);
  const trace = await bus.trace(said.trace_id);
  assert.deepEqual(
    trace.steps.map(({ state, legal }) => [state, legal]),
    [
      ['RECEIVED', true],
      ['COMPLETED', false],
      ['ERRORED', false],
    ],
  );
  assert.deepEqual([trace.illegal, trace.state, trace.checkpoint], [2, 'ERRORED', { turn: 3, text: 'ü' }]);
  assert.deepEqual(trace.steps[0]?.detail, { from: 'a test' });
  await assert.rejects(bus.transition('', 'QUEUED'), InvalidError);
  await assert.rejects(bus.transition(said.trace_id, 'DONE' as 'QUEUED'), /a state is one of/);
  // A step that nobody takes along leaves by itself.
  const alone = randomUUID();
  await bus.transition(alone, 'RECEIVED');
  await once(bus, alone, 'RECEIVED');
});

test('the example of traces runs', async () => {
  const { url } = await theServer();
  const example = new URL('../../../../examples/trace/trace.mjs', import.meta.url);
  const child = spawn(process.execPath, [fileURLToPath(example), url], { stdio: ['ignore', 'pipe', 'inherit'] });
  let said = '';
  child.stdout.on('data', (data) => {
    said += data;
  });
  assert.deepEqual(await event(child, 'close'), [0, null]);
  assert.deepEqual(said.trim().split('\n').slice(0, 4), ['RECEIVED', 'QUEUED', 'CLAIMED', 'INFERRING']);
});

/** The type's words; the checker refuses one that is missing here or there. */
const STATES: Record<State, true> = {
  RECEIVED: true,
  PREPROCESSING: true,
  QUEUED: true,
  CLAIMED: true,
  PRE_INFERENCE_GATHER: true,
  INFERRING: true,
  TOOL_EXECUTING: true,
  POSTPROCESSING: true,
  DELIVERING: true,
  DELIVERED: true,
  COMPLETED: true,
  ERRORED: true,
  RETRYING: true,
  RECLAIMED: true,
};

both('the states are those of the core', async ({ bus }) => {
  const error = await bus.transition('t', 'NOWHERE' as State).then(
    () => assert.fail('it must be refused'),
    (thrown: unknown) => thrown as InvalidError,
  );
  assert.ok(error instanceof InvalidError);
  const known = /one of (.*), not/.exec(error.message)?.[1]?.split(', ');
  assert.deepEqual(known, Object.keys(STATES));
});
