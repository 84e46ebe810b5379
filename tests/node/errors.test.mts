/** The error classes against the table of errors that all languages read. */

import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import path from 'node:path';
import { test } from 'node:test';
import * as sg from '@stargazer/core';
import { root } from '../harness/server.mjs';
import { load } from './values.mjs';

interface Kind {
  readonly code: string;
  readonly retryable: boolean;
}

const rows = (load('errors.json').errors ?? []) as unknown as (Kind & { readonly node: string })[];
const native = createRequire(import.meta.url)(path.join(root, 'bindings/node/native.cjs')) as { errorCodes(): Kind[] };
const exported = sg as unknown as Record<string, typeof sg.StargazerError>;

test('every kind of the core has a row', () => {
  const kinds = native.errorCodes();
  assert.ok(kinds.length > 0);
  assert.deepEqual(
    kinds,
    rows.map(({ code, retryable }) => ({ code, retryable })),
  );
});

test('classes are those of the table', () => {
  for (const row of rows) {
    const kind = exported[row.node];
    assert.ok(kind !== undefined, row.node);
    const error = new kind('a message');
    assert.deepEqual([error.code, error.retryable, error.name], [row.code, row.retryable, row.node]);
    assert.ok(error instanceof sg.StargazerError && error instanceof Error);
    assert.equal(String(error), `${row.node}: a message`);
  }
});

test('an error says its context and its cause', () => {
  const cause = new Error('below');
  const error = new sg.FullError('wait', { context: { stream: 's', stored: 'no' }, cause });
  assert.deepEqual(error.context, { stream: 's', stored: 'no' });
  assert.equal(error.cause, cause);
  assert.ok(!('cause' in new sg.FullError('wait')));
});
