/** The program behind `startJsClient`: options as JSON in the first argument, then protocol.ts on standard input and output. */
import { createInterface } from 'node:readline';
import {
  ClientEvent, createClient, Direction, MatrixEventEvent, RoomEvent, RoomMemberEvent, SyncState,
  type MatrixClient, type MatrixEvent,
} from 'matrix-js-sdk';
import {
  AllDevicesIsolationMode, EventShieldColour, EventShieldReason, OnlySignedDevicesIsolationMode, type CryptoApi, type CryptoCallbacks,
} from 'matrix-js-sdk/lib/crypto-api/index.js';
import type { JsClientOptions } from './jssdk.ts';
import type { Command, Numbered, Report } from './protocol.ts';

const nothing = (): void => undefined;
Object.assign(console, { debug: nothing, log: nothing, info: nothing, warn: nothing, trace: nothing });

const options = JSON.parse(process.argv[2] ?? '') as JsClientOptions;
const report = (what: Report): void => void process.stdout.write(`${JSON.stringify(what)}\n`);
const reported = new Set<string>();
let signed = nothing;
/** A person logs in and signs their device before they accept anything; a signature that crosses a join on its way is lost at the other homeserver, which keeps the devices it heard of with the join. */
const isSigned = new Promise<void>((resolve) => (signed = resolve));
const { client, accessToken, recoveryKey } = await start();
report({ report: 'ready', userId: client.getSafeUserId(), deviceId: client.getDeviceId() ?? '', accessToken, ...(recoveryKey === undefined ? {} : { recoveryKey }) });
createInterface({ input: process.stdin })
  .on('line', (line) => void answer(JSON.parse(line) as Numbered))
  .on('close', () => process.exit(0));

async function start(): Promise<{ client: MatrixClient; accessToken: string; recoveryKey: string | undefined }> {
  const { user, password, baseUrl } = options;
  const auth = { type: 'm.login.password', identifier: { type: 'm.id.user', user }, password };
  const login = await createClient({ baseUrl }).loginRequest({ ...auth, initial_device_display_name: options.deviceName ?? 'matrix-js-sdk' });
  let recoveryKey = typeof options.recovery === 'object' ? options.recovery.key : undefined;
  const cryptoCallbacks: CryptoCallbacks = {
    async getSecretStorageKey({ keys }) {
      const id = Object.keys(keys)[0];
      return id === undefined || recoveryKey === undefined ? null : [id, new Uint8Array(Buffer.from(recoveryKey, 'hex'))];
    },
  };
  const started = createClient({ baseUrl, userId: login.user_id, deviceId: login.device_id, accessToken: login.access_token, cryptoCallbacks });
  await started.initRustCrypto({ useIndexedDB: false });
  const crypto = cryptoOf(started);
  crypto.setDeviceIsolationMode(options.accepts === 'signedDevices' ? new OnlySignedDevicesIsolationMode() : new AllDevicesIsolationMode(false));
  listen(started, login.user_id, crypto);
  const prepared = new Promise<void>((resolve) => {
    started.on(ClientEvent.Sync, (state) => {
      if (state === SyncState.Prepared) resolve();
    });
  });
  await started.startClient({ initialSyncLimit: 50 });
  await prepared;
  if (options.crossSigning ?? true) {
    if (options.recovery === 'create') {
      await crypto.bootstrapSecretStorage({
        createSecretStorageKey: async () => {
          const made = await crypto.createRecoveryKeyFromPassphrase();
          recoveryKey = Buffer.from(made.privateKey).toString('hex');
          return made;
        },
      });
    }
    await crypto.userHasCrossSigningKeys(login.user_id, true); // an identity from secret storage is checked against the public one
    await crypto.bootstrapCrossSigning({ authUploadDeviceSigningKeys: async (makeRequest) => {
        await makeRequest(auth);
      } });
    if (options.keyBackup) await crypto.resetKeyBackup();
  }
  signed();
  return { client: started, accessToken: login.access_token, recoveryKey };
}

function listen(matrixClient: MatrixClient, self: string, crypto: CryptoApi): void {
  matrixClient.on(RoomEvent.Timeline, (event) => {
    if (event.getType() === 'm.room.encrypted' || event.isState()) return;
    if (event.getType() === 'm.room.redaction') redaction(event);
    else void message(matrixClient, event, self, crypto);
  });
  matrixClient.on(MatrixEventEvent.Decrypted, (event) => {
    if (!event.isDecryptionFailure()) void message(matrixClient, event, self, crypto);
    else report({ report: 'undecryptable', eventId: event.getId() ?? '', roomId: event.getRoomId() ?? '', sender: event.getSender() ?? '', reason: event.decryptionFailureReason ?? 'unknown' });
  });
  matrixClient.on(RoomMemberEvent.Membership, (event, member) => {
    if (member.userId !== self || member.membership === undefined) return;
    report({ report: 'membership', roomId: member.roomId, membership: member.membership });
    if (member.membership !== 'invite') return;
    report({ report: 'invitation', roomId: member.roomId, invitedBy: event.getSender() ?? '' });
    if (options.joinInvites ?? true) void isSigned.then(() => acceptInvitation(matrixClient, member.roomId));
  });
}

