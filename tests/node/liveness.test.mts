/** A process ends by itself exactly when nothing is pending, and ends well whatever is. */

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { theServer } from './fixture.mjs';

interface Ended {
  readonly code: number | null;
  readonly said: string;
}

/** Runs a program in a process of its own, which must end within the test's time. */
async function program(source: string, ...parameters: string[]): Promise<Ended> {
  const lines = `import * as sg from '@stargazer/core';\n${source}`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', lines, '--', ...parameters], {
    cwd: import.meta.dirname,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const [said, complained, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'exit') as Promise<[number | null]>,
  ]);
  return { code, said: said.trim() + complained.trim() };
}

test('an idle bus lets the process end', async () => {
  const { url } = await theServer();
  const source = `
    const bus = await sg.connect(process.argv[1]);
    const inbox = await bus.consume('idle', 'g').open();
    console.log('connected');
  `;
  assert.deepEqual(await program(source, 'memory://'), { code: 0, said: 'connected' });
  assert.deepEqual(await program(source, url), { code: 0, said: 'connected' });
});

test('publishes that nobody awaits are stored before the process ends', async () => {
  const { url } = await theServer();
  const publish = `
    const bus = await sg.connect(process.argv[1]);
    for (let n = 0; n < 200; n++) void bus.publish('unawaited', n);
  `;
  assert.deepEqual(await program(publish, url), { code: 0, said: '' });
  const count = `
    const bus = await sg.connect(process.argv[1]);
    console.log((await bus.streamInfo('unawaited')).length);
  `;
  assert.deepEqual(await program(count, url), { code: 0, said: '200' });
});

test('whoever waits for a delivery keeps the process alive', async () => {
  const { url } = await theServer();
  const source = `
    const bus = await sg.connect(process.argv[1]);
    setTimeout(() => bus.publish('waited', 'came'), 300).unref();
    const { value } = await bus.consume('waited', 'g').next();
    console.log(value.data);
    await value.ack();
    await bus.close();
  `;
  // The timer does not: only the wait does.
  assert.deepEqual(await program(source, url), { code: 0, said: 'came' });
});

test('leaving the loop lets the process end', async () => {
  const { url } = await theServer();
  const source = `
    const bus = await sg.connect(process.argv[1]);
    await bus.publish('loop', 1);
    for await (const d of bus.consume('loop', 'g')) { await d.ack(); break; }
    console.log((await bus.pending('loop', 'g')).count);
  `;
  assert.deepEqual(await program(source, url), { code: 0, said: '0' });
});

test('ending in the middle of work is no crash', async () => {
  const { url } = await theServer();
  const busy = `
    const bus = await sg.connect(process.argv[1]);
    const inbox = bus.consume('busy', 'g');
    void inbox.run(() => bus.publish('elsewhere', 1));
    for (let n = 0; n < 500; n++) void bus.publish('busy', n);
  `;
  assert.equal((await program(`${busy} await bus.publish('busy', 1); process.exit(0);`, url)).code, 0);
  const thrown = await program(`${busy} await bus.publish('busy', 1); throw new Error('uncaught');`, url);
  assert.equal(thrown.code, 1);
  assert.match(thrown.said, /[Ee]rror: uncaught/);
});
