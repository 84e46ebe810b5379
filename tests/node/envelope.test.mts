/** The helpers that make envelopes, and what a consumer makes of envelopes that older writers left incomplete. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  buttons,
  bytesOf,
  file,
  type InboundInput,
  inbound,
  message,
  type Outbound,
  presence,
  reaction,
  rpc,
  typing,
} from '@stargazer/core';
import { both } from './fixture.mjs';

both('helpers make what every gateway reads', async ({ bus }) => {
  const bytes = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0, 255]);
  const sent: Outbound[] = [
    message('c1', 'hello', { reply_to: 'm1', trace_id: 't', message_key: 'k' }),
    file('c1', 'a.png', bytes, { mimetype: 'image/png', text: 'a picture' }),
    buttons('c1', 'well?', [{ label: 'yes', custom_id: 'y', emoji: '👍' }]),
    reaction('c1', 'm1', '🔥'),
    typing('c1'),
    presence('busy', { emoji: '⏳' }),
    rpc('fetch_history', { limit: 5 }, { reply_to: 'answers', correlation_id: 'x', deadline_ms: 1778757753123 }),
  ];
  for (const envelope of sent) await bus.publishOutbound('web', envelope);
  const read: Outbound[] = [];
  await bus.consumeOutbound('web').run((data) => void read.push(data), { concurrency: 1, untilIdle: true });
  const by = (all: Outbound[]) => Object.fromEntries(all.map((one) => [one.type, { ...one, platform: 'web' }]));
  const found = by(read);
  assert.equal(read.length, sent.length);
  for (const [type, envelope] of Object.entries(by(sent))) {
    for (const [field, value] of Object.entries(envelope)) {
      assert.deepEqual((found[type] as unknown as Record<string, unknown>)[field], value, `${type}.${field}`);
    }
  }
  assert.deepEqual(bytesOf(found.file as { data: string }), bytes);
});

both('an inbound message is made ready to go', async ({ bus }) => {
  const before = Date.now() / 1000;
  const attachment = { data: Buffer.from('OggS'), mimetype: 'audio/ogg', filename: 'a.ogg' };
  const made = inbound('web', { channel: 'c1', user: 'u1', attachments: [attachment], is_dm: true });
  assert.ok(made.timestamp >= before && made.enqueued_at === made.timestamp);
  assert.match(made.message_id, /^[0-9a-f-]{36}$/);
  assert.match(made.trace_id ?? '', /^[0-9a-f]{32}$/);
  await bus.publishInbound(made);
  const { value: d } = await bus.consumeInbound().next({ timeoutMs: 5000 });
  assert.deepEqual(d?.data, { ...made, extra: {} });
  assert.deepEqual(bytesOf(d?.data.attachments[0] as { data: string }), attachment.data);
});

both('what an older writer left out has its default', async ({ bus, inbound: stream }) => {
  const least: Record<string, unknown> = {
    platform: Buffer.from('web'),
    channel_id: 'c1',
    user_id: 'u1',
    username: 'u1',
    content: 'hi',
    message_id: 'm1',
    timestamp: 5,
  };
  await bus.publish(stream, least);
  const { value: d } = await bus.consumeInbound().next({ timeoutMs: 5000 });
  const { channel_key, platform, is_addressed, attachments, extra, reply_to, strangler_route } = d?.data ?? {};
  assert.deepEqual(
    [channel_key, platform, is_addressed, attachments, extra, reply_to, strangler_route],
    ['web:c1', 'web', true, [], {}, undefined, 'microservice'],
  );
});

both('whole seconds travel as floats where strict readers want floats', async ({ bus, inbound: stream }) => {
  const made: InboundInput = inbound('web', { channel: 'c', user: 'u', timestamp: 5, enqueued_at: 0 });
  await bus.publishInbound(made);
  const [entry] = await bus.entries(stream);
  const raw = entry?.raw.toString('hex') ?? '';
  assert.ok(raw.includes(`${Buffer.from('timestamp').toString('hex')}cb4014000000000000`));
  assert.ok(raw.includes(`${Buffer.from('enqueued_at').toString('hex')}cb0000000000000000`));
});

both('what may be nothing is told apart from what is absent', async ({ bus }) => {
  const { display_name: _, reply_to: __, ...bare } = inbound('web', { channel: 'c1', user: 'u', text: 'hi' });
  const envelopes = [bare, { ...bare, display_name: null, reply_to: null }, { ...bare, reply_to: undefined }];
  await using inbox = bus.consumeInbound();
  for (const envelope of envelopes) {
    await bus.publishInbound(envelope as InboundInput);
    const { value: d } = await inbox.next();
    const { display_name, reply_to } = d?.data ?? {};
    const nothing = 'display_name' in envelope ? null : undefined;
    assert.deepEqual([display_name, reply_to], [nothing, nothing]);
    assert.deepEqual(
      ['display_name' in (d?.data ?? {}), 'reply_to' in (d?.data ?? {})],
      [nothing === null, nothing === null],
    );
    await d?.ack();
    // As it came it may go on.
    if (d !== undefined) {
      const { stream } = await bus.publish('again', d.data);
      assert.deepEqual((await bus.entries(stream)).at(-1)?.data, d.data);
    }
  }
  // Also where publishing fills the platform in.
  await using outbox = bus.consumeOutbound('web');
  for (const reply_to of [undefined, null, 'm1']) {
    await bus.publishOutbound('web', message('c1', 'hi', { reply_to } as object));
    const { value: d } = await outbox.next();
    assert.ok(d?.data.type === 'message' && d.data.platform === 'web');
    assert.equal(d.data.reply_to, reply_to);
    assert.equal('message_key' in d.data, false);
    await d.ack();
  }
});

test('what is undefined was not given', () => {
  const given = { text: undefined, username: undefined, reply_to: undefined, is_dm: undefined };
  const made = inbound('web', { channel: 'c', user: 'u', ...(given as object) });
  assert.deepEqual([made.content, made.username, made.reply_to, made.is_dm], ['', 'u', null, false]);
  const said = message('c', 'hi', { trace_id: undefined } as object);
  assert.equal(said.trace_id, '');
  assert.equal(
    file('c', 'a.bin', Buffer.of(1), { mimetype: undefined } as object).mimetype,
    'application/octet-stream',
  );
});
