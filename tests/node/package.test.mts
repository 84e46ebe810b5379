/** The package as a whole: both ways in, and what it exports. */

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { test } from 'node:test';
import * as imported from '@stargazer/core';

const require = createRequire(import.meta.url);

test('import and require give the same objects', () => {
  const required = require('@stargazer/core') as Record<string, unknown>;
  const { default: _, ...names } = imported as Record<string, unknown>;
  for (const [name, value] of Object.entries(required)) assert.equal(names[name], value, name);
  assert.ok('version' in names);
});

test('the version is that of the package', () => {
  const manifest = require('@stargazer/core/package.json') as { version: string };
  assert.equal(imported.version, manifest.version);
});

test('no type of the package is any', () => {
  const lib = path.dirname(require.resolve('@stargazer/core'));
  const declared = readdirSync(lib, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.d.ts'));
  assert.ok(declared.length > 40);
  for (const name of declared) {
    const words = readFileSync(path.join(lib, name), 'utf8')
      .replace(/\/\*[\s\S]*?\*\//g, '')
      .replace(/'[^']*'/g, '');
    assert.doesNotMatch(words, /(?<![\w.])any(?![\w:(])/, name);
  }
});

test('what is opened can stand behind await using', async () => {
  await using bus = await imported.connect('memory://');
  const lock = bus.lock('l');
  const opened: AsyncDisposable[] = [
    bus,
    bus.consume('s', 'g'),
    await lock.acquire(),
    await bus.lease('e').acquire(),
    bus.serve({ a: () => 1 }),
    bus.serveTools(imported.tool({ name: 't' }, () => 1)),
    await bus.toolRegistry(),
    await bus.store().subscribe('c'),
    bus.events(),
    bus.eventReader(),
    new imported.Gateway(bus, []),
  ];
  for (const one of opened.reverse()) await one[Symbol.asyncDispose]();
  assert.equal(lock.held, false);
  await assert.rejects(bus.publish('s', 1), imported.ClosedError);
});
