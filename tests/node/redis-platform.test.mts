/** The Redis platform and messages: the same words, answers and errors as in Rust, where each is proven in depth. */

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import test from 'node:test';
import {
  type Bus,
  ConflictError,
  fromInboundEnvelope,
  type Inbound,
  type IncomingMessage,
  Intake,
  InvalidError,
  inbound,
  MalformedError,
  type MessageUpdate,
  message,
  NotFoundError,
  type Outbound,
  type OutboundInput,
  ProxyAdapter,
  RedisPlatform,
  type RedisPlatformSettings,
  RejectedError,
  StargazerError,
  TooLargeError,
  toInboundEnvelope,
  updateOfInbound,
} from '@stargazer/core';
import { both } from './fixture.mjs';

const own = () => `i${randomUUID().slice(0, 12)}`;

async function received(bus: Bus): Promise<Inbound[]> {
  const messages: Inbound[] = [];
  await using inbox = bus.consumeInbound();
  const keep = (message: Inbound) => {
    messages.push(message);
  };
  await inbox.run(keep, { untilIdle: true });
  return messages;
}

async function about(kind: typeof StargazerError, call: Promise<unknown>): Promise<StargazerError> {
  let found: unknown;
  await assert.rejects(call, (error) => {
    found = error;
    return error instanceof kind;
  });
  return found as StargazerError;
}

test('a_message_becomes_an_envelope_and_back', () => {
  const whole: IncomingMessage = {
    platform: 'web',
    channel_id: 'c1',
    user_id: 'u1',
    user_name: 'Änn',
    text: 'hi',
    is_addressed: false,
    attachments: [{ data: Buffer.from([0, 255]), mimetype: 'image/png', filename: 'a.png', source_url: 'https://x' }],
    channel_name: 'Kitchen',
    timestamp: 12.5,
    message_id: 'm1',
    reply_to_id: 'm0',
    extra: { _response_nonce: 'n1', guild_id: 'g', is_dm: true, member_roles: ['a'], deep: { a: [Buffer.from([0])] } },
    reactions: '👍×3',
    unified_user_id: 'x1',
    user_aliases: ['web:u1'],
  };
  const envelope = toInboundEnvelope(whole);
  assert.deepEqual(
    [envelope.content, envelope.channel_key, envelope.guild_id, envelope.is_dm],
    ['hi', 'web:c1', 'g', true],
  );
  const back = fromInboundEnvelope(envelope);
  // Files and what the envelope has no field for come back as they were; the order of keys may be another.
  assert.deepEqual(JSON.parse(JSON.stringify(back)), JSON.parse(JSON.stringify({ ...whole, extra: back.extra })));
  assert.deepEqual(new Set(Object.keys(back.extra)), new Set(Object.keys(whole.extra)));
  assert.equal(updateOfInbound(envelope), undefined);
  assert.throws(() => toInboundEnvelope({ ...whole, text: 5 as unknown as string }), /text must be text/);
  assert.throws(() => fromInboundEnvelope({ platform: 'web' } as Inbound), MalformedError);
});

both('a_received_message_is_stored_once', async ({ bus }) => {
  const intake = new Intake(bus, 'web');
  const hi = { channel_id: 'c1', user_id: 'u1', user_name: 'Ann', text: 'hi', message_id: 'm1' };
  const receipts = [await intake.message(hi), await intake.message(hi)];
  assert.deepEqual(
    receipts.map((receipt) => receipt.duplicate),
    [false, true],
  );
  const edit: MessageUpdate = { kind: 'edited', channel_id: 'c1', message_id: 'm1', text: 'hello', timestamp: 5 };
  await intake.update(edit);
  const [first, second] = (await received(bus)) as [Inbound, Inbound];
  assert.deepEqual([first.platform, first.channel_key, first.trace_id.length], ['web', 'web:c1', 32]);
  const update = updateOfInbound(second);
  assert.deepEqual([update?.kind, update?.text, update?.timestamp], ['edited', 'hello', 5]);
  await about(InvalidError, intake.message({ ...hi, platform: 'other' }));
  await about(InvalidError, intake.update({ ...edit, kind: 'deleted' }));
  await about(InvalidError, intake.update({ ...edit, kind: 'moved' as 'edited' }));
});

