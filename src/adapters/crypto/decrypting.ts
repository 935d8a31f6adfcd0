/** An event of somebody else, made readable, with what is known of the device it came from. */
import { DecryptionErrorCode, DecryptionSettings, MegolmDecryptionError, RoomId, TrustRequirement, type EncryptionInfo, type ShieldStateCode } from '@matrix-org/matrix-sdk-crypto-wasm';
import type { RoomId as Room } from '../../domain/brand.ts';
import { fail, ok, type Outcome } from '../../domain/outcome.ts';
import type { Decrypted, EncryptedEvent } from '../../ports/courier.ts';
import type { Engine } from './engine.ts';
import { asRecord } from './homeserver.ts';
import type { DecryptFailure } from './protocol.ts';

/** `askForDevices` brings what is known of the sender's devices up to date. */
export async function decrypt(engine: Engine, roomId: Room, event: EncryptedEvent, askForDevices: () => Promise<void>): Promise<Outcome<Decrypted, DecryptFailure>> {
  const text = JSON.stringify({ ...event, room_id: roomId });
  using room = new RoomId(roomId);
  using settings = new DecryptionSettings(TrustRequirement.Untrusted);
  let plain: Readonly<Record<string, unknown>>;
  try {
    using decrypted = await engine.within('decryptRoomEvent', engine.machine.decryptRoomEvent(text, room, settings));
    plain = asRecord(JSON.parse(decrypted.event));
  } catch (error) {
    return failureOf(event, error);
  }
  let origin = await originOf(engine, text, room);
  if (origin.shield !== undefined) {
    // The owner's signature may be younger than what is known of the device: the same sync brings a key and the news of a signature.
    await askForDevices().catch(() => undefined); // who can't be asked about stays as they are known
    origin = await originOf(engine, text, room);
  }
  return ok({
    type: String(plain['type']),
    content: asRecord(plain['content']),
    sender: event.sender,
    ...(origin.device === undefined ? {} : { senderDevice: origin.device }),
    signedByOwner: origin.shield === undefined,
  });
}

type Origin = { readonly device: string | undefined; /** Undefined: nothing is wrong. */ readonly shield: ShieldStateCode | undefined };

async function originOf(engine: Engine, event: string, room: RoomId): Promise<Origin> {
  using info: EncryptionInfo = await engine.within('getRoomEventEncryptionInfo', engine.machine.getRoomEventEncryptionInfo(event, room));
  using device = info.senderDevice;
  using shield = info.shieldState(false); // the strict one doesn't tell an unsigned device from a person whom nobody verified
  return { device: device?.toString(), shield: shield.code };
}

function failureOf(event: EncryptedEvent, error: unknown): Outcome<Decrypted, DecryptFailure> {
  if (!(error instanceof MegolmDecryptionError)) return fail('undecryptable', `${event.event_id} isn't an encrypted event that can be read.`);
  using handle = error;
  if (handle.code !== DecryptionErrorCode.MissingRoomKey) return fail('undecryptable', `${event.event_id} can't be decrypted: ${DecryptionErrorCode[handle.code]}.`);
  const why = handle.withheldCode === undefined ? "haven't come" : `are withheld (${handle.withheldCode})`;
  return fail('keys-missing', `the keys of ${event.event_id} ${why}. It is tried again when keys come.`, { retry: true });
}
