/** A platform as a worker sees it: what it does there goes onto the outbound stream, what it asks is a call. */

import { duration, maybeOptions, needText } from '../arguments.js';
import type { Inbound, InboundInput, OutboundInput } from '../envelope/types.js';
import type { Receipt } from '../link.js';
import { openPart } from '../part.js';
import type { Publisher } from '../publisher.js';
import { CoreAdapter } from './core-adapter.js';

/** How a proxy speaks. */
export interface ProxyOptions {
  /** Trace id, from which the message keys follow. */
  traceId?: string;
  /** How long a question waits for its answer; by default as long as any call. */
  callTimeoutMs?: number;
}

/** An action whose channel may be that of the message that is answered. */
type Addressed<T> = T extends { channel_id: string } ? Omit<T, 'channel_id'> & { channel_id?: string } : T;

/**
 * Speaks on a platform from somewhere else, for one turn or for none.
 *
 * Give it a delivery's bus: what a turn says is then refused once the turn has become somebody else's. The `n`th action of a
 * type in a turn has the message key `{trace_id}:{type}:{n}`, whenever the turn runs, so a turn that runs again says nothing
 * twice; await one action before the next. What it sends is stored when a call returns, and done when a gateway gets to it; the
 * id on the platform is not known by then (`''`).
 *
 * What it asks (`fetchHistory`, `isChannelValid`, `botIdentity`, …) is a call of the gateway: `NoWorkerError` when there is
 * none, `TimeoutError` when it does not answer.
 */
export class ProxyAdapter extends CoreAdapter {
  /** Speaks on a platform outside of any turn, or, given a message, where that came from, in its turn. */
  constructor(bus: Publisher, to: string | Inbound<object> | InboundInput<object>, options: ProxyOptions = {}) {
    const { traceId, callTimeoutMs } = maybeOptions(options);
    const where = typeof to === 'string' ? { platform: to } : { message: to };
    const timeout = duration(callTimeoutMs, 'callTimeoutMs');
    const part = openPart(bus, 'proxy', { ...where, trace_id: traceId, call_timeout: timeout });
    super(part, part.atOnce('name'));
  }

  /** Speaks where a message came from, in its turn. A message without a trace id is traced by its own id. */
  static forMessage(
    bus: Publisher,
    message: Inbound<object> | InboundInput<object>,
    options: Pick<ProxyOptions, 'callTimeoutMs'> = {},
  ): ProxyAdapter {
    return new ProxyAdapter(bus, message, options);
  }

  /**
   * Does something on the platform: from `message(…)` and its like, or any object of that shape. Trace id and message key are
   * filled in where they are missing, and the channel of the message that the turn answers where it is `''` or missing.
   */
  async perform(action: Addressed<OutboundInput>): Promise<Receipt> {
    return (await this.part.store('perform', { action })).receipt;
  }

  /** Tells the end of the turn, if the message asked for it: with the reason when it was given up. */
  async end(error?: string): Promise<void> {
    await this.part.call('end', { error: error === undefined ? undefined : needText(error, 'error') });
  }
}