both('a_key_is_shown_once_and_kept_as_a_hash', async ({ bus }) => {
  const [platform, id] = [new RedisPlatform(bus), own()];
  const made = await platform.createInstance();
  assert.deepEqual([made.instanceId.length, made.apiKey.length], [16, 43]);
  const kept = await bus.store().hashGetAll(`redis_platform:keys:${made.instanceId}`);
  assert.ok(Object.keys(kept).length === 1 && !(made.apiKey in kept));
  await platform.createInstance({ instanceId: id, displayName: 'Demo', metadata: { zone: 'eu', seats: 3 } });
  const shown = await platform.getInstance(id);
  assert.deepEqual([shown?.instanceId, shown?.displayName], [id, 'Demo']);
  assert.deepEqual({ ...shown?.metadata }, { seats: '3', zone: 'eu' });
  assert.ok(shown?.createdAt.endsWith('+00:00'));
  const error = await about(ConflictError, platform.createInstance({ instanceId: id }));
  assert.equal(error.context.instance_id, id);
  assert.ok((await platform.listInstances()).items.some((instance) => instance.instanceId === id));
  assert.equal(await platform.getInstance('unknown'), undefined);
});

both('only_the_right_key_opens', async ({ bus }) => {
  const [platform, id] = [new RedisPlatform(bus), own()];
  const { apiKey } = await platform.createInstance({ instanceId: id });
  assert.equal(await platform.validateApiKey(id, apiKey), true);
  for (const wrong of ['', 'x', apiKey.slice(1)]) assert.equal(await platform.validateApiKey(id, wrong), false);
  assert.equal(await platform.validateApiKey('unknown', apiKey), false);
  await platform.createInstance({ instanceId: `${id}2`, apiKey: 'a key of my own' });
  assert.equal(await platform.validateApiKey(`${id}2`, 'a key of my own'), true);
});

both('an_update_leaves_key_and_creation_alone', async ({ bus }) => {
  const [platform, id] = [new RedisPlatform(bus), own()];
  const { apiKey } = await platform.createInstance({ instanceId: id, metadata: { team: 'red' } });
  const before = await platform.getInstance(id);
  const changes = { displayName: 'Demo', metadata: { team: 'blue', beta: true } };
  assert.equal(await platform.updateInstance(id, changes), true);
  const after = await platform.getInstance(id);
  assert.deepEqual([after?.displayName, after?.createdAt], ['Demo', before?.createdAt]);
  assert.deepEqual({ ...after?.metadata }, { team: 'blue', beta: 'True' });
  assert.equal(await platform.validateApiKey(id, apiKey), true);
  assert.equal(await platform.updateInstance('unknown', { displayName: 'x' }), false);
  const error = await about(InvalidError, platform.updateInstance(id, { metadata: { api_key: 'planted' } }));
  assert.equal(error.context.name, 'api_key');
});

both('a_user_is_registered_read_and_removed', async ({ bus }) => {
  const [platform, id] = [new RedisPlatform(bus), own()];
  await platform.createInstance({ instanceId: id });
  assert.equal(await platform.hasUsers(id), false);
  const user = await platform.registerUser(id, 'u1', 'Ann', { age: 7, tags: ['a'] });
  assert.deepEqual([user.userId, user.displayName, user.metadata.age], ['u1', 'Ann', 7]);
  assert.deepEqual(await platform.getUser(id, 'u1'), user);
  assert.deepEqual((await platform.listUsers(id)).items, [user]);
  assert.deepEqual([await platform.hasUsers(id), await platform.userExists(id, 'u1')], [true, true]);
  assert.equal(await platform.deleteUser(id, 'u1'), true);
  assert.equal(await platform.deleteUser(id, 'u1'), false);
  assert.equal(await platform.getUser(id, 'u1'), undefined);
  await about(NotFoundError, platform.registerUser('unknown', 'u1', 'Ann'));
});

