/** An encrypted server: whom a bus trusts, and what it shows to one that wants to know its clients. */

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import net, { type AddressInfo } from 'node:net';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import tls from 'node:tls';
import { type BusSettings, connect, InvalidError, StargazerError } from '@stargazer/core';
import { root } from '../harness/server.mjs';
import { theServer } from './fixture.mjs';

const certificates = path.join(root, 'tests/rust/redis/certificates');
const pem = (name: string): Buffer => readFileSync(path.join(certificates, name));
const [authority, certificate, key] = [pem('authority.pem'), pem('server.pem'), pem('server.key')];

/** The address of a proxy before the server that speaks TLS: not every server is built with it. */
async function encrypted(t: TestContext, { knownClients = false } = {}): Promise<string> {
  const behind = Number(new URL((await theServer()).url).port);
  const options = {
    cert: certificate,
    key,
    requestCert: knownClients,
    rejectUnauthorized: knownClients,
    ca: authority,
  };
  const proxy = tls.createServer(options, (outside) => {
    const inside = net.connect(behind, '127.0.0.1');
    const end = () => {
      outside.destroy();
      inside.destroy();
    };
    outside.on('error', end).pipe(inside).on('error', end).pipe(outside);
  });
  // Who does not trust us hangs up, which is what the test is about.
  proxy.on('tlsClientError', () => {});
  const open = new Set<net.Socket>();
  proxy.on('connection', (socket: net.Socket) => open.add(socket));
  proxy.listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  t.after(() => {
    for (const socket of open) socket.destroy();
    proxy.close();
  });
  return `rediss://localhost:${(proxy.address() as AddressInfo).port}`;
}

const atOnce: BusSettings = { connectTimeoutMs: 0 };

/** How connecting fails. */
async function refused(url: string, settings: BusSettings): Promise<StargazerError> {
  const error = await connect(url, { ...atOnce, ...settings }).then(
    (bus) => bus.close().then(() => assert.fail('it connected')),
    (error: unknown) => error,
  );
  assert.ok(error instanceof StargazerError, String(error));
  return error;
}

test('a certificate is checked and then everything goes as without', async (t) => {
  const url = await encrypted(t);
  assert.ok((await refused(url, {})) instanceof InvalidError);
  assert.ok((await refused(url, { rootCertificates: 'nonsense' })) instanceof InvalidError);
  for (const rootCertificates of [authority, authority.toString()]) {
    await using bus = await connect(url, {
      ...atOnce,
      rootCertificates,
      streamPrefix: `tls-${rootCertificates.length}`,
    });
    const { id } = await bus.publish('s', { n: 1 });
    assert.equal((await bus.streamInfo('s')).lastId, id);
  }
});

test('a server that knows its clients takes one with a certificate', async (t) => {
  const url = await encrypted(t, { knownClients: true });
  const stranger = await refused(url, { rootCertificates: authority });
  assert.ok(['invalid', 'unavailable'].includes(stranger.code), stranger.code);
  const texts = { certificate: certificate.toString(), key: key.toString() };
  for (const clientCertificate of [{ certificate, key }, texts]) {
    await using bus = await connect(url, { ...atOnce, rootCertificates: authority, clientCertificate });
    assert.ok((await bus.doctor()).length > 0);
  }
});

test('certificates of the wrong form are refused by name', async () => {
  for (const [field, value] of [
    ['rootCertificates', 5],
    ['rootCertificates', null],
    ['clientCertificate', certificate],
    ['clientCertificate', { certificate }],
    ['clientCertificate', { certificate, key: 5 }],
  ] as const) {
    const error = await refused('rediss://127.0.0.1:1', { [field]: value } as BusSettings);
    assert.ok(error instanceof InvalidError, String(error));
    assert.equal(error.context.field, field);
    assert.ok(!error.message.includes('BEGIN'), 'no certificate or key in a message');
  }
});
