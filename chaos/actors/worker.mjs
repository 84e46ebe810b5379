/**
 * A worker of a run over a real server, in Node: the same command line, deeds and records as `sg-chaos worker`.
 *
 * `chaos/README.md` describes all three. What is Node's own: `hold` keeps the event loop for the whole time, so that no
 * JavaScript of this process runs, and a handler cannot be ended from outside, so this one listens to its signal.
 */

import { openSync, writeSync } from 'node:fs';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { setFlagsFromString } from 'node:v8';
import { AuthError, connect, message, Outcome, StaleError, StargazerError } from '@stargazer/core';

const { positionals, values: told } = parseArgs({
  allowPositionals: true,
  options: {
    url: { type: 'string' },
    history: { type: 'string' },
    actor: { type: 'string' },
    profile: { type: 'string', default: 'test' },
    ordering: { type: 'string', default: 'lanes' },
    concurrency: { type: 'string', default: '64' },
    memory: { type: 'string', default: '1024' },
  },
});
if (positionals[0] !== 'worker' || !told.url || !told.history || !told.actor) throw new Error('see chaos/README.md');

/** Kinds of records, as in `history/record.rs`. */
const Kind = {
  PublishCall: 1,
  PublishOk: 2,
  PublishRefused: 3,
  PublishUnknown: 4,
  HandlerStart: 10,
  HandlerEnd: 11,
  HandlerCancel: 12,
  EffectOk: 30,
  EffectStale: 31,
  ActorStart: 60,
  ActorEnd: 61,
};
const NO_MESSAGE = (1n << 64n) - 1n;
const OUTCOMES = { ack: 0, retry: 1, reject: 2, release: 3 };
const PROFILES = {
  test: { leaseMs: 2000, sweepMs: 500, handlerTimeoutMs: 8000 },
  default: { leaseMs: 15_000, sweepMs: 5000, handlerTimeoutMs: 30_000 },
};

const actor = Number(told.actor);
const file = openSync(told.history, 'a');
let runs = 0;

/** Writes a record of now: one write, nothing kept back. */
function write(kind, record = {}) {
  const { detail = 0, attempt = 0, message = NO_MESSAGE, lane = 0, extra = 0, entry = [0n, 0n] } = record;
  const { token = 0n, hash = 0n } = record;
  const bytes = Buffer.alloc(64);
  bytes.writeBigUInt64LE(process.hrtime.bigint(), 0);
  bytes.writeUInt32LE(actor, 8);
  bytes.writeUInt8(kind, 12);
  bytes.writeUInt8(detail, 13);
  bytes.writeUInt16LE(Math.min(attempt, 0xffff), 14);
  bytes.writeBigUInt64LE(message, 16);
  bytes.writeUInt32LE(lane, 24);
  bytes.writeUInt32LE(extra, 28);
  bytes.writeBigUInt64LE(entry[0], 32);
  bytes.writeBigUInt64LE(entry[1], 40);
  bytes.writeBigUInt64LE(token, 48);
  bytes.writeBigUInt64LE(hash, 56);
  if (writeSync(file, bytes) !== bytes.length) process.abort();
}

/** What a message asks of its handler: `17 in 5 takes 120 ms do ack until 0 …`. */
function planOf(text) {
  const [number, , lane, , millis, , , deed, , until] = text.split(' ');
  return { number: BigInt(number), lane: Number(lane), millis: Number(millis), deed, until: Number(until) };
}

/** What the handler does at this attempt. */
function deedAt({ deed, until }, { attempt, redelivered }) {
  return attempt > until || (deed === 'release' && redelivered) ? 'ack' : deed;
}

async function handle(inbound, delivery) {
  const plan = planOf(inbound.content);
  const deed = deedAt(plan, delivery);
  const run = {
    attempt: delivery.attempt,
    message: plan.number,
    lane: plan.lane,
    entry: pair(delivery.id),
    token: (BigInt(actor) << 32n) | BigInt(runs++),
    hash: fnv1a(delivery.raw),
  };
  write(Kind.HandlerStart, { ...run, detail: Number(delivery.redelivered) });
  try {
    if (deed === 'hold') hold(plan.millis);
    else await sleep(plan.millis, undefined, { signal: delivery.signal });
    const outcome = await act(deed, plan, delivery, run);
    write(Kind.HandlerEnd, { ...run, detail: OUTCOMES[outcome.kind] });
    if (deed !== 'panic') return outcome;
  } catch (error) {
    if (!delivery.signal.aborted) throw error;
    write(Kind.HandlerCancel, run);
    return Outcome.release();
  }
  throw new Error('the plan says so');
}

