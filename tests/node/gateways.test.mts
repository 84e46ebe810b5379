/** Gateways with adapters that are written in JavaScript. */

import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import {
  AdapterKinds,
  AuthError,
  type BotIdentity,
  type Bus,
  type BusSettings,
  type Button,
  ClosedError,
  ConflictError,
  createAdapter,
  type Fields,
  Gateway,
  type GatewaySettings,
  type Inbound,
  type Intake,
  InvalidError,
  inbound,
  message,
  type OutgoingFile,
  PlatformAdapter,
  ProxyAdapter,
  RedisPlatform,
  RejectedError,
  RemoteError,
  type SendContext,
  type TurnEnd,
  tool,
  UnavailableError,
  updateOfInbound,
} from '@stargazer/core';
import { bench, both, gate, names, quick, theServer, until } from './fixture.mjs';

/** A platform that writes down what it is sent. */
class Board extends PlatformAdapter {
  readonly name = 'web';
  readonly saw: [channel: string, text: string, told: boolean][] = [];
  intake: Intake | undefined;
  running = false;
  before: (text: string, context: Required<SendContext>, signal: AbortSignal) => unknown = () => {};

  isRunning() {
    return this.running;
  }

  start(intake: Intake) {
    this.intake = intake;
    this.running = true;
  }

  stop() {
    this.running = false;
  }

  async send(channelId: string, text: string, context: Required<SendContext>, { signal }: { signal: AbortSignal }) {
    await this.before(text, context, signal);
    this.saw.push([channelId, text, context.mayBeRepeat]);
    return String(this.saw.length);
  }

  isChannelValid(channelId: string) {
    return channelId === 'c1';
  }

  of(channel: string) {
    return this.saw.filter(([of]) => of === channel).map(([, text, told]) => [text, told]);
  }

  get wayIn(): Intake {
    assert.ok(this.intake);
    return this.intake;
  }
}

type Settings = Omit<GatewaySettings, 'consumer'>;

async function running(bus: Bus, adapter: PlatformAdapter | RedisPlatform, settings: Settings = {}): Promise<Gateway> {
  const { name: _, ...consumer } = quick;
  const gateway = new Gateway(bus, [adapter], { consumer, restartBaseMs: 20, ...settings });
  await gateway.start();
  return gateway;
}

async function speak(bus: Bus, channel: string, ...texts: string[]): Promise<void> {
  for (const text of texts) {
    await bus.publishOutbound('web', { ...message(channel, text), message_key: `${channel} ${text}` });
  }
}

const finished = (bus: Bus, stream: string) =>
  until('everything is sent', async () => (await bus.streamInfo(stream)).length === 0);

both('a_message_goes_from_a_platform_to_a_worker_and_back', async ({ bus, outbound }) => {
  const board = new Board();
  const gateway = await running(bus, board);
  const hi = { channel_id: 'c1', user_id: 'u1', user_name: 'Ann', text: 'hi', message_id: 'm1' };
  // The platform delivers it twice.
  const receipts = [await board.wayIn.message(hi), await board.wayIn.message(hi)];
  assert.deepEqual(
    receipts.map((receipt) => receipt.duplicate),
    [false, true],
  );
  await board.wayIn.update({ kind: 'edited', channel_id: 'c1', message_id: 'm1', text: 'hello' });
  const inbox = bus.consumeInbound(quick);
  await inbox.run(
    async (envelope, delivery) => {
      const update = updateOfInbound(envelope);
      const said = update === undefined ? `you said ${envelope.content}` : `now ${update.text}`;
      await ProxyAdapter.forMessage(delivery.bus, envelope).perform(message('', said));
    },
    { untilIdle: true },
  );
  await inbox.close();
  await finished(bus, outbound);
  assert.deepEqual(board.of('c1').sort(), [
    ['now hello', false],
    ['you said hi', false],
  ]);
  const [health] = gateway.health;
  assert.deepEqual([health?.platform, health?.state, health?.performed, health?.starts], ['web', 'running', 2, 1]);
  await gateway.close();
  assert.equal(board.running, false);
  await assert.rejects(board.wayIn.message(hi), ClosedError);
  assert.equal(gateway.health[0]?.state, 'stopped');
});

