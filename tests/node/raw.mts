/** What a stranger does to a server: commands as they stand on the wire. */

import { once } from 'node:events';
import net from 'node:net';

/** Sends one command and gives the first line of the answer. */
export async function command(port: number, ...words: (string | Buffer)[]): Promise<string> {
  const socket = net.connect(port, '127.0.0.1');
  await once(socket, 'connect');
  socket.write(`*${words.length}\r\n`);
  for (const word of words) {
    const bytes = Buffer.from(word as string);
    socket.write(Buffer.concat([Buffer.from(`$${bytes.length}\r\n`), bytes, Buffer.from('\r\n')]));
  }
  const [answer] = (await once(socket, 'data')) as [Buffer];
  socket.destroy();
  const line = answer.toString().split('\r\n', 1)[0] ?? '';
  if (line.startsWith('-')) throw new Error(line);
  return line;
}
