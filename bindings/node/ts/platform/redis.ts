/** The Redis platform: conversations ("instances") whose whole state lives on the server, used through an API. */

import { CHECKS, checked, maybeOptions, needText } from '../arguments.js';
import type { Attachment, Fields } from '../envelope/types.js';
import type { Receipt } from '../link.js';
import { camel, openPart, type Row, snake } from '../part.js';
import type { Publisher } from '../publisher.js';
import { spell } from '../settings.js';
import { CoreAdapter } from './core-adapter.js';
import type { IncomingMessage } from './messages.js';

/** Settings of the Redis platform. */
export interface RedisPlatformSettings {
  /** Write what processes of the original read: keys in clear, files as base64 text, ids in key names as they are. No. */
  legacyWrites?: boolean;
  /** Ids stand in key names as they are. No. */
  plainIds?: boolean;
  /** How long a file is kept. 24 hours. */
  fileTtlMs?: number;
  /** Bytes of the largest file. 16 MiB. */
  maxFileBytes?: number;
  /** Address of a file: this, its id, its name, with slashes between. `/redis-platform/files`. */
  fileUrl?: string;
  /** Replies kept of an instance, about. 1000. */
  repliesMaxLen?: number;
  /** How long after the last one an instance's replies are kept. 24 hours. */
  repliesTtlMs?: number;
  /** Replies kept of a turn, about. 1000. */
  turnMaxLen?: number;
  /** How long after its last reply a turn is kept. 15 minutes. */
  turnTtlMs?: number;
  /** Bytes of metadata that an instance or a user may carry. 64 KiB. */
  maxMetadataBytes?: number;
  /** Id of the bot. `star`. */
  botId?: string;
  /** Name of the bot. `Star`. */
  botName?: string;
  /** Inferred: field of a file's hash with base64 text. `data`. */
  fileField?: string;
  /** Inferred: lock of the one who waits for an instance's replies. */
  waitLock?: string;
  /** Inferred: keys of the original's pipeline that go with an instance, `{id}` for its id. */
  channelState?: readonly string[];
  /** Inferred: member of a reply with the message's id. `message_id`. */
  replyMessageId?: string;
  /** Inferred: member of a reply with the file's id. `file_id`. */
  replyFileId?: string;
  /** Inferred: member of a reply with the file's address. `url`. */
  replyUrl?: string;
  /** Inferred: member of a reply with the nonce. `nonce`. */
  replyNonce?: string;
}

const { text, flag, count, time, texts } = CHECKS;

const SETTINGS: Parameters<typeof checked<RedisPlatformSettings>>[1] = {
  legacyWrites: flag,
  plainIds: flag,
  fileTtlMs: time,
  maxFileBytes: count,
  fileUrl: text,
  repliesMaxLen: count,
  repliesTtlMs: time,
  turnMaxLen: count,
  turnTtlMs: time,
  maxMetadataBytes: count,
  botId: text,
  botName: text,
  fileField: text,
  waitLock: text,
  channelState: texts,
  replyMessageId: text,
  replyFileId: text,
  replyUrl: text,
  replyNonce: text,
};
spell(Object.keys(SETTINGS));

/** An instance to be made. */
export interface NewInstance {
  /** Its id; 16 random hexadecimal digits when there is none. */
  instanceId?: string;
  /** Its name for people; the id when it is empty. */
  displayName?: string;
  /** Its key; a random one when there is none. */
  apiKey?: string;
  /** Whatever else is to be known of it: texts, numbers, truth values. */
  metadata?: Fields;
}

/** A new instance and its key, which is shown here and never again. */
export interface CreatedInstance {
  /** Its id. */
  readonly instanceId: string;
  /** Its key. Only a hash of it is kept. */
  readonly apiKey: string;
}

/** An instance: one conversation with its own key, whose id is the channel's id. */
export interface Instance {
  /** Its id. */
  readonly instanceId: string;
  /** Its name for people. */
  readonly displayName: string;
  /** When it was made: UTC, ISO 8601; `''` where the record does not say. */
  readonly createdAt: string;
  /** What its creator said beside that: texts, in the order of their names. */
  readonly metadata: Readonly<Record<string, string>>;
}

/** A user of an instance. */
export interface User {
  /** Its id. */
  readonly userId: string;
  /** Its name for people and in the conversation. */
  readonly displayName: string;
  /** Whatever else its registrar said. */
  readonly metadata: Readonly<Fields>;
  /** When it was registered: UTC, ISO 8601; `''` where the record does not say. */
  readonly registeredAt: string;
}

/** A record that a list leaves out. */
export interface Skipped {
  /** Id of what it would be. */
  readonly id: string;
  /** What is wrong with it. */
  readonly reason: string;
}

/** A list, and what could not be read for it. */
export interface Listing<T> {
  /** What could be read, in the order of their ids. */
  readonly items: readonly T[];
  /** Records that are broken or missing; a warning of each was logged. */
  readonly skipped: readonly Skipped[];
}

