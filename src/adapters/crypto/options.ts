/** What the courier's device is started with, and what it tells while it runs. */
import type { UserId } from '../../domain/brand.ts';

export type CourierOptions = {
  /** Base address of the homeserver's client API, e.g. `http://127.0.0.1:8008`. */
  readonly homeserverUrl: string;
  /** The application service's token. The registration must have `io.element.msc4190: true`. */
  readonly asToken: string;
  readonly userId: UserId;
  /** Stable over the life of the store. A lost store needs a new one: other people's clients refuse changed keys of a known device. */
  readonly deviceId: string;
  /** What people see in a list of devices. */
  readonly deviceName: string;
  /** The SQLite file of the store, or a folder for it (a path without an extension). */
  readonly storePath: string;
  /** What the store is called, for as long as it exists: a file that is another store is refused. */
  readonly storeId: string;
  /** Rises with each holder of the store: the one with the highest writes and sends, and shuts out those before it. */
  readonly generation: number;
  /** Milliseconds since the epoch; 0 for a first device. What was to be sent before the device began may have been sent by the device before it. */
  readonly bornAt: number;
  /** 32 bytes. Everything secret in the store is encrypted under keys derived from it. */
  readonly storeKey: Uint8Array;
  /** Who may get keys: devices that their owner has cross-signed (MSC4153), or any device. */
  readonly trust: 'signed' | 'any';
  /** Asked for each message; `hold` when left out. */
  readonly whenServerAway?: () => WhenServerAway;
  /** A person has another identity than the one seen first: `hold` what is for them until it is accepted (the default), or `accept` it. */
  readonly changedIdentities?: 'hold' | 'accept';
  /** The content key whose value may be moved into encrypted media when the content is too large for an event. */
  readonly attachmentKey?: string;
  /** Where the identity that all devices of the user share is kept. Without it, the device's own store is the only place. */
  readonly identity?: IdentityKeeper;
  readonly log: (event: CourierLog) => void;
  /** For tests: called at each named point, before anything after it happens. It may kill the process, or ask for a failure. */
  readonly faultPoint?: (name: FaultPoint) => FaultAction | Promise<FaultAction>;
  /** A call that takes longer fails, and what didn't settle by then is thrown away and reopened. Milliseconds; 60,000 when left out. */
  readonly deadlineMs?: number;
};

/** Keeps the private cross-signing keys, as opaque bytes: whoever has them is the courier. */
export type IdentityKeeper = {
  /** What is kept; undefined: nothing yet, and whoever asked is the only one who may make it now. Rejects when it can't be told, or another is making it. */
  recall(): Promise<Uint8Array | undefined>;
  /** Resolves once they are kept, before the public keys leave. Rejects when somebody else kept other ones. */
  keep(identity: Uint8Array): Promise<void>;
};

/** A recipient's server doesn't answer: `hold` the message, or `send` it to the devices that were known last. */
export type WhenServerAway = 'hold' | 'send';

/** Codes and ids only: never content, a key, or an address with a query. */
export type CourierLog = {
  readonly level: 'info' | 'warn' | 'error';
  readonly code: string;
  readonly roomId?: string;
  readonly userId?: string;
  readonly id?: string;
  /** A Matrix error code, an HTTP status, or the name of an engine call. */
  readonly reason?: string;
  readonly count?: number;
};

/** The instants between which a crash must lose nothing and repeat nothing. */
export type FaultPoint =
  | 'registered' | 'device-created' | 'identity-created' | 'identity-kept' | 'device-keys-uploaded' | 'cross-signing-uploaded' | 'device-signed' | 'identity-published'
  | 'synced' | 'sync-committed'
  | 'media-uploaded' | 'media-journalled' | 'to-device-put' | 'keys-shared' | 'encrypted' | 'journalled' | 'put' | 'marked';

/** `panic`: as the engine panics. `hang`: the call never settles. `block`: the thread never yields. */
export type FaultAction = undefined | 'panic' | 'hang' | 'block';

/** The part of the options that crosses into the engine's thread. */
export type ThreadOptions = Omit<CourierOptions, 'log' | 'faultPoint' | 'identity' | 'whenServerAway'> & { readonly deadlineMs: number; readonly faults: 'on' | 'off'; readonly keeper: 'given' | 'none' };
