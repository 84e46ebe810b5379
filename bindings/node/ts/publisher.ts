/**
 * Publishing, and making calls. What is published is encoded at once, so that a later change of the object does not show, gathered, and
 * handed over when this turn of the event loop ends or when enough has gathered.
 */

import type { Publisher as Native, Part as NativePart } from '../native.cjs';
import { maybeCount, maybeOptions, maybeText, needText } from './arguments.js';
import { type Answer, type CallFigures, type CallOptions, called, packed } from './calls.js';
import { type Clock, REAL } from './clock.js';
import { Encoder } from './codec/encode.js';
import type { Fields, InboundInput, OutboundInput, ToolReply, ToolRequest } from './envelope/types.js';
import { InvalidError, unstored } from './errors.js';
import { enlistBurst, hold, type Receipt, type Waiting } from './link.js';
import { opened, Part, type Row } from './part.js';
import { spanFor, spanHere, usesSpans } from './span.js';
import { Store } from './store.js';

/** What may be said about one publish. */
export interface PublishOptions {
  /** Publishing again under the same id inside the dedupe window stores nothing twice. 1 to 256 bytes. */
  messageId?: string;
  /** The lane; by default that of the envelope's channel. At most 512 bytes. */
  key?: string;
  /** Trace id; by default the envelope's. */
  traceId?: string;
  /** W3C `traceparent`. */
  traceparent?: string;
  /** W3C `tracestate`. */
  tracestate?: string;
  /**
   * Replicas that must confirm it; by default as the bus is set. `TimeoutError` with `stored` `unknown` says that it is
   * stored and they did not in time. Publishes that ask for different numbers keep their order only when one is awaited
   * before the next.
   */
  waitReplicas?: number;
}

/** Where something goes, as the native side numbers it. */
const INBOUND = 0;
const OUTBOUND = 1;
const TOOLS_REQUEST = 2;
const TOOLS_REPLY = 3;
const STREAM = 4;

/** What may be said about a publish. */
const OPTIONS: ReadonlySet<string> = new Set<keyof PublishOptions>([
  'messageId',
  'key',
  'traceId',
  'traceparent',
  'tracestate',
  'waitReplicas',
]);

/** Handed over at once when so many have gathered: sending then overlaps with encoding. Half as many cost a tenth more. */
const ENOUGH = 64;

/** Numbers that strict readers of the original want as floats. */
const FLOATS: ReadonlySet<string> = new Set(['timestamp', 'enqueued_at']);

/** Encoders that are not in use; few bursts gather at the same time. */
const spare: Encoder[] = [];
const SPARE = 8;

/** What has gathered. */
interface Burst {
  readonly encoder: Encoder;
  readonly ends: number[];
  readonly waiters: Waiting[];
}

/**
 * Publishes to the streams of one bus. A {@link Bus} is one; a delivery carries one that is fenced: what is published
 * through it is refused with `StaleError` once the delivery is no longer ours.
 */
export class Publisher {
  readonly #native: Native;
  #burst: Burst | undefined;

  /** @internal */
  constructor(native: Native) {
    this.#native = native;
  }

  /** What the server keeps under keys: texts, hashes, sets, lists, notifications, logs. Not fenced. */
  store(): Store {
    return new Store(new Part(this.part('store', {}), { camel: true }));
  }

  /** The time that limits are of. @internal */
  get clock(): Clock {
    return REAL;
  }

  /** @internal */
  get handle(): Native {
    return this.#native;
  }

