/** The harness as Node sees it; what it does is tested in Rust. */

import assert from 'node:assert/strict';
import net from 'node:net';
import { test } from 'node:test';
import { Server } from '../harness/server.mjs';

function reachable(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1');
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}

test('a server is killed and comes back on its port', async () => {
  const server = await Server.start();
  try {
    const { port } = server.about;
    assert.equal(await reachable(port), true);
    await server.kill();
    assert.equal(await reachable(port), false);
    await server.restart();
    assert.equal(server.about.port, port);
    assert.equal(await reachable(port), true);
  } finally {
    await server.close();
  }
});

test('an unknown option is told', async () => {
  await assert.rejects(Server.start('--nonsense'), /sg-test-server ended/);
});
