/** stargazer: a message bus over Redis Streams with strict order per channel. */

import './dispose.js';
import * as native from '../native.cjs';

export type { Body } from './body.js';
export { Bus, type ConnectOptions, type ConsumeOptions, connect } from './bus.js';
export type { Answer, CallFigures, CallOptions, Identity } from './calls.js';
export { Time } from './clock.js';
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
  Failure,
  ForkedError,
  FullError,
  InternalError,
  InvalidError,
  MalformedError,
  NotFoundError,
  NoWorkerError,
  RejectedError,
  type RemoteDetails,
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
export { Held, Lease, type LeaseSettings, Lock, type LockSettings, type WaitOptions } from './lock.js';
export type { Notice } from './notice.js';
export { Outcome, Reject } from './outcome.js';
export { type AdapterCall, PlatformAdapter } from './platform/adapter.js';
export { CoreAdapter } from './platform/core-adapter.js';
export {
  type AdapterHealth,
  type AdapterState,
  Gateway,
  type GatewaySettings,
} from './platform/gateway.js';
export { Intake } from './platform/intake.js';
export { AdapterKinds, createAdapter, type MakeAdapter } from './platform/kinds.js';
export {
  type BotIdentity,
  fromInboundEnvelope,
  type HistoricalMessage,
  type IncomingInput,
  type IncomingMessage,
  type MessageUpdate,
  type OutgoingFile,
  type SendContext,
  type TurnEnd,
  toInboundEnvelope,
  updateOfInbound,
} from './platform/messages.js';
export { ProxyAdapter, type ProxyOptions } from './platform/proxy.js';
export {
  type CreatedInstance,
  type DeletedInstance,
  type Injected,
  type Injection,
  type Instance,
  type Listing,
  type NewInstance,
  RedisPlatform,
  type RedisPlatformSettings,
  type Replies,
  type RepliesOptions,
  type Reply as PlatformReply,
  type Skipped,
  type StoredFile,
  type User,
} from './platform/redis.js';
export { Publisher, type PublishOptions } from './publisher.js';
export type { Handler, HandlerResult, RunOptions } from './run.js';
export type { Input, SchemaLike } from './schema.js';
export {
  type CallHandler,
  type Figures,
  type HandlerFigures,
  type HandlerOptions,
  Reply,
  Request,
  type ServeSettings,
  Serving,
} from './serve.js';
export type {
  BusSettings,
  ClientCertificate,
  ConsumerSettings,
  LockId,
  Ordering,
  Pem,
  Retention,
  Role,
  ToolsMode,
} from './settings.js';
export { type Job, Singleton, type SingletonSettings, type SingletonState } from './singleton.js';
export { Batch } from './store/batch.js';
export { Subscription } from './store/subscription.js';
export type { Data, Heard, Lifetime, LogEntry, LogOptions, LostNotifications, Notification } from './store/types.js';
export { Store } from './store.js';
export { type RegistryOptions, RemoteRegistry, type Route } from './tool-registry.js';
export { type Authority, ToolService, type ToolServiceSettings } from './tool-service.js';
export {
  type AnyTool,
  type FunctionSchema,
  mergeWriteback,
  type Place,
  type SentFile,
  Tool,
  ToolContext,
  type ToolDefinition,
  type ToolOptions,
  tool,
} from './tools.js';
export { Topology } from './topology.js';
export type { State, Step, Trace } from './trace.js';
export { Worker, type WorkerTool } from './worker.js';

/** The version that all packages of stargazer share. */
export const version: string = native.version();
