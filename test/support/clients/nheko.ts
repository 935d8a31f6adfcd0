/**
 * nheko, a stock desktop client, on a display of its own: what a person sees who uses a client that nobody wrote for Aceso.
 *
 * Needs the Debian packages nheko xvfb xdotool imagemagick matchbox-window-manager tesseract-ocr; without them it says so.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { removeFolder, temporaryFolder } from '../folders.ts';
import type { Session } from '../hospital.ts';
import { matrix } from '../matrixHttp.ts';
import { startProcess, type OwnedProcess } from '../processes.ts';
import { until } from '../until.ts';
import { missingPrograms, screenPrograms, startScreen, type Screen } from './screen.ts';

export type Nheko = Pick<Screen, 'likeAPhone' | 'pictureRead' | 'press' | 'screenshot' | 'text' | 'waitForText'> & {
  readonly deviceId: string;
  /** Opens the room whose name is, or starts with, `name`; resolves when its timeline stands still. */
  openRoom(name: string): Promise<void>;
  /** Sends a text to the open room. */
  send(body: string): Promise<void>;
  /** Answers the last message of the open room. */
  reply(body: string): Promise<void>;
  /** Reacts to the last message of the open room. */
  react(key: string): Promise<void>;
  /** As a link that the person clicked on (`matrix:u/…?action=chat`). */
  openLink(uri: string): Promise<void>;
  stop(): Promise<void>;
};

export type NhekoOptions = Session & {
  /** Let nheko make the user's cross-signing identity, as it offers on its first start; true when left out. A user who has one elsewhere keeps it, and this device stays unsigned. */
  readonly crossSigning?: boolean;
};

/** The programs that are missing on the PATH; empty when nheko can be shown. */
export function missingForNheko(): readonly string[] {
  return missingPrograms(['nheko', ...screenPrograms]);
}

/** Starts it on a session whose device has no keys yet (`hospital.login`); resolves when the keys are on the server, so that messages from then on reach it. */
export async function startNheko(options: NhekoOptions): Promise<Nheko | 'not installed'> {
  if (missingForNheko().length > 0) return 'not installed';
  const home = temporaryFolder('nheko');
  const logFile = join(home, 'nheko.log');
  let screen: Screen | undefined;
  let nheko: OwnedProcess | undefined;
  const stop = async (): Promise<void> => {
    await nheko?.stop({ graceMs: 3000 });
    await screen?.stop();
    removeFolder(home);
  };
  try {
    writeConfig(home, options);
    const onScreen = (screen = await startScreen(home));
    const started = (nheko = await startProcess('nheko', ['-l', 'info', '-L', 'stderr', '-p', profileOf(home)], { cwd: home, logFile, env: screen.env }));
    await until('nheko to upload the keys of its device', () => {
      if (started.ended() !== undefined) throw new Error(`nheko ended: ${readFileSync(logFile, 'utf8').slice(-2000)}`);
      return hasDeviceKeys(options);
    }, 60_000, 200);
    await passSetup(onScreen, options.crossSigning ?? true);
    const openLink = async (uri: string): Promise<void> => {
      await startProcess('nheko', ['-p', profileOf(home), uri], { cwd: home, logFile: join(home, 'link.log'), env: onScreen.env });
    };
    return { deviceId: options.deviceId, ...using(onScreen), openLink, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Starts nheko, opens the room, takes the picture and ends; gives what OCR read. Only messages sent after the start can be read by it: a room that exists before shows its history as undecryptable. */
export async function showInNheko(options: NhekoOptions & { readonly roomName: string; readonly screenshot: string }): Promise<string> {
  const nheko = await startNheko(options);
  if (nheko === 'not installed') return nheko;
  try {
    await nheko.openRoom(options.roomName);
    await nheko.screenshot(options.screenshot);
    return await nheko.text();
  } finally {
    await nheko.stop();
  }
}

function using(screen: Screen): Omit<Nheko, 'deviceId' | 'openLink' | 'stop'> {
  const send = async (body: string): Promise<void> => {
    await screen.type(body);
    await screen.stand();
    await screen.press('Return');
    await screen.stand();
  };
  const toLastMessage = async (): Promise<void> => {
    await screen.press('alt+Up'); // nheko's key for "answer the message above"
    await screen.stand();
  };
  return {
    async likeAPhone() {
      await screen.likeAPhone();
      await screen.stand();
    },
    pictureRead: (path) => screen.pictureRead(path),
    press: (key) => screen.press(key),
    screenshot: (path) => screen.screenshot(path),
    text: () => screen.text(),
    waitForText: (pattern, timeoutMs) => screen.waitForText(pattern, timeoutMs),
    send,
    async openRoom(name) {
      await screen.press('ctrl+k'); // the room switcher
      await screen.stand();
      await screen.type(name);
      await screen.stand();
      await screen.press('Return');
      await screen.waitForText(/Write a message|permission to send/); // the latter where the person may not: nheko asks for the level of m.room.message, also in encrypted rooms
      await screen.stand();
    },
    async reply(body) {
      await toLastMessage();
      await send(body);
    },
    async react(key) {
      await toLastMessage();
      await send(`/react ${key}`);
    },
  };
}

/** The overlay of the first start: make an identity (and dismiss the recovery key), or cancel. "Activate" is what a user sees who has one elsewhere. */
async function passSetup(screen: Screen, crossSigning: boolean): Promise<void> {
  const overlay = await screen.waitForText(/(Setup|Activate) Encryption/);
  if (crossSigning && overlay.includes('Setup Encryption')) {
    await screen.click('OK');
    await screen.waitForText(/This is your recovery key/);
    await screen.click('OK');
  } else {
    await screen.click('Cancel');
  }
  await screen.waitForText(/^(?!.*((Setup|Activate) Encryption|recovery key))/);
}

async function hasDeviceKeys({ baseUrl, accessToken, userId, deviceId }: Session): Promise<boolean> {
  const { device_keys: keys } = await matrix(baseUrl, '/_matrix/client/v3/keys/query', { token: accessToken, body: { device_keys: { [userId]: [] } } });
  return JSON.stringify(keys).includes(`"device_id":"${deviceId}"`);
}

/** Of one profile, a user can run only one nheko: a second test run would be taken for it. */
const profileOf = (home: string): string => basename(home);

function writeConfig(home: string, { baseUrl, accessToken, userId, deviceId }: Session): void {
  const folder = join(home, 'config', 'nheko');
  mkdirSync(folder, { recursive: true });
  const profile = profileOf(home);
  const sections = {
    General: { run_without_secure_secrets_service: true, disable_certificate_validation: false },
    profile: { [`${profile}\\auth\\access_token`]: accessToken, [`${profile}\\auth\\device_id`]: deviceId, [`${profile}\\auth\\home_server`]: baseUrl, [`${profile}\\auth\\user_id`]: userId },
    user: { theme: 'light', decrypt_notifications: true, decrypt_sidebar: true },
    window: { tray: false, start_in_tray: false },
  };
  const text = Object.entries(sections).map(([name, keys]) => `[${name}]\n${Object.entries(keys).map(([key, value]) => `${key}=${String(value)}`).join('\n')}\n`);
  writeFileSync(join(folder, 'nheko.conf'), text.join('\n'), { mode: 0o600 });
}
