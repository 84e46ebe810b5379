/** Publishing beside the ordinary: envelopes that nobody checks, and the names that a bus publishes under. */

import assert from 'node:assert/strict';
import test from 'node:test';
import { connect, InvalidError, type Receipt } from '@stargazer/core';
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
