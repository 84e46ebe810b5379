/** From a publish to a finished delivery: the scenarios that the suites of the other languages hold, too. */

import assert from 'node:assert/strict';
import { type Inbound, type InboundInput, inbound } from '@stargazer/core';
import { both, quick, until } from './fixture.mjs';

const say = (channel: string, text: string, given: Partial<Inbound> = {}): InboundInput =>
  inbound('web', { channel, user: 'u1', text, ...given });

both('a_message_is_handled_once', async ({ bus, inbound: stream }) => {
  const { id } = await bus.publishInbound(say('c1', 'hello'));
  const handled: unknown[] = [];
  await bus.consumeInbound().run(
    (msg, d) => {
      handled.push([d.id, msg.content, d.attempt, d.redelivered, d.lane]);
    },
    { untilIdle: true },
  );
  assert.deepEqual(handled, [[id, 'hello', 1, false, 'web:c1']]);
  const info = await bus.streamInfo(stream);
  assert.deepEqual([info.length, info.groups[0]?.pending], [0, 0]);
});

both('until_idle_ends_when_nothing_is_left', async ({ bus }) => {
  await Promise.all(Array.from({ length: 50 }, (_, n) => bus.publishInbound(say(`c${n % 5}`, String(n)))));
  let count = 0;
  await bus.consumeInbound(quick).run(
    async (msg, d) => {
      count++;
      // What a handler publishes belongs to what is left to do.
      if (msg.content === '7') await d.bus.publishInbound(say('late', 'from a handler'));
      if (msg.content === '9' && d.attempt === 1) throw new Error('again');
    },
    { untilIdle: true },
  );
  assert.equal(count, 52);
});

both('closing_hands_the_rest_to_others', async ({ bus }) => {
  for (let n = 0; n < 40; n++) await bus.publishInbound(say(`c${n % 8}`, String(n).padStart(2, '0')));
  const leaving = await bus.consumeInbound({ concurrency: 4 }).open();
  const staying = await bus.consumeInbound().open();
  const seen = new Map<string, string[]>();
  const note = ({ channel_id, content }: Inbound) => seen.set(channel_id, [...(seen.get(channel_id) ?? []), content]);
  const { value: first } = await leaving.next();
  assert.ok(first !== undefined);
  note(first.data);
  await first.ack();
  await leaving.close();
  const start = performance.now();
  for (let n = 0; n < 39; n++) {
    const { value: d } = await staying.next({ timeoutMs: 10_000 });
    assert.ok(d !== undefined);
    note(d.data);
    void d.ack();
  }
  // The default lease is 15 s: what was given back did not wait for it.
  assert.ok(performance.now() - start < 8000);
  for (const texts of seen.values()) assert.deepEqual(texts, [...texts].sort());
  assert.equal([...seen.values()].flat().length, 40);
});

both('an_entry_is_seen_by_every_group', async ({ bus, inbound: stream }) => {
  const audit = await bus.consume<Inbound>(stream, 'audit', quick).open();
  const inbox = await bus.consumeInbound(quick).open();
  await bus.publishInbound(say('c1', 'for both'));
  const { value: first } = await inbox.next({ timeoutMs: 5000 });
  await first?.ack();
  const { value: second } = await audit.next({ timeoutMs: 5000 });
  assert.deepEqual([first?.data.content, second?.data.content], ['for both', 'for both']);
  assert.equal((await bus.streamInfo(stream)).length, 1, 'the other group has not finished it');
  await second?.ack();
  await until('both groups have finished it', async () => (await bus.streamInfo(stream)).length === 0);
});

both('unaddressed_messages_have_no_lane', async ({ bus }) => {
  await bus.publishInbound(say('c1', 'to nobody', { is_addressed: false }));
  await bus.publishInbound(say('c1', 'to the bot'));
  const inbox = bus.consumeInbound();
  const first = await inbox.next({ timeoutMs: 5000 });
  const second = await inbox.next({ timeoutMs: 5000 });
  assert.deepEqual([first.value?.lane, second.value?.lane], [undefined, 'web:c1']);
});

both('unicode_bytes_and_unknown_fields_survive', async ({ bus }) => {
  const content = '👩‍👩‍👧‍👦 مرحبا 漢字 e\u0301 \u0000 \u{10ffff}';
  const sent = {
    ...say('kanal/ä:1', content),
    from_the_future: Buffer.from([0, 255, 128]),
    nested: { деep: 1.5, list: [null, true, -1, 2 ** 40, 2n ** 63n] },
  };
  await bus.publishInbound(sent);
  const { value: d } = await bus.consumeInbound().next({ timeoutMs: 5000 });
  assert.equal(d?.data.content, content);
  assert.deepEqual(d?.data, { ...sent, extra: {} });
});

both('a_big_body_travels_whole', async ({ bus, inbound: stream }) => {
  const content = 'big '.repeat(40_000);
  await bus.publishInbound(say('c1', content));
  let read = '';
  await bus.consumeInbound().run(
    (msg) => {
      read = msg.content;
    },
    { untilIdle: true },
  );
  assert.ok(read === content);
  assert.equal((await bus.streamInfo(stream)).length, 0);
});

both('a_dead_letter_keeps_the_original_bytes', async ({ bus, dead }) => {
  for (const content of ['small', 'big'.repeat(40_000)]) {
    await bus.publishInbound(say('c1', content, { trace_id: 'trace-1' }));
  }
  const bytes: Buffer[] = [];
  await using inbox = bus.consumeInbound();
  for (let n = 0; n < 2; n++) {
    const { value: d } = await inbox.next({ timeoutMs: 5000 });
    assert.ok(d !== undefined);
    bytes.push(Buffer.from(d.raw));
    await d.reject('no');
  }
  await inbox.close();
  const letters = await bus.entries(dead);
  assert.equal(letters.length, 2);
  for (const [n, letter] of letters.entries()) {
    assert.ok(letter.raw.equals(bytes[n] as Buffer));
    assert.deepEqual([letter.text('key'), letter.text('trace_id')], ['web:c1', 'trace-1']);
  }
});
