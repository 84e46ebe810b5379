// The client: gets what the bot says and writes it down before it acknowledges.
//
//   node receive.mjs --redis redis://127.0.0.1:6379 --log received.jsonl
//
// Says `ready` once it reads, and ends on SIGTERM. The log has a line of JSON per delivery, on the disk (fsync) before
// the delivery is acknowledged: so nothing that was acknowledged can be missing from it, whatever dies when. Answers that
// stand in the stream twice, because the process that answered died in between, have one `message_key`; the client marks
// the second as a double, as one that shows messages to people would drop it. Started again, it goes on with its log.

import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { bytesOf, connect } from '@stargazer/core';

const PLATFORM = 'web';

/** A file of lines. Lines that come while others are being synced gather and leave together. */
class Journal {
  #file;
  #batch;
  #last = Promise.resolve();

  constructor(file) {
    this.#file = file;
  }

  /** Resolves when the line is on the disk. */
  append(line) {
    if (this.#batch === undefined) {
      const lines = [];
      this.#last = this.#last.then(() => this.#write(lines));
      this.#batch = { lines, written: this.#last };
    }
    this.#batch.lines.push(line);
    return this.#batch.written;
  }

  async #write(lines) {
    this.#batch = undefined;
    await this.#file.appendFile(`${lines.join('\n')}\n`);
    await this.#file.datasync();
  }
}

/** What is written down of an answer. */
function lineOf(delivery, double) {
  const { data } = delivery;
  return JSON.stringify({
    entry: delivery.id,
    key: data.message_key ?? '',
    trace_id: data.trace_id,
    channel_id: data.channel_id,
    reply_to: data.reply_to ?? '',
    type: data.type,
    text: data.text,
    file: data.type === 'file' ? fingerprint(data) : null,
    double,
    redelivered: delivery.redelivered,
  });
}

function fingerprint(file) {
  const bytes = bytesOf(file);
  return [`${file.filename} (${file.mimetype})`, bytes.length, createHash('sha256').update(bytes).digest('hex')];
}

/** The keys of an earlier life's log. A last line without its end was never acknowledged: it is cut off. */
async function resume(file) {
  const lines = (await file.readFile('utf8')).split('\n');
  const half = Buffer.byteLength(lines.pop());
  if (half > 0) await file.truncate((await file.stat()).size - half);
  return new Set(lines.map((line) => JSON.parse(line).key));
}

const text = { type: 'string' };
const { values } = parseArgs({
  options: { redis: text, log: text, lease: { ...text, default: '15000' }, sweep: { ...text, default: '5000' } },
});
if (values.redis === undefined || values.log === undefined) {
  console.error('usage: node receive.mjs --redis URL --log FILE [--lease MS] [--sweep MS]');
  process.exit(2);
}

const file = await open(values.log, 'a+');
const known = await resume(file);
const journal = new Journal(file);
const bus = await connect(values.redis, { role: 'gateway', platforms: [PLATFORM] });
const lease = { leaseMs: Number(values.lease), sweepMs: Number(values.sweep) };
const outbox = await bus.consumeOutbound(PLATFORM, lease).open();
process.once('SIGTERM', () => outbox.close());
process.once('SIGINT', () => outbox.close());
console.log('ready');

await outbox.run(
  async (data, delivery) => {
    const double = known.has(data.message_key);
    known.add(data.message_key);
    await journal.append(lineOf(delivery, double));
  },
  { concurrency: 32 },
);
await bus.close();
await file.close();
