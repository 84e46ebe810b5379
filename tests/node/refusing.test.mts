/** Bad input and bad servers: each a typed error that says what to do. */

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import {
  AuthError,
  type BusSettings,
  ClosedError,
  ConflictError,
  connect,
  FullError,
  InvalidError,
  inbound,
  MalformedError,
  message,
  NotFoundError,
  Outcome,
  type StargazerError,
  TooLargeError,
  UnavailableError,
} from '@stargazer/core';
import { Server } from '../harness/server.mjs';
import { bench, both, theServer } from './fixture.mjs';
import { command } from './raw.mjs';

type Kind = new (...parameters: never[]) => StargazerError;

/** What it fails with, which must be of that kind. */
async function failure(promise: Promise<unknown>, kind: Kind): Promise<StargazerError> {
  let value: unknown;
  try {
    value = await promise;
  } catch (error) {
    assert.ok(error instanceof kind, `${error}`);
    return error;
  }
  assert.fail(`expected ${kind.name}, found ${value}`);
}

const good = () => inbound('web', { channel: 'c1', user: 'u1', text: 'hello' });

both('a_field_of_the_wrong_type_is_invalid', async ({ bus }) => {
  const error = await failure(bus.publishInbound({ ...good(), content: 5 as unknown as string }), InvalidError);
  assert.deepEqual([error.context.field, error.context.stored], ['content', 'no']);
});

both('a_missing_field_is_invalid', async ({ bus }) => {
  const { message_id: _, ...rest } = good();
  const error = await failure(bus.publishInbound(rest as ReturnType<typeof good>), InvalidError);
  assert.deepEqual([error.context.field, error.context.found], ['message_id', 'nothing']);
});

both('an_unknown_type_is_invalid', async ({ bus }) => {
  const error = await failure(
    bus.publishOutbound('web', { ...message('c', 't'), type: 'dance' as 'message' }),
    InvalidError,
  );
  assert.equal(error.context.field, 'type');
});

both(
  'a_body_over_the_limit_is_too_large',
  async ({ bus }) => {
    const error = await failure(bus.publish('s', { blob: Buffer.alloc(2048) }), TooLargeError);
    assert.deepEqual([error.context.limit, error.context.stored], ['max_bytes', 'no']);
  },
  { maxBodyBytes: 1024 },
);

both('a_body_too_deep_is_too_large', async ({ bus }) => {
  let body: unknown = 1;
  for (let i = 0; i < 65; i++) body = [body];
  const error = await failure(bus.publish('s', body), TooLargeError);
  assert.equal(error.context.limit, 'max_depth');
});

both('a_group_of_another_mode_is_a_conflict', async ({ bus }) => {
  await bus.consume('s', 'g', { ordering: 'lanes' }).open();
  await failure(bus.consume('s', 'g', { ordering: 'none' }).open(), ConflictError);
});

both(
  'a_full_stream_refuses_a_publish',
  async ({ bus }) => {
    await bus.publish('s', { n: 1 });
    await bus.publish('s', { n: 2 });
    const error = await failure(bus.publish('s', { n: 3 }), FullError);
    assert.deepEqual([error.retryable, error.context.stored], [true, 'no']);
  },
  { cap: 2, strictCap: true, publishTimeoutMs: 50 },
);

both('a_closed_bus_says_so', async ({ again }) => {
  const bus = await again();
  await bus.close();
  await bus.close();
  await failure(bus.publishInbound(good()), ClosedError);
  await failure(bus.streamInfo('s'), ClosedError);
  await failure(bus.consumeInbound().next(), ClosedError);
});

both('an_unknown_stream_is_not_found', async ({ bus }) => {
  await failure(bus.streamInfo('nothing'), NotFoundError);
  await failure(bus.pending('nothing', 'nobody'), NotFoundError);
});

test('an_unreachable_server_is_unavailable', async () => {
  const error = await failure(connect('redis://127.0.0.1:1', { connectTimeoutMs: 50 }), UnavailableError);
  assert.equal(error.retryable, true);
});

test('a_wrong_password_is_an_auth_error', async (t) => {
  const server = await Server.start('--password', 'right');
  t.after(() => server.close());
  const url = server.url.replace(/\/\/[^@]*@?127/, '//:wrong@127');
  await failure(connect(url), AuthError);
});

test('what core says of a setting names it as it is spelled here', async () => {
  const invalid = (promise: Promise<unknown>) => failure(promise, InvalidError);
  const bus = await connect('memory://');
  const lease = await invalid(bus.consumeInbound({ leaseMs: 1 }).next());
  assert.equal(lease.context.setting, 'leaseMs');
  assert.match(lease.message, /^leaseMs is /);
  const attempts = await invalid(bus.consumeInbound({ maxAttempts: 0 }).next());
  assert.match(attempts.message, /^maxAttempts is 0/);
  await bus.close();
  const replicas = await invalid(connect('memory://', { waitReplicas: 1 }));
  assert.match(replicas.message, /waitReplicas/);
  const both = await invalid(connect('memory://', { retention: 'capped', cap: 5 }));
  assert.match(both.message, /not capped with cap 5$/);
});