/** What deleting an instance found. */
export interface DeletedInstance {
  /** Its id. */
  readonly instanceId: string;
  /** Whether there was such an instance. */
  readonly existed: boolean;
  /** Keys that were removed, all in all. */
  readonly keys: number;
  /** Users that were on its roster. */
  readonly users: number;
  /** Files that were kept. */
  readonly files: number;
  /** Turns that were kept. */
  readonly turns: number;
  /** What was odd. */
  readonly warnings: readonly ('unknown_instance' | 'no_record' | 'no_key')[];
}

/** What may be said about an injected message. */
export interface Injection {
  /** Name of who writes it. An instance with a roster takes the name from there. */
  userName?: string;
  /** Whether the bot is meant; only then an answer is sure. Yes. */
  isAddressed?: boolean;
  /** Files. */
  attachments?: readonly Attachment[];
  /** Name of the conversation. */
  channelName?: string;
  /** Its id; one is made up when it is empty. The same id for the same instance is taken once. */
  messageId?: string;
  /** Id of the message it answers. */
  replyToId?: string;
  /** Whatever else the workers are to know. */
  extra?: Fields;
  /** Summary of the reactions. */
  reactions?: string;
  /** What the end of the turn is to name; without one the end is not told. */
  responseNonce?: string;
}

/** What became of an injected message. */
export interface Injected {
  /** Its id. */
  readonly messageId: string;
  /** Trace id of its turn, under which everything that is said for it is found; `''` for a double. */
  readonly traceId: string;
  /** Where it is stored. `duplicate`: a message of this id was taken before. */
  readonly receipt: Receipt;
}

/** Which replies. */
export interface RepliesOptions {
  /** After this id; from the beginning by default. */
  after?: string;
  /** At most this many, 1 to 1000. 100. */
  count?: number;
  /** How long to wait for the first. Not at all. */
  waitMs?: number;
}

/** One thing that was said to an instance. */
export interface Reply {
  /** Where it stands: what comes next is read after this. */
  readonly id: string;
  /** What is said: `type` (`message`, `file`, `reaction`, `turn_complete`) and the members of that type. */
  readonly body: Readonly<Fields>;
  /** Trace id of the turn it belongs to, `''` for none. */
  readonly traceId: string;
}

/** Replies, and where to read on. */
export interface Replies {
  /** In the order in which they were said. */
  readonly items: readonly Reply[];
  /** The last id that was read: that of the call when there was nothing. */
  readonly next: string;
  /** What was read up to is not kept any more, so something behind it may be gone as well. */
  readonly gap: boolean;
}

/** A file that was sent to an instance. */
export interface StoredFile {
  /** Its id. */
  readonly fileId: string;
  /** Its name. */
  readonly filename: string;
  /** Its type. */
  readonly mimetype: string;
  /** When it was stored: UTC, ISO 8601. */
  readonly timestamp: string;
  /** The instance it was sent to. */
  readonly channelId: string;
  /** Its bytes. */
  readonly data: Buffer;
}

/**
 * The Redis platform over a bus. Makes no connection of its own; doubles as an adapter for a gateway. Everything but
 * running inside a gateway needs only a bus, so an API may sit in any process.
 *
 * Trouble with the server is `UnavailableError` or `TimeoutError`, never an empty answer.
 */
export class RedisPlatform extends CoreAdapter {
  /** Over a bus. `InvalidError` names a setting that is unknown, of the wrong type, or out of range. */
  constructor(bus: Publisher, settings: RedisPlatformSettings = {}) {
    const row = snake(checked(settings, SETTINGS));
    super(openPart(bus, 'redis_platform', row, { camel: true }), 'redis');
  }

  /**
   * Makes an instance, as a whole or not at all. `ConflictError` when there is one of this id, `InvalidError` or
   * `TooLargeError` naming what cannot be kept.
   */
  async createInstance(made: NewInstance = {}): Promise<CreatedInstance> {
    return camel(await this.part.call<Row>('create_instance', snake(maybeOptions(made))));
  }

  /** Whether this is the instance's key, in the same time whatever differs; false for an unknown instance. */
  validateApiKey(instanceId: string, apiKey: string): Promise<boolean> {
    return this.part.call('validate_api_key', { instance_id: instanceId, api_key: apiKey });
  }

  /** Whether there is such an instance. */
  instanceExists(instanceId: string): Promise<boolean> {
    return this.part.call('instance_exists', { instance_id: instanceId });
  }

  /** All instances, sorted by their ids. */
  async listInstances(): Promise<Listing<Instance>> {
    return listing(await this.part.call('list_instances'));
  }

  /** An instance; `undefined` when there is none. `MalformedError` when its record is broken. */
  async getInstance(instanceId: string): Promise<Instance | undefined> {
    return found(await this.part.call('get_instance', { instance_id: instanceId }));
  }