async function act(deed, plan, delivery, run) {
  switch (deed) {
    case 'retry':
    case 'panic':
      return Outcome.retry();
    case 'reject':
      return Outcome.reject('its plan says so');
    case 'release':
      return Outcome.release();
    case 'hang':
      await new Promise((_, reject) => {
        delivery.signal.addEventListener('abort', () => reject(delivery.signal.reason), { once: true });
      });
      break;
    case 'overflow':
      // JavaScript stops its own recursion, so nothing but an abort ends the process.
      process.abort();
      break;
    case 'memory':
      for (const hoard = []; ; ) hoard.push(new Array(1 << 16).fill(hoard.length));
  }
  return answer(plan, delivery, run);
}

/** Publishes the answer under the delivery's fence, always under the same message id. */
async function answer({ number: asked, lane: channel }, delivery, run) {
  const [number, lane] = [asked | (1n << 40n), channel | (1 << 24)];
  const outbound = { message: number, lane, token: run.token };
  write(Kind.PublishCall, outbound);
  try {
    const said = message(`l${channel}`, `${number} in ${lane} by ${run.token}`);
    const receipt = await delivery.bus.publishOutbound('chaos', said, { messageId: `e${asked}` });
    const duplicate = Number(receipt.duplicate);
    write(Kind.PublishOk, { ...outbound, detail: 1, extra: duplicate, entry: pair(receipt.id) });
    write(Kind.EffectOk, { ...run, detail: duplicate });
    return Outcome.ack();
  } catch (error) {
    if (!(error instanceof StargazerError)) throw error;
    write(error.context.stored === 'no' ? Kind.PublishRefused : Kind.PublishUnknown, outbound);
    if (error instanceof StaleError) write(Kind.EffectStale, run);
    // The server's trouble is not the message's: the attempt does not count.
    return Outcome.release();
  }
}

/** Keeps the event loop. */
function hold(millis) {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, millis);
}

/** Milliseconds and sequence number of an id. */
function pair(id) {
  return id.split('-').map(BigInt);
}

/** FNV-1a, 64 bits, in halves: big integers would take longer than many a handler. */
function fnv1a(bytes) {
  let [high, low] = [0xcbf29ce4, 0x84222325];
  for (const byte of bytes) {
    low = (low ^ byte) >>> 0;
    const product = low * 0x1b3;
    high = (Math.imul(high, 0x1b3) + (low << 8) + Math.floor(product / 0x1_0000_0000)) >>> 0;
    low = product >>> 0;
  }
  return (BigInt(high) << 32n) | BigInt(low);
}

/** Waits before the next try, if trouble of this kind ends when the fault does. */
async function waitOut(error) {
  if (!(error.retryable || error instanceof AuthError)) throw error;
  await sleep(50);
}

const ending = new AbortController();

/** Connects and opens a consumer, however long it takes. */
async function open() {
  let bus;
  while (!ending.signal.aborted) {
    try {
      bus ??= await connect(told.url, { publishTimeoutMs: 3000 });
      const settings = { ...PROFILES[told.profile], retryBaseMs: 200, retryMaxMs: 2000, drainTimeoutMs: 1000 };
      const named = { name: `actor${actor}`, ordering: told.ordering, concurrency: Number(told.concurrency) };
      return { bus, consumer: await bus.consumeInbound({ ...settings, ...named }).open() };
    } catch (error) {
      await waitOut(error);
    }
  }
  return { bus };
}

setFlagsFromString(`--max-old-space-size=${told.memory}`);
// The run that started us may end without a word.
const parent = process.ppid;
setInterval(() => process.ppid !== parent && process.kill(process.pid, 'SIGKILL'), 500).unref();
process.once('SIGTERM', () => ending.abort());

write(Kind.ActorStart);
const { bus, consumer } = await open();
if (consumer !== undefined) {
  const closed = new Promise((resolve, reject) => {
    const close = () => consumer.close().then(resolve, reject);
    if (ending.signal.aborted) close();
    ending.signal.addEventListener('abort', close, { once: true });
  });
  // Whichever comes first: the run fails, or it is closed.
  closed.catch(() => {});
  await consumer.run(handle);
  await closed;
}
await bus?.close();
write(Kind.ActorEnd);
