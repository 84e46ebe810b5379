/** stargazer: a message bus over Redis Streams with strict order per channel. */

import './dispose.js';
import * as native from '../native.cjs';

export { Bus, type ConnectOptions, connect } from './bus.js';
export { Ext } from './codec/ext.js';
export { Consumer } from './consumer.js';
export {
  type DeadLetter,
  type DeadLetterPage,
  type DeadLetterSummary,
  DeadLetters,
  type LetterFilter,
  type LetterQuery,
  type PastLife,
  type ReplayOptions,
  type ReplayReport,
} from './dead-letter.js';
export { Delivery } from './delivery.js';
export type * from './envelope/types.js';
export {
  buttons,
  bytesOf,
  file,
  type InboundContent,
  inbound,
  message,
  type OutboundExtras,
  presence,
  reaction,
  rpc,
  typing,
} from './envelope/write.js';
export {
  AuthError,
  CancelledError,
  ClosedError,
  ConflictError,
  type ErrorContext,
  type ErrorDetails,
  ExpiredError,
  ForkedError,
  FullError,
  InternalError,
  InvalidError,
  MalformedError,
  NotFoundError,
  NoWorkerError,
  RejectedError,
  RemoteError,
  StaleError,
  StargazerError,
  TimeoutError,
  TooLargeError,
  UnavailableError,
} from './errors.js';
export * as events from './events.js';
export { Entry, type Finding, type GroupInfo, type PendingInfo, type StreamInfo } from './inspect.js';
export type { Durability, Receipt } from './link.js';
export type { Notice } from './notice.js';
export { Outcome, Reject } from './outcome.js';
export { Publisher, type PublishOptions } from './publisher.js';
export type { Handler, HandlerResult, RunOptions } from './run.js';
export type { BusSettings, ConsumerSettings, LockId, Ordering, Retention, Role } from './settings.js';

/** The version that all packages of stargazer share. */
export const version: string = native.version();
