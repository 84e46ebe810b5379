/** OpenTelemetry: the context of whoever publishes or calls is the handler's, over every way that a message takes. */

import assert from 'node:assert/strict';
import { after, beforeEach, test } from 'node:test';
import { context, propagation, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { W3CTraceContextPropagator } from '@opentelemetry/core';
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base';
import { connect, inbound, message, tool } from '@stargazer/core';
import { both } from './fixture.mjs';

const exporter = new InMemorySpanExporter();
const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });
const tracer = provider.getTracer('tests');

context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
propagation.setGlobalPropagator(new W3CTraceContextPropagator());
beforeEach(() => exporter.reset());
after(() => provider.shutdown());

/** Work in a span that is current. */
function span<T>(name: string, work: () => Promise<T> | T): Promise<T> {
  return tracer.startActiveSpan(name, async (made) => {
    try {
      return await work();
    } finally {
      made.end();
    }
  });
}

/** Names of parents by name, over the borders of processes. */
function parents(): Record<string, string | undefined> {
  const spans = exporter.getFinishedSpans();
  const names = new Map(spans.map((one) => [one.spanContext().spanId, one.name]));
  const of = (id: string | undefined) => (id === undefined ? undefined : (names.get(id) ?? 'a stranger'));
  return Object.fromEntries(spans.map((one) => [one.name, of(one.parentSpanContext?.spanId)]));
}

both('the_trace_of_the_publisher_is_the_handlers', async ({ bus }) => {
  exporter.reset();
  await span('request', () => bus.publishInbound(inbound('web', { channel: 'c1', user: 'u1', text: 'Berlin?' })));
  await using inbox = bus.consumeInbound();
  await inbox.run(
    (msg, d) => span('answer', () => d.bus.publishOutbound('web', message(msg.channel_id, '21 °C')).then(() => {})),
    { untilIdle: true },
  );
  await using outbox = bus.consumeOutbound('web');
  await outbox.run(() => span('show', () => bus.publish('log', 1, { key: 'k' }).then(() => {})), { untilIdle: true });
  await using lines = bus.consume('log', 'g');
  await lines.run(() => span('log', () => {}), { untilIdle: true });
  assert.deepEqual(parents(), { request: undefined, answer: 'request', show: 'answer', log: 'show' });
  assert.equal(new Set(exporter.getFinishedSpans().map((one) => one.spanContext().traceId)).size, 1);
  assert.equal(trace.getActiveSpan(), undefined);
});

both('calls_are_in_the_trace_of_their_caller', async ({ bus }) => {
  exporter.reset();
  const inner = tool({ name: 'inner' }, () => span('inner', () => 1));
  await using _tools = await bus.serveTools(inner).ready();
  await using _serving = await bus
    .serve({ outer: (request) => span('outer', () => request.bus.call('inner')) }, { service: 's' })
    .ready();
  await span('caller', () => bus.call('outer', {}, { service: 's' }));
  assert.deepEqual(parents(), { inner: 'outer', outer: 'caller', caller: undefined });
});

both('a_handler_leaves_no_context_behind', async ({ bus }) => {
  await span('request', () => bus.publish('s', 1, { key: 'k' }));
  await bus.publish('s', 2, { key: 'k' });
  await bus.publish('s', 3, { key: 'k', traceparent: 'nonsense', tracestate: '\0' });
  const found: [number, boolean][] = [];
  await using consumer = bus.consume<number>('s', 'g');
  await consumer.run((n) => void found.push([n, trace.getActiveSpan() !== undefined]), { untilIdle: true });
  assert.deepEqual(found, [
    [1, true],
    [2, false],
    [3, false],
  ]);
});

test('what is given wins, and without a span nothing travels', async () => {
  await using bus = await connect('memory://');
  const given = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
  await span('ours', () => bus.publish('s', 1, { traceparent: given, tracestate: 'a=b' }));
  await bus.publish('s', 2);
  await using consumer = bus.consume('s', 'g', { ordering: 'none' });
  const found = await consumer.nextBatch(2);
  assert.deepEqual(
    found.map(({ traceparent, tracestate }) => [traceparent, tracestate]),
    [
      [given, 'a=b'],
      [undefined, undefined],
    ],
  );
  for (const delivery of found) await delivery.ack();
});