both('broken_records_are_left_out', async ({ bus }) => {
  const [platform, id] = [new RedisPlatform(bus), own()];
  await platform.createInstance({ instanceId: id });
  await platform.registerUser(id, 'good', 'Ann');
  await bus.store().hashSet(`redis_platform:users:${id}`, { bad: '{' });
  const { items, skipped } = await platform.listUsers(id);
  assert.deepEqual([items.map((user) => user.userId), skipped.map((one) => one.id)], [['good'], ['bad']]);
});

both('everything_reaches_the_workers', async ({ bus }) => {
  const [platform, id] = [new RedisPlatform(bus), own()];
  await platform.createInstance({ instanceId: id });
  const injected = await platform.injectMessage(id, 'Look', 'u1', {
    userName: 'Ann',
    attachments: [{ data: Buffer.from([255, 0]), mimetype: 'text/plain', filename: 'a.txt' }],
    channelName: 'Demo',
    messageId: 'm1',
    replyToId: 'm0',
    extra: { locale: 'no' },
    reactions: '👍×3',
    responseNonce: 'n1',
    isAddressed: false,
  });
  const [envelope] = (await received(bus)) as [Inbound];
  assert.deepEqual([envelope.trace_id, envelope.message_id], [injected.traceId, injected.messageId]);
  const got = fromInboundEnvelope(envelope);
  assert.deepEqual([got.platform, got.channel_id, got.text, got.user_name], ['redis', id, 'Look', 'Ann']);
  assert.deepEqual([got.channel_name, got.reply_to_id, got.reactions, got.is_addressed], ['Demo', 'm0', '👍×3', false]);
  assert.deepEqual(got.attachments[0]?.data, Buffer.from([255, 0]));
  assert.deepEqual([got.extra.locale, got.extra._response_nonce], ['no', 'n1']);
  const checked = await platform.incoming(id, 'Look', 'u1', { userName: 'Ann' });
  assert.equal(checked.user_name, 'Ann');
  assert.deepEqual(await received(bus), []);
});

both('an_open_instance_needs_a_name', async ({ bus }) => {
  const [platform, id] = [new RedisPlatform(bus), own()];
  await platform.createInstance({ instanceId: id });
  const unnamed = await about(InvalidError, platform.injectMessage(id, 'hi', 'u1'));
  assert.deepEqual({ ...unnamed.context }, { field: 'userName', stored: 'no' });
  const extra = { trace_id: 'mine' };
  const error = await about(InvalidError, platform.injectMessage(id, 'hi', 'u1', { userName: 'Ann', extra }));
  assert.equal(error.context.field, 'extra');
});

both('a_roster_decides_who_may_write', async ({ bus }) => {
  const [platform, id] = [new RedisPlatform(bus), own()];
  await platform.createInstance({ instanceId: id });
  await platform.registerUser(id, 'u1', 'Ann the Great');
  await platform.injectMessage(id, 'hi', 'u1', { userName: 'Somebody' });
  await about(RejectedError, platform.injectMessage(id, 'hi', 'u2', { userName: 'Stranger' }));
  assert.deepEqual(
    (await received(bus)).map((message) => message.username),
    ['Ann the Great'],
  );
});

both('an_unknown_instance_is_not_found', async ({ bus }) => {
  const platform = new RedisPlatform(bus);
  const error = await about(NotFoundError, platform.injectMessage('unknown', 'hi', 'u1', { userName: 'Ann' }));
  assert.equal(error.context.instance_id, 'unknown');
  await about(NotFoundError, platform.send('unknown', 'x'));
  assert.deepEqual(
    [await platform.isChannelValid('unknown'), await platform.instanceExists('unknown')],
    [false, false],
  );
});

both('a_message_id_is_taken_once', async ({ bus }) => {
  const [platform, id] = [new RedisPlatform(bus), own()];
  await platform.createInstance({ instanceId: id });
  const inject = () => platform.injectMessage(id, 'hi', 'u1', { userName: 'Ann', messageId: 'm1' });
  const [first, again] = [await inject(), await inject()];
  assert.deepEqual([first.receipt.duplicate, again.receipt.duplicate], [false, true]);
  assert.deepEqual([again.receipt.id, again.traceId], [first.receipt.id, '']);
});

