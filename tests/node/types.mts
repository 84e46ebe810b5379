/** What the types promise and refuse. Compiled with the tests, run by nobody. */

import {
  type Bus,
  type Consumer,
  connect,
  type Delivery,
  file,
  type Inbound,
  inbound,
  message,
  type Outbound,
  type OutboundMessage,
  Outcome,
  type Receipt,
  type rpc,
  type StargazerError,
} from '@stargazer/core';
import { z } from 'zod';

/** Fails to compile unless both are the same type. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
function same<A, B>(_: Same<A, B>): void {}

interface Order {
  readonly id: number;
  readonly lines: readonly string[];
}

export async function use(bus: Bus, error: StargazerError): Promise<void> {
  same<Awaited<ReturnType<typeof connect>>, Bus>(true);
  const receipt = await bus.publish<Order>('orders', { id: 1, lines: [] }, { key: 'k', messageId: 'm' });
  same<typeof receipt, Receipt>(true);
  same<Receipt['durability'], 'memory' | 'server' | 'aof-everysec' | 'aof-always' | `replicated(${number})`>(true);
  // @ts-expect-error a payload of another shape
  await bus.publish<Order>('orders', { id: 'one', lines: [] });
  // @ts-expect-error no such option
  await bus.publish('orders', 1, { message_id: 'm' });

  const orders = bus.consume<Order>('orders', 'g', { concurrency: 5 });
  same<typeof orders, Consumer<Order>>(true);
  for await (const d of orders) {
    same<typeof d, Delivery<Order>>(true);
    same<typeof d.data, Order>(true);
    same<typeof d.lane, string | undefined>(true);
    await d.ack();
    await d.retry({ afterMs: 5 });
    // @ts-expect-error `bus` of a delivery publishes, and no more
    d.bus.close();
  }
  const plain = await bus.consume('s', 'g').next({ timeoutMs: 5 });
  if (!plain.done) same<typeof plain.value.data, unknown>(true);
  // @ts-expect-error durations have their unit in the name
  bus.consume('s', 'g', { lease: 5 });

  const OrderSchema = z.object({ id: z.number().default(1), lines: z.array(z.string()) });
  same<ReturnType<typeof read>, Consumer<{ id: number; lines: string[] }>>(true);
  const read = () => bus.consume('orders', 'g', { body: OrderSchema });
  const byFunction = bus.consume('s', 'g', { body: (given: unknown) => Number(given) });
  same<typeof byFunction, Consumer<number>>(true);
  const byParse = bus.consume('s', 'g', { body: { parse: (given: unknown) => [String(given)] }, concurrency: 2 });
  same<typeof byParse, Consumer<string[]>>(true);
  // @ts-expect-error reads something else
  bus.consume<Order>('s', 'g', { body: (given: unknown) => String(given) });
  // @ts-expect-error envelopes have a shape of their own
  bus.consumeInbound({ body: OrderSchema });

  await bus.consumeInbound<{ nonce: string }>().run(async (msg, d) => {
    same<typeof msg, Inbound<{ nonce: string }>>(true);
    same<typeof msg.extra.nonce, string>(true);
    same<typeof msg.reply_to, string | null | undefined>(true);
    await d.bus.publishOutbound('web', message(msg.channel_id, msg.content));
    return msg.is_dm ? Outcome.ack() : undefined;
  });
  await bus.consumeInbound().run(() => {});
  // @ts-expect-error a handler returns nothing or an outcome
  await bus.consumeInbound().run(() => 'ack');

  for await (const { data } of bus.consumeOutbound('web')) {
    same<typeof data, Outbound>(true);
    same<typeof data.text, string>(true);
    if (data.type === 'file') same<typeof data.data, string | Uint8Array>(true);
    // @ts-expect-error only files have a name
    if (data.type === 'message') data.filename;
  }
  await bus.publishOutbound('web', { type: 'message', channel_id: 'c', text: 't' });
  // @ts-expect-error a message has a text
  await bus.publishOutbound('web', { type: 'message', channel_id: 'c' });
  // @ts-expect-error no such type
  await bus.publishOutbound('web', { type: 'dance', channel_id: 'c' });
  // @ts-expect-error a field is missing
  await bus.publishInbound({ platform: 'web' });
  await bus.publishInbound(inbound('web', { channel: 'c', user: 'u', text: 't', reply_to: 'm1' }));
  // @ts-expect-error no such field
  inbound('web', { channel: 'c', user: 'u', replyTo: 'm1' });
  same<ReturnType<typeof message>, OutboundMessage>(true);
  file('c', 'a.png', Buffer.alloc(1), { mimetype: 'image/png' });
  same<ReturnType<typeof rpc<{ n: number }>>['params'], { n: number }>(true);
  same<typeof error.code, string>(true);
  same<typeof error.context, Readonly<Record<string, string>>>(true);

  await using there = await connect('memory://', { role: 'standalone', platforms: ['web'] });
  await there.close({ timeoutMs: 5 });
}
