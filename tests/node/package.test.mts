/** The package as a whole: both ways in, and what it exports. */

import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
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
