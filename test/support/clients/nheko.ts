/**
 * nheko, a stock desktop client, on a display of its own (Xvfb): what a person sees who uses a client that nobody wrote for Aceso.
 *
 * Needs the Debian packages nheko xvfb xdotool imagemagick matchbox-window-manager tesseract-ocr; without them `startNheko` says so.
 */
import { execFile } from 'node:child_process';
import { accessSync, constants, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { removeFolder, temporaryFolder } from '../folders.ts';
import type { Session } from '../hospital.ts';
import { matrix } from '../matrixHttp.ts';
import { startProcess, type OwnedProcess } from '../processes.ts';
import { until } from '../until.ts';

export type Nheko = {
  readonly deviceId: string;
  /** Opens the room whose name starts with `name` and waits until its timeline stands still. */
  openRoom(name: string): Promise<void>;
  /** Writes the display as PNG, 1280 × 800. */
  screenshot(path: string): Promise<void>;
  /** What is on the display, read by OCR: lines of text, with the errors OCR makes. */
  text(): Promise<string>;
  /** Waits until OCR reads something that matches. */
  waitForText(pattern: RegExp, timeoutMs?: number): Promise<string>;
  /** Types into the message field of the open room and sends. */
  type(body: string): Promise<void>;
  stop(): Promise<void>;
};

const programs = ['nheko', 'Xvfb', 'xdotool', 'import', 'convert', 'matchbox-window-manager', 'tesseract'];
const run = promisify(execFile);

/** The programs that are missing on the PATH; empty when nheko can be shown. */
export function missingForNheko(): readonly string[] {
  return programs.filter((program) => !(process.env.PATH ?? '').split(delimiter).some((folder) => isExecutable(join(folder, program))));
}

/** Starts it with the session of a device that logged in but never was used; resolves when its keys are on the server, so that messages reach it. */
export async function startNheko(session: Session): Promise<Nheko | 'not installed'> {
  if (missingForNheko().length > 0) return 'not installed';
  const home = temporaryFolder('nheko');
  const owned: OwnedProcess[] = [];
  const stop = async (): Promise<void> => {
    for (const one of owned.toReversed()) await one.stop({ graceMs: 2000 });
    removeFolder(home);
  };
  try {
    const env = environment(home, await startDisplay(home, owned));
    writeConfig(home, session);
    owned.push(await startProcess('matchbox-window-manager', ['-use_titlebar', 'no'], { cwd: home, logFile: join(home, 'wm.log'), env }));
    const logFile = join(home, 'nheko.log');
    const nheko = await startProcess('nheko', ['-l', 'info', '-L', 'stderr'], { cwd: home, logFile, env });
    owned.push(nheko);
    await until('nheko to upload the keys of its device', () => {
      if (nheko.ended() !== undefined) throw new Error(`nheko ended with ${nheko.ended() ?? ''}: ${readFileSync(logFile, 'utf8').slice(-2000)}`);
      return hasDeviceKeys(session);
    }, 60_000, 200);
    const window = display(env, home);
    await window.waitForText(/setup encryption|cross-signing|rooms|welcome/i, 30_000);
    await dismissSetup(window);
    return { deviceId: session.deviceId, ...window.hands, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}