async function message(matrixClient: MatrixClient, event: MatrixEvent, self: string, crypto: CryptoApi): Promise<void> {
  const eventId = event.getId();
  const sender = event.getSender();
  if (eventId === undefined || sender === undefined || sender === self || reported.has(eventId)) return;
  reported.add(eventId);
  const receivedAt = Date.now();
  const shield = await crypto.getEncryptionInfoForEvent(event);
  report({
    report: 'message',
    eventId, sender, receivedAt,
    roomId: event.getRoomId() ?? '',
    type: event.getType(),
    content: event.getContent(),
    wasEncrypted: event.isEncrypted(),
    highlighted: matrixClient.getPushActionsForEvent(event)?.tweaks.highlight === true,
    shieldColour: shield ? colour(shield.shieldColour) : 'unencrypted',
    shieldReason: shield === null || shield.shieldReason === null ? null : EventShieldReason[shield.shieldReason],
  });
}

function redaction(event: MatrixEvent): void {
  const eventId = event.event.redacts ?? event.getContent<{ redacts?: string }>().redacts;
  if (eventId === undefined) return;
  report({ report: 'redaction', eventId, roomId: event.getRoomId() ?? '', redactedBy: event.getSender() ?? '' });
}

function colour(shield: EventShieldColour): 'none' | 'grey' | 'red' {
  switch (shield) {
    case EventShieldColour.NONE:
      return 'none';
    case EventShieldColour.GREY:
      return 'grey';
    case EventShieldColour.RED:
      return 'red';
  }
}

function cryptoOf(matrixClient: MatrixClient): CryptoApi {
  const crypto = matrixClient.getCrypto();
  if (!crypto) throw new Error('the SDK started without encryption');
  return crypto;
}

async function answer({ id, command }: Numbered): Promise<void> {
  try {
    const eventId = await obey(command);
    report({ report: 'done', id, ...(eventId === undefined ? {} : { eventId }) });
  } catch (error) {
    report({ report: 'failed', id, error: String(error) });
  }
}

async function obey(command: Command): Promise<string | undefined> {
  switch (command.do) {
    case 'send': {
      // The SDK knows the content of each type it knows; a test may send any.
      const send: (roomId: string, type: string, content: object) => Promise<{ event_id: string }> = client.sendEvent.bind(client);
      return (await send(command.roomId, command.type, command.content)).event_id;
    }
    case 'read': {
      const event = client.getRoom(command.roomId)?.findEventById(command.eventId);
      if (!event) throw new Error(`no event ${command.eventId} in ${command.roomId}`);
      await client.sendReadReceipt(event);
      return undefined;
    }
    case 'join':
      await client.joinRoom(command.roomId, { viaServers: [...command.via] });
      return undefined;
    case 'leave':
      await client.leave(command.roomId);
      return undefined;
    case 'scrollBack': {
      const page = (from: string | null): ReturnType<MatrixClient['createMessagesRequest']> => client.createMessagesRequest(command.roomId, from, 50, Direction.Backward);
      for (let { chunk, end } = await page(null); ; { chunk, end } = await page(end)) {
        for (const event of chunk.toReversed().map(client.getEventMapper())) await client.decryptEventIfNeeded(event);
        if (end === undefined || chunk.some(({ type }) => type === 'm.room.create')) return undefined;
      }
    }
    case 'logout':
      await client.logout(true);
      return undefined;
  }
}

/** An invitation is on this server before the inviting one has stored it: a client that accepts within milliseconds is refused, and tries again. Servers may also be away. */
async function acceptInvitation(matrixClient: { joinRoom(roomId: string): Promise<unknown> }, roomId: string): Promise<void> {
  for (const waitMs of [0, 100, 300, 1000, 3000, 5000, 10_000, 20_000]) {
    try {
      await new Promise((resolve) => setTimeout(resolve, waitMs));
      await matrixClient.joinRoom(roomId);
      return;
    } catch (error) {
      process.stderr.write(`${String(error)}\n`);
    }
  }
}