  /** @internal */
  part(name: string, row: Row): NativePart {
    return opened(this.#native, name, row);
  }

  /**
   * Publishes a message from a platform to the workers. A plain object is taken as well as what {@link inbound} makes;
   * `InvalidError` names the field that is wrong.
   */
  publishInbound<Extra extends object = Fields>(
    envelope: InboundInput<Extra>,
    options?: PublishOptions,
  ): Promise<Receipt> {
    return this.#publish(INBOUND, '', envelope, options, FLOATS);
  }

  /** Publishes what a platform's gateway is to do. The envelope's platform becomes this one. */
  publishOutbound(platform: string, envelope: OutboundInput, options?: PublishOptions): Promise<Receipt> {
    return this.#publish(OUTBOUND, platform, envelope, options);
  }

  /** Publishes a request to run a tool. */
  publishToolsRequest<Arguments extends object = Fields>(
    request: ToolRequest<Arguments>,
    options?: PublishOptions,
  ): Promise<Receipt> {
    return this.#publish(TOOLS_REQUEST, '', request, options);
  }

  /** Publishes a tool's result onto the reply stream that its request named. */
  publishToolsReply<Result = unknown>(
    replyStream: string,
    reply: ToolReply<Result>,
    options?: PublishOptions,
  ): Promise<Receipt> {
    return this.#publish(TOOLS_REPLY, replyStream, reply, options);
  }

  /**
   * Publishes anything to a stream by its name. Payloads under the same `key` are handled in order; without one, a
   * payload with a `channel_key` or `channel_id` has that as its lane, any other none.
   */
  publish<Payload = unknown>(stream: string, payload: Payload, options?: PublishOptions): Promise<Receipt> {
    return this.#publish(STREAM, stream, payload, options);
  }

  /**
   * Calls a name, and gives the result.
   *
   * A call ends once: with the result, or with `RemoteError` (the handler failed; `remoteCode` says how), `TimeoutError`
   * (nobody answered in time), `ExpiredError` (it was read after its deadline and not run), `CancelledError`, `NoWorkerError`
   * (nobody serves the name), or the reason of its `signal`. Made through `delivery.bus`, a finished call is remembered with
   * the delivery: when the same message comes again, the result is given without running again.
   */
  async call<Result = unknown>(name: string, args: object = {}, options?: CallOptions): Promise<Result> {
    return (await this.callWith<Result>(name, args, options)).result;
  }

  /** {@link call} with the whole answer: the result, and what is to be written back. */
  async callWith<Result = unknown>(name: string, args: object = {}, options?: CallOptions): Promise<Answer<Result>> {
    needText(name, 'name');
    const sent = packed(args);
    return called(options, (token, cancel, calling) => this.#native.call(token, cancel, name, sent, calling));
  }

  /**
   * Calls a method of a platform's gateway: `fetch_history`, `is_channel_valid`, `execute_tool`, …. Ends as {@link call}
   * does. Nothing is remembered, and there is no `service`.
   */
  async callGateway<Result = unknown>(
    platform: string,
    method: string,
    params: object = {},
    options?: CallOptions,
  ): Promise<Answer<Result>> {
    needText(platform, 'platform');
    needText(method, 'method');
    const sent = packed(params);
    return called(options, (token, cancel, calling) =>
      this.#native.callGateway(token, cancel, platform, method, sent, calling),
    );
  }

  /** What the calls of this bus have come to. */
  callFigures(): CallFigures {
    return this.#native.callFigures();
  }

  /** @internal */
  get native(): Native {
    return this.#native;
  }

  /** Hands over what has gathered. @internal */
  flush(): void {
    const burst = this.#burst;
    if (burst === undefined) return;
    this.#burst = undefined;
    const { encoder, ends, waiters } = burst;
    if (waiters.length > 0) this.#native.submit(enlistBurst(waiters), encoder.written(), Uint32Array.from(ends));
    encoder.reset();
    if (spare.length < SPARE) spare.push(encoder);
  }

  #publish(
    target: number,
    name: string,
    body: unknown,
    options?: PublishOptions,
    floats?: ReadonlySet<string>,
  ): Promise<Receipt> {
    const { encoder, ends, waiters } = this.#gathering();
    const before = encoder.length;
    try {
      encoder.write(headOf(target, name, options));
      const end = encoder.length;
      encoder.write(body, floats);
      ends.push(end, encoder.length);
    } catch (error) {
      encoder.cut(before);
      return Promise.reject(unstored(error));
    }
    hold();
    const receipt = new Promise<Receipt>((resolve, reject) => {
      waiters.push({ resolve, reject });
    });
    if (waiters.length >= ENOUGH) this.flush();
    return receipt;
  }

  #gathering(): Burst {
    if (this.#burst === undefined) {
      this.#burst = { encoder: spare.pop() ?? new Encoder(), ends: [], waiters: [] };
      queueMicrotask(() => this.flush());
    }
    return this.#burst;
  }
}

/** Where to, and what was said about it. */
function headOf(target: number, name: string, options: PublishOptions | undefined): unknown[] {
  const to = needText(name, target === OUTBOUND ? 'platform' : 'stream');
  if (options === undefined || options === null) return usesSpans() ? [target, to, ...spanWords()] : [target, to];
  const unknown = Object.keys(maybeOptions(options)).find((option) => !OPTIONS.has(option));
  if (unknown !== undefined) {
    throw new InvalidError(`a publish has no option \`${unknown}\`; there are ${[...OPTIONS].join(', ')}`, {
      context: { field: unknown },
    });
  }
  const span = spanFor(options);
  return [
    target,
    to,
    maybeText(options.messageId, 'messageId') ?? null,
    maybeText(options.key, 'key') ?? null,
    maybeText(options.traceId, 'traceId') ?? null,
    maybeText(options.traceparent, 'traceparent') ?? span.traceparent ?? null,
    maybeText(options.tracestate, 'tracestate') ?? span.tracestate ?? null,
    maybeCount(options.waitReplicas, 'waitReplicas') ?? null,
  ];
}

/** The words of a publish about which nothing was said but where it goes: message id, lane, trace id; then the span. */
function spanWords(): unknown[] {
  const { traceparent, tracestate } = spanHere();
  return [null, null, null, traceparent ?? null, tracestate ?? null];
}