test('options may be null, and nothing but an object', async () => {
  const bus = await connect('memory://', null as never);
  await bus.consumeInbound(null as never).close();
  await failure(bus.publish('s', 1, 5 as never), InvalidError);
  assert.equal((await bus.publish('s', 1, null as never)).duplicate, false);
  // Of what stands in them, `undefined` was not given, and null is nothing that they could be.
  const nothing = { messageId: undefined, key: undefined, waitReplicas: undefined, traceparent: undefined };
  assert.equal((await bus.publish('s', 1, nothing as never)).duplicate, false);
  for (const option of ['messageId', 'key', 'traceId', 'traceparent', 'tracestate', 'waitReplicas']) {
    const error = await failure(bus.publish('s', 1, { [option]: null }), InvalidError);
    assert.equal(error.context.field, option);
  }
  const refused: [string, () => unknown][] = [
    ['url', () => connect(null as never)],
    ['role', () => connect('memory://', { role: null as never })],
    ['cap', () => connect('memory://', { cap: null as never })],
    ['timeoutMs', () => bus.call('x', {}, { timeoutMs: null as never })],
    ['timeoutMs', () => bus.consume('s', 'g').next({ timeoutMs: null as never })],
    ['concurrency', () => bus.consume('s', 'g', { concurrency: null as never })],
    ['ttlMs', () => bus.lock('l', { ttlMs: null as never })],
    ['stream', () => bus.deadLetters(null as never)],
    ['reason', () => Outcome.retry({ reason: null as never })],
    ['afterMs', () => Outcome.retry({ afterMs: null as never })],
    ['count', () => bus.entries('s', { count: null as never })],
    ['ttlMs', () => bus.store().set('k', 'v', { ttlMs: null as never })],
  ];
  for (const [field, use] of refused) {
    const error = await failure((async () => use())(), InvalidError);
    assert.equal(error.context.field ?? error.context.setting, field);
  }
  await bus.close();
  await failure(connect('memory://', 'worker' as never), InvalidError);
});

test('addresses and settings that are wrong are invalid', async () => {
  const { url } = await theServer();
  const wrong: [string, BusSettings & Record<string, unknown>, string][] = [
    ['http://host', {}, 'url'],
    ['memory://', { publish_timeout: 5 }, 'publish_timeout'],
    ['memory://', { publishTimeoutMs: -1 }, 'publishTimeoutMs'],
    ['memory://', { publishTimeoutMs: '5' as unknown as number }, 'publishTimeoutMs'],
    ['memory://', { cap: 1.5 }, 'cap'],
    ['memory://', { retention: 'some' as 'acked' }, 'retention'],
    ['memory://', { role: 'boss' }, 'role'],
    ['memory://', { role: 'gateway' }, 'platforms'],
    ['memory://', { role: 'gateway', platforms: 'web' }, 'platforms'],
    [5 as unknown as string, {}, 'url'],
  ];
  for (const [address, settings, field] of wrong) {
    const error = await failure(connect(address, settings), InvalidError);
    assert.equal(error.context.field, field);
  }
  const bus = await connect(url);
  assert.throws(() => bus.consume('s', 'g', { concurency: 5 } as object), InvalidError);
  await failure(bus.consume('s', 'g', { concurrency: 0 }).open(), InvalidError);
  await failure(bus.publish('s', 1, { messageId: 5 as unknown as string }), InvalidError);
  await failure(bus.publish(5 as unknown as string, 1), InvalidError);
  await failure(bus.entries('s', { after: 'yesterday' }), InvalidError);
  await bus.close();
});

/** A body that somebody else put there goes to the dead letters unrun, and the reason is told. */
async function deadLettered(t: TestContext, body: Buffer): Promise<void> {
  const server = await theServer();
  const { bus, dead } = await bench(t, server.url);
  await bus.publish('s', { n: 1 });
  const { stream } = await bus.publish('s', { n: 2 });
  await command(server.about.port, 'XADD', stream, '*', 'data', body);
  const handled: unknown[] = [];
  await bus.consume('s', 'g').run((data) => void handled.push(data), { untilIdle: true });
  assert.deepEqual(handled, [{ n: 1 }, { n: 2 }]);
  const [letter, ...others] = await bus.entries(dead);
  assert.equal(others.length, 0);
  assert.equal(letter?.text('reason'), 'malformed');
  assert.deepEqual(letter?.raw, body);
  assert.throws(() => letter?.data, MalformedError);
}

test('an_entry_that_is_no_msgpack_is_malformed', (t) => deadLettered(t, Buffer.from('{"json": true}')));

test('an_entry_with_text_that_is_not_utf8_is_malformed', (t) => deadLettered(t, Buffer.from('81a16ea2c328', 'hex')));

both('arguments of the wrong type are named', async ({ bus }) => {
  const odd = { messageID: 'm' } as unknown as { messageId: string };
  await assert.rejects(bus.publish('s', 1, odd), (e) => e instanceof InvalidError && e.context.field === 'messageID');
  const nothing = undefined as unknown as string;
  assert.throws(() => message('c1', nothing), InvalidError);
  assert.throws(() => message(nothing, 'text'), InvalidError);
  assert.throws(() => Outcome.retry({ afterMs: -1 }), InvalidError);
});