  /**
   * Gives an instance another name and sets metadata, leaving the rest alone. Whether there is such an instance.
   * `InvalidError` or `TooLargeError` naming what cannot be kept.
   */
  updateInstance(instanceId: string, changes: Pick<NewInstance, 'displayName' | 'metadata'>): Promise<boolean> {
    return this.part.call('update_instance', { instance_id: instanceId, ...snake(maybeOptions(changes, 'changes')) });
  }

  /** Removes an instance with everything that belongs to it. One that is not there is a warning, no error. */
  async deleteInstance(instanceId: string): Promise<DeletedInstance> {
    return camel(await this.part.call<Row>('delete_instance', { instance_id: instanceId }));
  }

  /**
   * Registers a user, or replaces it. With its first user an instance is closed to everybody else. `NotFoundError` without
   * such an instance, `InvalidError` naming what cannot be kept.
   */
  async registerUser(instanceId: string, userId: string, displayName: string, metadata: Fields = {}): Promise<User> {
    const row = { instance_id: instanceId, user_id: userId, display_name: displayName, metadata };
    return camel(await this.part.call<Row>('register_user', row));
  }

  /** The users of an instance, sorted by their ids; none of an unknown one. */
  async listUsers(instanceId: string): Promise<Listing<User>> {
    return listing(await this.part.call('list_users', { instance_id: instanceId }));
  }

  /** A user; `undefined` when there is none. A broken record counts as none; a warning is logged. */
  async getUser(instanceId: string, userId: string): Promise<User | undefined> {
    return found(await this.part.call('get_user', { instance_id: instanceId, user_id: userId }));
  }

  /** Takes a user off the roster; whether it was on it. */
  deleteUser(instanceId: string, userId: string): Promise<boolean> {
    return this.part.call('delete_user', { instance_id: instanceId, user_id: userId });
  }

  /** Whether a user is on the roster, readable or not. */
  userExists(instanceId: string, userId: string): Promise<boolean> {
    return this.part.call('user_exists', { instance_id: instanceId, user_id: userId });
  }

  /** Whether anybody is on the roster: whether the instance is closed. */
  hasUsers(instanceId: string): Promise<boolean> {
    return this.part.call('has_users', { instance_id: instanceId });
  }

  /**
   * Gives a message to the workers. `NotFoundError` without such an instance; `RejectedError` when it has a roster and the
   * writer is not on it; `InvalidError` without a name where there is no roster, or naming what else is wrong; `ClosedError`
   * once the platform has been drained.
   */
  async injectMessage(instanceId: string, text: string, userId: string, more: Injection = {}): Promise<Injected> {
    const row = injection(instanceId, text, userId, more);
    const { receipt, value } = await this.part.store<Row>('inject_message', row);
    return { ...camel<Omit<Injected, 'receipt'>>(value), receipt };
  }

  /** The message that {@link injectMessage} would give to the workers: checked as there, given to nobody. */
  incoming(instanceId: string, text: string, userId: string, more: Injection = {}): Promise<IncomingMessage> {
    return this.part.call('incoming', injection(instanceId, text, userId, more));
  }

  /** What was said to an instance after an id. */
  async replies(instanceId: string, options: RepliesOptions = {}): Promise<Replies> {
    return replies(await this.part.call('replies', { instance_id: instanceId, ...page(options) }));
  }

  /** What was said to an instance in one turn. With a nonce in its message the last one is `turn_complete`. */
  async turnReplies(instanceId: string, traceId: string, options: RepliesOptions = {}): Promise<Replies> {
    const row = { instance_id: instanceId, trace_id: traceId, ...page(options) };
    return replies(await this.part.call('turn_replies', row));
  }

  /** Where an instance's replies end now: what is read after it is said later. */
  lastReply(instanceId: string): Promise<string> {
    return this.part.call('last_reply', { instance_id: instanceId });
  }

  /** A file that was sent; `undefined` when there is none (any more). `MalformedError` when its record is broken. */
  async getFile(fileId: string): Promise<StoredFile | undefined> {
    return found(await this.part.call('get_file', { file_id: fileId }));
  }

  /** Under which address a file is fetched, relative to the server of the REST API. */
  fileUrl(fileId: string, filename: string): string {
    return this.part.atOnce('file_url', {
      file_id: needText(fileId, 'fileId'),
      filename: needText(filename, 'filename'),
    });
  }
}

function injection(instanceId: string, text: string, userId: string, more: Injection): Row {
  return { instance_id: instanceId, text, user_id: userId, ...snake(maybeOptions(more)) };
}

function page(options: RepliesOptions): Row {
  const { after, count, waitMs } = maybeOptions(options);
  return { after, count, wait: waitMs };
}

function found<T>(row: Row | null): T | undefined {
  return row === null ? undefined : camel<T>(row);
}

function listing<T>({ items, skipped }: { items: Row[]; skipped: Listing<T>['skipped'] }): Listing<T> {
  return { items: items.map((row) => camel<T>(row)), skipped };
}

function replies({ items, next, gap }: { items: Row[]; next: string; gap: boolean }): Replies {
  return { items: items.map((row) => camel<Reply>(row)), next, gap };
}
