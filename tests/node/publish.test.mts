/** Publishing beside the ordinary: envelopes that nobody checks, and the names that a bus publishes under. */

import assert from 'node:assert/strict';
import test from 'node:test';
import {
  type Bus,
  connect,
  InvalidError,
  inbound,
  message,
  type PublishOptions,
  type Receipt,
  type ToolReply,
  type ToolRequest,
} from '@stargazer/core';
import { both, names } from './fixture.mjs';

both('unchecked envelopes go out as they are with what can be told of them', async ({ again }) => {
  const bus = await again({ uncheckedEnvelopes: true });
  const sent: [(body: never) => Promise<Receipt>, object, string][] = [
    [(body) => bus.publishInbound(body), { channel_key: 'web:c1', is_addressed: false, trace_id: 't' }, 'web:c1'],
    [(body) => bus.publishInbound(body), { hello: 1 }, ''],
    [(body) => bus.publishOutbound('web', body), { channel_key: 'x', channel_id: 'c1' }, 'c1'],
    [(body) => bus.publishToolsRequest(body), { channel_id: 'c1' }, ''],
    [(body) => bus.publishToolsReply('r:1', body), { output: Buffer.from('x') }, ''],
  ];
  for (const [publish, body, lane] of sent) {
    const { stream } = await publish(body as never);
    const entry = (await bus.entries(stream)).at(-1);
    assert.deepEqual(entry?.data, body);
    assert.equal(entry?.fields.get('key')?.toString(), lane);
    assert.equal(entry?.fields.get('ua')?.toString(), 'is_addressed' in body ? '1' : undefined);
    const traceId = (body as { trace_id?: string }).trace_id;
    assert.equal(entry?.fields.get('trace_id')?.toString(), traceId ?? '');
  }
  await assert.rejects(bus.publishInbound({ no: () => {} } as never), InvalidError);
});

/** One of each kind, with a lane and a trace of its own where it may have one. */
const publishes: Record<string, (bus: Bus, options: PublishOptions) => Promise<Receipt>> = {
  publish: (bus, options) => bus.publish('s', { channel_id: 'c', trace_id: 'own' }, options),
  publishInbound: (bus, options) =>
    bus.publishInbound(inbound('web', { channel: 'c', user: 'u', text: 'x', trace_id: 'own' }), options),
  publishOutbound: (bus, options) => bus.publishOutbound('web', message('c', 'x', { trace_id: 'own' }), options),
  publishToolsRequest: (bus, options) =>
    bus.publishToolsRequest(
      {
        reply_to: 'r',
        correlation_id: '7',
        tool_name: 'weather',
        arguments: {},
        channel_id: 'c',
        trace_id: 'own',
      } as ToolRequest,
      options,
    ),
  publishToolsReply: (bus, options) =>
    bus.publishToolsReply(
      bus.topology.toolsReplyStream('r'),
      { correlation_id: '7', result: '21 °C' } as ToolReply,
      options,
    ),
};

both('every publish takes every option', async ({ bus }) => {
  const said = { key: 'k', messageId: 'm', traceId: 't', traceparent: '00-a-b-01', tracestate: 'x=1' };
  for (const [name, publish] of Object.entries(publishes)) {
    const { id, stream } = await publish(bus, said);
    const again = await publish(bus, { ...said, waitReplicas: 0 });
    assert.deepEqual([again.id, again.duplicate], [id, true], name);
    const entries = await bus.entries(stream);
    assert.equal(entries.length, 1, name);
    const told = ['key', 'mid', 'trace_id', 'tp', 'tst'].map((field) => entries[0]?.fields.get(field)?.toString());
    assert.deepEqual(told, Object.values(said), name);
    for (const option of [...Object.keys(said), 'waitReplicas']) {
      const refused = { name: 'InvalidError', message: new RegExp(option) };
      await assert.rejects(publish(bus, { [option]: 1.5 }), refused, name);
    }
  }
});

both(
  'every publish waits for replicas',
  async ({ bus }) => {
    for (const [name, publish] of Object.entries(publishes)) {
      const refused = { name: bus.url.startsWith('memory') ? 'InvalidError' : 'TimeoutError', message: /replica/ };
      await assert.rejects(publish(bus, { waitReplicas: 1 }), refused, name);
    }
  },
  { publishTimeoutMs: 300, replicaTimeoutMs: 50 },
);

test('the names of a bus are told', async () => {
  const own = names();
  await using bus = await connect('memory://', own);
  const { topology: known } = bus;
  assert.equal(known, bus.topology);
  assert.deepEqual([known.inboundStream, known.workerGroup], [own.inboundStream, own.workerGroup]);
  assert.deepEqual([known.toolsStream, known.toolsGroup], [own.toolsStream, own.toolsGroup]);
  assert.equal(known.deadLetterStream, own.deadLetterStream);
  assert.equal(known.outboundStream('a b'), `${own.outboundStreamPrefix}:a%20b`);
  assert.equal(known.gatewayGroup('web'), `${own.gatewayGroupPrefix}:web`);
  assert.equal(known.toolsReplyStream('w1'), `${own.toolsReplyPrefix}:w1`);
  assert.throws(() => known.outboundStream(5 as never), InvalidError);
});
