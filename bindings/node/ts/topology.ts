/** Names of streams and groups, for whoever must name them: a script, a dashboard, a program of another kind. */

import type { Topology as Native } from '../native.cjs';
import { needText } from './arguments.js';

/** The names of one bus, after settings and environment. See {@link Bus.topology}. */
export class Topology {
  readonly #native: Native;

  /** @internal */
  constructor(native: Native) {
    this.#native = native;
  }

  /** Stream from the gateways to the workers. */
  get inboundStream(): string {
    return this.#native.inboundStream;
  }

  /** Group of the workers. */
  get workerGroup(): string {
    return this.#native.workerGroup;
  }

  /** Stream of tool requests. */
  get toolsStream(): string {
    return this.#native.toolsStream;
  }

  /** Group of the tool services. */
  get toolsGroup(): string {
    return this.#native.toolsGroup;
  }

  /** Stream of the dead letters. */
  get deadLetterStream(): string {
    return this.#native.deadLetterStream;
  }

  /** The stream to a platform's gateways. */
  outboundStream(platform: string): string {
    return this.#native.outboundStream(needText(platform, 'platform'));
  }

  /** The group of a platform's gateways. */
  gatewayGroup(platform: string): string {
    return this.#native.gatewayGroup(needText(platform, 'platform'));
  }

  /** The stream of a worker's tool replies. */
  toolsReplyStream(worker: string): string {
    return this.#native.toolsReplyStream(needText(worker, 'worker'));
  }
}
