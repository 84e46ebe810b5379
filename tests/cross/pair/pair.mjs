/** One half of a pair: serves tools until its input ends (`pair.mjs serve URL`), or calls them (`pair.mjs call URL`). */

import { createHash } from 'node:crypto';
import { createInterface } from 'node:readline';
import { connect, Failure, RemoteError, tool } from '@stargazer/core';
import { z } from 'zod';

const DATA = Buffer.alloc(76_800, Buffer.from(Array.from({ length: 256 }, (_, n) => n)));

/** One line for the test. */
const say = (what, value = null) => console.log(JSON.stringify([what, value]));

const echo = tool({ name: 'echo', input: z.object({ text: z.string() }) }, async ({ text }) => text);
const fail = tool({ name: 'fail', input: z.object({ city: z.string() }) }, async ({ city }) => {
  throw new Failure('no_city', 'no such city', { details: { city } });
});
const draw = tool({ name: 'draw' }, async (_args, context) => {
  context.sentFile({ data: DATA, mimetype: 'image/png', filename: 'p.png' });
  return 'sent';
});
const endless = tool({ name: 'endless' }, async (_args, { signal }) => {
  say('began');
  await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
  say('ended', signal.reason.context.reason);
});

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const [role, url] = process.argv.slice(2);
const bus = await connect(url, { role: 'tools' });
if (role === 'serve') {
  const service = await bus.serveTools(echo, fail, draw, endless).ready();
  say('ready');
  while (!(await lines.next()).done);
  await service.close();
} else {
  const registry = await bus.toolRegistry();
  say(
    'offered',
    registry.openaiTools().map((of) => of.function.name),
  );
  say('registry', await registry.call('echo', { text: 'Ünï' }));
  registry.close();
  say('ok', await bus.call('echo', { text: 'Berlin' }));
  await bus.call('fail', { city: 'Xanadu' }).catch((error) => {
    if (!(error instanceof RemoteError)) throw error;
    say('failed', [error.remoteCode, error.message, error.details]);
  });
  const answer = await bus.callWith('draw');
  const [file] = answer.writeback.sent_files;
  say('bytes', [answer.result, file.filename, createHash('sha256').update(file.data).digest('hex')]);
  const abort = new AbortController();
  const call = bus.call('endless', {}, { signal: abort.signal });
  await lines.next();
  abort.abort();
  await call.catch(() => say('cancelled'));
  await lines.next();
}
await bus.close();
process.stdin.destroy();