both('what_was_sent_is_not_sent_again', async ({ bus, outbound }) => {
  const board = new Board();
  for (let life = 0; life < 2; life++) {
    await using _gateway = await running(bus, board);
    await speak(bus, 'c1', 'a', 'b', 'a');
    await finished(bus, outbound);
  }
  assert.deepEqual(board.of('c1'), [
    ['a', false],
    ['b', false],
  ]);
});

/** Runs a gateway as a process until it holds a send, and kills it there; what it sent. */
async function diedIn(held: string, url: string, own: BusSettings, onUnknown = 'resend'): Promise<string[]> {
  const program = fileURLToPath(new URL('gateway-process.mjs', import.meta.url));
  const child: ChildProcess = spawn(process.execPath, [program, url, JSON.stringify(own), onUnknown], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const gone = gate();
  child.once('exit', () => gone.open());
  const said: string[] = [];
  assert.ok(child.stdout);
  for await (const line of createInterface(child.stdout)) {
    if (line === `holding ${held}`) child.kill('SIGKILL');
    else said.push(line);
  }
  await gone.promise;
  return said;
}

test('a_send_that_a_gateway_died_in_is_repeated_and_told', async (t) => {
  for (const held of ['lost', 'hold']) {
    const { url } = await theServer();
    const own = names();
    const { bus, outbound } = await bench(t, url, own);
    await speak(bus, 'c1', 'a', held, 'b', 'c');
    const sent = await diedIn(held, url, own);
    assert.deepEqual(sent, ['sent c1 a false', ...(held === 'hold' ? ['sent c1 hold false'] : [])]);
    await speak(bus, 'd1', 'x');
    const board = new Board();
    await using gateway = await running(bus, board);
    await finished(bus, outbound);
    assert.deepEqual(board.of('c1'), [
      [held, true],
      ['b', false],
      ['c', false],
    ]);
    assert.deepEqual(board.of('d1'), [['x', false]]);
    assert.deepEqual([gateway.health[0]?.repeated, gateway.health[0]?.skipped], [1, 0]);
  }
});

test('a_send_that_a_gateway_died_in_can_be_left_to_people', async (t) => {
  const { url } = await theServer();
  const own = names();
  const { bus, outbound } = await bench(t, url, own);
  await speak(bus, 'c1', 'a', 'hold', 'b');
  await diedIn('hold', url, own, 'skip');
  const board = new Board();
  await using gateway = await running(bus, board, { onUnknown: 'skip' });
  await finished(bus, outbound);
  assert.deepEqual(board.of('c1'), [['b', false]]);
  assert.equal(gateway.health[0]?.skipped, 1);
  const [letter] = (await bus.deadLetters().list()).letters;
  assert.match(letter?.error ?? '', /onUnknown is skip|on_unknown is skip/);
  // Somebody looked, and wants it sent.
  await bus.deadLetters().replay([letter?.id as string]);
  await finished(bus, outbound);
  assert.deepEqual(board.of('c1'), [
    ['b', false],
    ['hold', true],
  ]);
});

test('a thread that is ended in the middle of a send leaves it to others', async (t) => {
  const { url } = await theServer();
  const own = names();
  const { bus, outbound } = await bench(t, url, own);
  await speak(bus, 'c1', 'a', 'hold', 'b');
  const argv = [url, JSON.stringify(own), 'resend'];
  const worker = new Worker(new URL('gateway-process.mjs', import.meta.url), { argv, stdout: true });
  for await (const line of createInterface(worker.stdout)) {
    if (line === 'holding hold') break;
  }
  await worker.terminate();
  const board = new Board();
  await using _gateway = await running(bus, board);
  await finished(bus, outbound);
  assert.deepEqual(board.of('c1'), [
    ['hold', true],
    ['b', false],
  ]);
});

both('an_adapter_that_breaks_is_started_again', async ({ bus, outbound }) => {
  const board = new Board();
  await using gateway = await running(bus, board);
  const first = board.wayIn;
  first.failed('the socket closed');
  await gateway.reached('web', 'restarting');
  await speak(bus, 'c1', 'a');
  await finished(bus, outbound);
  assert.deepEqual(board.of('c1'), [['a', false]]);
  const [health] = gateway.health;
  assert.deepEqual([health?.state, health?.starts], ['running', 2]);
  assert.ok(health?.lastError instanceof UnavailableError && health.lastError.message === 'the socket closed');
  // The way in of the first start is closed; saying more through it is nothing.
  const hi = { channel_id: 'c1', user_id: 'u1', text: 'hi' };
  await assert.rejects(first.message(hi), ClosedError);
  first.failed('again');
  await board.wayIn.message(hi);
});

test('a_turn_goes_there_and_back', async (t) => {
  const { bus } = await bench(t, (await theServer()).url);
  const platform = new RedisPlatform(bus);
  const { instanceId } = await platform.createInstance();
  await using gateway = await running(bus, new RedisPlatform(bus));
  assert.equal(gateway.health[0]?.platform, 'redis');
  const more = { userName: 'Ann', responseNonce: 'n1' };
  const sent = await platform.injectMessage(instanceId, 'Berlin?', 'u1', more);
  const inbox = bus.consumeInbound(quick);
  await inbox.run(
    async (question: Inbound, delivery) => {
      const proxy = ProxyAdapter.forMessage(delivery.bus, question);
      assert.equal(await proxy.isChannelValid(question.channel_id), true);
      await proxy.perform(message('', '21 °C', { reply_to: question.message_id }));
      await proxy.sendFile(question.channel_id, { filename: 'map.txt', data: Buffer.from('a map') });
      await proxy.end();
    },
    { untilIdle: true },
  );
  await inbox.close();
  const kinds: unknown[] = [];
  for (let after = '0-0'; !kinds.includes('turn_complete'); ) {
    const page = await platform.turnReplies(instanceId, sent.traceId, { after, waitMs: 20_000 });
    after = page.next;
    kinds.push(...page.items.map((reply) => reply.body.type));
  }
  assert.deepEqual(kinds, ['message', 'file', 'turn_complete']);
});

/** A platform that can do everything. */
class Everything extends Board {
  readonly did: unknown[] = [];
  readonly done = gate();

  override botIdentity(): BotIdentity {
    return { platform: 'web', user_id: '42', display_name: 'Star' };
  }

  override sendFile(_channel: string, file: Required<OutgoingFile>, context: Required<SendContext>): undefined {
    this.did.push([file.filename, file.data, file.mimetype, context.caption, context.messageKey]);
  }

  override sendWithButtons(_channel: string, text: string, view: readonly Button[]) {
    this.did.push([text, view]);
    return 'b1';
  }

  override react(_channel: string, messageId: string, emoji: string) {
    this.did.push([messageId, emoji]);
  }

  override typing() {
    this.did.push('typing');
  }

  override turnComplete(_channel: string, { nonce, error }: TurnEnd) {
    this.did.push([nonce, error]);
    this.done.open();
  }

  override fetchHistory(_channel: string, limit: number) {
    return [{ user_id: 'u1', user_name: 'Ann', text: `one of ${limit}`, timestamp: 5, is_bot: true }];
  }

  override shouldSkipChannelHeartbeat() {
    return true;
  }

  override call(method: string, params: Fields, call: { signal: AbortSignal }): unknown {
    if (method !== 'add') return super.call(method, params, call);
    return (params.numbers as number[]).reduce((sum, n) => sum + n, 0);
  }
}

both('every call reaches an adapter and comes back', async ({ bus }) => {
  const board = new Everything();
  await using gateway = new Gateway(bus, [board], { consumer: quick }).withMethod('double', (request) => {
    const { n } = request.arguments;
    if (typeof n !== 'number') throw new TypeError('give me a number');
    return { doubled: n * 2 };
  });
  await gateway.start();
  const question = inbound('web', { channel: 'c1', user: 'u1', trace_id: 't1', extra: { _response_nonce: 'n' } });
  const proxy = ProxyAdapter.forMessage(bus, question, { callTimeoutMs: 20_000 });
  const view = [
    { label: 'Yes', custom_id: 'y', emoji: '✅' },
    { label: 'No', custom_id: 'n' },
  ];
  await proxy.typing('c1');
  const file = { filename: 'a', data: Buffer.from([255]), mimetype: 'x/y' };
  await proxy.sendFile('c1', file, { caption: 'look' });
  await proxy.sendWithButtons('c1', 'Sure?', view);
  await proxy.react('c1', 'm1', '👍');
  await proxy.end('gone');
  await board.done.promise;
  const plain = (value: unknown) => JSON.parse(JSON.stringify(value));
  assert.deepEqual(
    plain(board.did),
    plain([
      'typing',
      ['a', Buffer.from([255]), 'x/y', 'look', 't1:file:0'],
      ['Sure?', view],
      ['m1', '👍'],
      ['n', 'gone'],
    ]),
  );
  assert.deepEqual({ ...(await proxy.botIdentity()) }, { platform: 'web', user_id: '42', display_name: 'Star' });
  const [past] = await proxy.fetchHistory('c1', 3);
  assert.deepEqual([past?.text, past?.is_bot], ['one of 3', true]);
  assert.deepEqual([await proxy.isChannelValid('c1'), await proxy.isChannelValid('c2')], [true, false]);
  assert.equal(await proxy.shouldSkipChannelHeartbeat('c1'), true);
  assert.equal(await proxy.call('add', { numbers: [1, 2] }), 3);
  assert.deepEqual({ ...((await proxy.call('double', { n: 21 })) as object) }, { doubled: 42 });
  const remote = (code: string) => (error: Error) => error instanceof RemoteError && error.context.remote_code === code;
  await assert.rejects(proxy.call('dance'), remote('rejected'));
  await assert.rejects(proxy.call('double', {}), remote('TypeError'));
});

both('a gateway runs tools for workers', async ({ bus }) => {
  const pin = tool(
    {
      name: 'pin',
      input: { type: 'object', properties: { text: { type: 'string' } }, required: ['text'] },
      permissions: ['pin'],
    },
    ({ text }) => `pinned ${text}`,
  );
  const gateway = new Gateway(bus, [new Board()], { consumer: quick });
  await using _running = gateway.withTools([pin], { authority: { 'web:u1': ['pin'] } });
  await gateway.start();
  const proxy = new ProxyAdapter(bus, 'web', { callTimeoutMs: 20_000 });
  const params = { tool_name: 'pin', arguments: { text: 'x' }, platform: 'web', user_id: 'u1' };
  assert.equal(await proxy.call('execute_tool', params), 'pinned x');
  const refused = (code: string) => (error: Error) =>
    error instanceof RemoteError && error.context.remote_code?.toLowerCase() === code;
  await assert.rejects(proxy.call('execute_tool', { ...params, user_id: 'u2' }), refused('permission_denied'));
  await assert.rejects(proxy.call('execute_tool', { ...params, arguments: { text: 5 } }), refused('invalid_arguments'));
});

both('an error says what became of a send', async ({ bus, outbound }) => {
  const board = new Board();
  const tries: [string, number, boolean][] = [];
  const errors: Record<string, Error> = {
    refused: new RejectedError('no such room'),
    unsent: new UnavailableError('rate limit'),
    unknown: new UnavailableError('cut', { context: { stored: 'unknown' } }),
    ours: new TypeError('a bug'),
  };
  board.before = (text, { attempt, mayBeRepeat }) => {
    tries.push([text, attempt, mayBeRepeat]);
    if (attempt === 1) throw errors[text];
  };
  await using _gateway = await running(bus, board);
  for (const text of Object.keys(errors)) await speak(bus, `c ${text}`, text);
  await finished(bus, outbound);
  assert.deepEqual(tries.sort(), [
    ['ours', 1, false],
    ['ours', 2, true],
    ['refused', 1, false],
    ['unknown', 1, false],
    ['unknown', 2, true],
    ['unsent', 1, false],
    ['unsent', 2, false],
  ]);
  const { letters } = await bus.deadLetters().list();
  assert.equal(letters.length, 1);
  assert.match(letters[0]?.error ?? '', /no such room/);
});

both('a send that takes too long is aborted and told', async ({ bus, outbound }) => {
  const board = new Board();
  const ended: string[] = [];
  board.before = (text, { attempt }, signal) => {
    if (attempt > 1) return;
    return new Promise((_, reject) => {
      signal.addEventListener('abort', () => {
        ended.push(text);
        reject(signal.reason);
      });
    });
  };
  await using _gateway = await running(bus, board, { sendTimeoutMs: 50 });
  await speak(bus, 'c1', 'slow', 'next');
  await finished(bus, outbound);
  assert.deepEqual(ended, ['slow', 'next']);
  assert.deepEqual(board.of('c1'), [
    ['slow', true],
    ['next', true],
  ]);
});

both('run ends when it is stopped, aborted or the bus closes', async ({ again }) => {
  for (const how of ['stop', 'abort', 'close']) {
    const bus = await again();
    const board = new Board();
    const gateway = new Gateway(bus, [board], { consumer: quick });
    const abort = new AbortController();
    const run = gateway.run({ signal: abort.signal });
    await until('it runs', async () => board.running);
    if (how === 'stop') gateway.stop();
    else if (how === 'abort') abort.abort();
    else await bus.close();
    await run;
    assert.equal(board.running, false, how);
  }
});

both('what cannot be a gateway is refused', async ({ bus }) => {
  const named = (name: string) => (error: Error) => error instanceof InvalidError && error.message.includes(name);
  assert.throws(() => new Gateway(bus, ['web' as unknown as Board]), named('adapters'));
  assert.throws(() => new Gateway(bus, [new Board()], { colour: 'red' } as GatewaySettings), named('colour'));
  for (const [gateway, name] of [
    [new Gateway(bus, []), 'at least one adapter'],
    [new Gateway(bus, [new Board(), new Board()]), 'two adapters'],
    [new Gateway(bus, [new Board()], { onUnknown: 'again' as 'skip' }), 'again'],
    [new Gateway(bus, [new Board()], { lookMs: 0 }), 'look'],
    [new Gateway(bus, [new Board()], { consumer: { concurrency: 0 } }), 'concurrency'],
  ] as const) {
    await assert.rejects(gateway.run(), named(name));
  }
  await using started = await running(bus, new Board());
  await assert.rejects(started.start(), ConflictError);
});

both('an adapter that refuses for good ends the run', async ({ bus }) => {
  class Refusing extends Board {
    override start(): never {
      throw new AuthError('the token is wrong');
    }
  }
  await assert.rejects(new Gateway(bus, [new Refusing()]).run(), AuthError);
});

both('kinds are made by name', async ({ bus }) => {
  assert.equal(createAdapter('redis', bus, { botName: 'Nova' }).name, 'redis');
  assert.throws(() => createAdapter('loud', bus), /called "loud"; known are: redis/);
  const kinds = new AdapterKinds().register('board', () => new Board());
  assert.deepEqual(kinds.names, ['board', 'redis']);
  assert.equal(kinds.create('board', bus).name, 'web');
  assert.throws(() => kinds.register('board', () => new Board()), ConflictError);
  assert.throws(() => kinds.create('loud', bus), /board, redis/);
});

both('what was sent is sent whatever the adapter gives for its id', async ({ bus, outbound }) => {
  for (const given of [42, Buffer.from('id'), ['a'], {}, Symbol('id')]) {
    const board = new Board();
    const send = board.send.bind(board);
    board.send = async (...args) => {
      await send(...args);
      return given as never;
    };
    const gateway = await running(bus, board);
    await speak(bus, 'c1', `${typeof given} ${String(given)} a`, `${typeof given} ${String(given)} b`);
    await finished(bus, outbound);
    assert.equal(board.of('c1').length, 2, 'once');
    const [health] = gateway.health;
    assert.deepEqual([health?.performed, health?.failed, health?.skipped], [2, 0, 0]);
    await gateway.close();
  }
  assert.equal((await bus.deadLetters().inspect()).count, 0);
});

both('an adapter that tells of its end is started again', async ({ bus }) => {
  for (const reason of ['the line is cut', new RangeError('cut'), new UnavailableError('x')]) {
    const board = new Board();
    const gateway = await running(bus, board);
    board.wayIn.failed(reason);
    await until('it runs again', async () => {
      const [health] = gateway.health;
      return health !== undefined && health.starts >= 2 && health.state === 'running';
    });
    const name = typeof reason === 'string' ? reason : reason.name;
    assert.match(String(gateway.health[0]?.lastError), new RegExp(name));
    assert.throws(() => board.wayIn.failed(undefined as never), InvalidError);
    await gateway.close();
  }
});