both('a_message_is_told_and_kept', async ({ bus }) => {
  const [platform, id] = [new RedisPlatform(bus), own()];
  await platform.createInstance({ instanceId: id });
  const ear = await bus.store().subscribe(`stargazer:redis_platform:response:${id}`);
  const messageId = await platform.send(id, '21 °C', { messageKey: 'k1', traceId: 't1', replyTo: 'm1' });
  const heard = await ear.next();
  assert.ok(heard !== undefined && !heard.lost);
  const told = JSON.parse(heard.payload.toString());
  assert.deepEqual(Object.keys(told), ['type', 'message_id', 'text', 'timestamp', 'reply_to']);
  assert.deepEqual([told.message_id, told.text], [messageId, '21 °C']);
  ear.close();
  await platform.sendWithButtons(id, 'Sure?', [{ label: 'Yes', custom_id: 'y', emoji: '✅' }]);
  await platform.react(id, 'm1', '👍', { traceId: 't1' });
  await platform.turnComplete(id, { nonce: 'n1', error: 'gone', traceId: 't1' });
  const kept = await platform.replies(id);
  const kinds = (items: typeof kept.items) => items.map((reply) => reply.body.type);
  assert.deepEqual(kinds(kept.items), ['message', 'message', 'reaction', 'turn_complete']);
  assert.deepEqual({ ...kept.items[0]?.body }, told);
  assert.deepEqual([kept.items[3]?.body.status, kept.items[3]?.body.error], ['failed', 'gone']);
  assert.deepEqual(kinds((await platform.turnReplies(id, 't1')).items), ['message', 'reaction', 'turn_complete']);
});

both('what_is_said_again_is_said_once', async ({ bus }) => {
  const [platform, id] = [new RedisPlatform(bus), own()];
  await platform.createInstance({ instanceId: id });
  const first = await platform.send(id, 'once', { messageKey: 'k1' });
  assert.equal(await platform.send(id, 'once', { messageKey: 'k1', mayBeRepeat: true, attempt: 2 }), first);
  assert.equal((await platform.replies(id)).items.length, 1);
});

both('a_file_is_kept_as_bytes_for_a_day', async ({ bus }) => {
  const [platform, id] = [new RedisPlatform(bus), own()];
  await platform.createInstance({ instanceId: id });
  const data = Buffer.alloc(1_000_000, Buffer.from([0, 255, 7]));
  const url = await platform.sendFile(id, { filename: 'a b.bin', data }, { caption: 'look' });
  const body = (await platform.replies(id)).items[0]?.body;
  const fileId = body?.file_id as string;
  assert.equal(url, platform.fileUrl(fileId, 'a b.bin'));
  assert.deepEqual([body?.url, body?.size, body?.text], [url, 1_000_000, 'look']);
  const stored = await platform.getFile(fileId);
  assert.deepEqual([stored?.data, stored?.mimetype, stored?.channelId], [data, 'application/octet-stream', id]);
  const left = (await bus.store().timeToLive(`redis_platform:file:${fileId}`)) ?? 0;
  assert.ok(left > 86_000_000 && left <= 86_400_000);
  assert.equal(await platform.getFile('unknown'), undefined);
  const big = { filename: 'big', data: Buffer.alloc(17 * 1024 * 1024) };
  await about(TooLargeError, platform.sendFile(id, big));
});

both('replies_are_read_on_by_id', async ({ bus }) => {
  const [platform, id] = [new RedisPlatform(bus), own()];
  await platform.createInstance({ instanceId: id });
  assert.equal(await platform.lastReply(id), '0-0');
  for (const text of ['0', '1', '2']) await platform.send(id, text);
  const page = await platform.replies(id, { count: 2 });
  assert.deepEqual(
    page.items.map((reply) => reply.body.text),
    ['0', '1'],
  );
  const rest = await platform.replies(id, { after: page.next, waitMs: 10_000 });
  assert.deepEqual([rest.items[0]?.body.text, rest.next, rest.gap], ['2', await platform.lastReply(id), false]);
  const none = await platform.replies(id, { after: rest.next, waitMs: 10 });
  assert.deepEqual([none.items, none.next], [[], rest.next]);
});

