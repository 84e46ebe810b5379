/** A server of one's own, for tests in Node: the program `sg-test-server` behind a small class. */

import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';

/** The root of the repository; this file runs from `tests/node/build/harness/`. */
export const root: string = path.resolve(import.meta.dirname, '../../../..');

/** A program of the workspace, as `make` built it. */
export function built(program: string): string {
  return path.resolve(root, process.env.CARGO_TARGET_DIR ?? 'target', 'debug', program);
}

interface About {
  readonly url: string;
  readonly unix_url: string | null;
  readonly port: number;
  readonly pid: number | null;
  readonly server: string;
  readonly version: string;
}

/** Runs from `start` to `close`; the server ends with this process at the latest. */
export class Server {
  readonly #process: ChildProcessByStdio<Writable, Readable, null>;
  readonly #answers: AsyncIterator<string>;
  #about: About;

  private constructor(
    process: ChildProcessByStdio<Writable, Readable, null>,
    answers: AsyncIterator<string>,
    about: About,
  ) {
    this.#process = process;
    this.#answers = answers;
    this.#about = about;
  }

  /** Starts a server with the options of `sg-test-server`. */
  static async start(...options: string[]): Promise<Server> {
    const child = spawn(built('sg-test-server'), options, { stdio: ['pipe', 'pipe', 'inherit'] });
    const answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    return new Server(child, answers, await answer(answers));
  }

  /** What the program said of the server last. */
  get about(): About {
    return this.#about;
  }

  /** `redis://…`, the same over restarts. */
  get url(): string {
    return this.#about.url;
  }

  /** `kill -9`: the server is gone when this resolves. */
  async kill(): Promise<void> {
    await this.#tell('kill');
  }

  /** Starts it again on the same port and folder, killing it first where it runs. */
  async restart(): Promise<void> {
    await this.#tell('restart');
  }

  /** `SIGSTOP`: connections stay open and nothing answers. */
  async pause(): Promise<void> {
    await this.#tell('pause');
  }

  /** `SIGCONT`: goes on after a pause. */
  async resume(): Promise<void> {
    await this.#tell('continue');
  }

  /** Ends the server. */
  async close(): Promise<void> {
    const ended = this.#process.exitCode === null ? once(this.#process, 'exit') : undefined;
    this.#process.stdin.end();
    await ended;
  }

  async #tell(word: string): Promise<void> {
    this.#process.stdin.write(`${word}\n`);
    this.#about = await answer(this.#answers);
  }
}

async function answer(answers: AsyncIterator<string>): Promise<About> {
  const line = await answers.next();
  if (line.done) throw new Error('sg-test-server ended');
  const said = JSON.parse(line.value) as About | { error: string };
  if ('error' in said) throw new Error(said.error);
  return said;
}