both('everything_goes_and_is_counted', async ({ bus }) => {
  const [platform, id] = [new RedisPlatform(bus), own()];
  await platform.createInstance({ instanceId: id });
  await platform.registerUser(id, 'u1', 'Ann');
  await platform.sendFile(id, { filename: 'a', data: Buffer.from('x') }, { traceId: 't1' });
  const deleted = await platform.deleteInstance(id);
  assert.deepEqual([deleted.existed, deleted.users, deleted.files, deleted.turns], [true, 1, 1, 1]);
  assert.deepEqual([deleted.instanceId, deleted.warnings], [id, []]);
  assert.equal(await platform.instanceExists(id), false);
});

both('deleting_nothing_is_told', async ({ bus }) => {
  const deleted = await new RedisPlatform(bus).deleteInstance('unknown');
  assert.deepEqual([deleted.existed, deleted.keys, deleted.warnings], [false, 0, ['unknown_instance']]);
});

both('the_platform_is_what_the_original_says', async ({ bus }) => {
  const platform = new RedisPlatform(bus);
  assert.equal(platform.name, 'redis');
  assert.equal(await platform.isRunning(), false);
  const bot = await platform.botIdentity();
  assert.deepEqual([bot.platform, bot.user_id, bot.display_name], ['redis', 'star', 'Star']);
  assert.equal(await platform.shouldSkipChannelHeartbeat('a'), true);
  assert.deepEqual(await platform.fetchHistory('a'), []);
  await platform.typing('a');
  await about(RejectedError, platform.call('dance'));
  const named = new RedisPlatform(bus, { botName: 'Nova', fileTtlMs: 60_000 });
  assert.equal((await named.botIdentity()).display_name, 'Nova');
});

both('settings of the platform are checked by name', async ({ bus }) => {
  for (const [name, value] of [
    ['colour', 'red'],
    ['fileTtlMs', 0],
    ['botName', 5],
    ['channelState', ['all']],
  ] as const) {
    const made = () => new RedisPlatform(bus, { [name]: value } as RedisPlatformSettings);
    assert.throws(made, (error: Error) => error instanceof InvalidError && error.message.includes(name));
  }
  assert.throws(() => new RedisPlatform('redis://' as unknown as Bus), InvalidError);
});

both('a_proxy_speaks_in_the_turn_of_a_message', async ({ bus }) => {
  const question = inbound('web', {
    channel: 'c1',
    user: 'u1',
    text: 'hi',
    trace_id: 't1',
    extra: { _response_nonce: 'n1' },
  });
  for (let turn = 0; turn < 2; turn++) {
    const proxy = ProxyAdapter.forMessage(bus, question);
    await proxy.perform(message('', 'one'));
    assert.equal(await proxy.send('c2', 'two', { replyTo: 'm1' }), '');
    await proxy.sendFile('c1', { filename: 'a', data: Buffer.from([255]) }, { caption: 'look' });
    await proxy.typing('c1');
    await proxy.end();
  }
  const said: Outbound[] = [];
  await using out = bus.consumeOutbound('web', { ordering: 'none', concurrency: 1 });
  const keep = (action: Outbound) => {
    said.push(action);
  };
  await out.run(keep, { untilIdle: true });
  assert.deepEqual(
    said.map((action) => action.message_key),
    ['t1:message:0', 't1:message:1', 't1:file:0', 't1:typing:0', 't1:turn_complete:0'],
  );
  assert.deepEqual(
    said.map((action) => action.channel_id),
    ['c1', 'c2', 'c1', 'c1', 'c1'],
  );
  const alone = new ProxyAdapter(bus, 'web', { callTimeoutMs: 50 });
  assert.deepEqual([alone.name, await alone.isRunning()], ['web', true]);
  await about(InvalidError, alone.perform({ type: 'dance', channel_id: 'c1' } as unknown as OutboundInput));
  assert.throws(() => ProxyAdapter.forMessage(bus, { platform: 'web' } as Inbound), StargazerError);
});
