/** A display of its own (Xvfb) with hands and eyes: keys and clicks by xdotool, pictures by ImageMagick, reading by tesseract. */
import { execFile } from 'node:child_process';
import { accessSync, constants, copyFileSync, mkdirSync, readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { startProcess, type OwnedProcess } from '../processes.ts';
import { until } from '../until.ts';

export type Screen = {
  /** For the programs that shall appear on it: DISPLAY, and a home of their own in `folder`. */
  readonly env: NodeJS.ProcessEnv;
  press(key: string): Promise<void>;
  /** Makes the one window as large as a phone's screen, 420 × 800, in the upper left corner; pictures are of that part from then on. Keys reach it no more. */
  likeAPhone(): Promise<void>;
  type(text: string): Promise<void>;
  /** Clicks on the last place where OCR reads `word`; waits for it. */
  click(word: string): Promise<void>;
  /** Waits until three pictures in a row are the same, but for a caret that blinks. */
  stand(): Promise<void>;
  /** PNG, 1280 × 800, or what `likeAPhone` says. */
  screenshot(path: string): Promise<void>;
  /** The same of what `text` or `waitForText` read last: what was on the display for a moment may be gone by now. */
  pictureRead(path: string): Promise<void>;
  /** What OCR reads, with its errors, as words separated by single spaces. */
  text(): Promise<string>;
  waitForText(pattern: RegExp, timeoutMs?: number): Promise<string>;
  stop(): Promise<void>;
};

type Word = { readonly text: string; readonly x: number; readonly y: number };

const run = promisify(execFile);
const scale = 2; // OCR reads letters of twice the size better
export const screenPrograms = ['Xvfb', 'matchbox-window-manager', 'xdotool', 'import', 'convert', 'tesseract'];

/** Those of `programs` that aren't on the PATH. */
export function missingPrograms(programs: readonly string[]): readonly string[] {
  const folders = (process.env.PATH ?? '').split(delimiter);
  return programs.filter((program) => !folders.some((folder) => isExecutable(join(folder, program))));
}

/** Starts a display that no one else uses, with a window manager that gives the one window the whole of it. */
export async function startScreen(folder: string): Promise<Screen> {
  const started: OwnedProcess[] = [];
  const logFile = join(folder, 'xvfb.log');
  const launch = async (program: string, args: readonly string[], log: string, env: NodeJS.ProcessEnv): Promise<void> => {
    started.push(await startProcess(program, args, { cwd: folder, logFile: log, env }));
  };
  const stop = async (): Promise<void> => {
    for (const one of started.toReversed()) await one.stop({ graceMs: 2000 });
  };
  try {
    await launch('Xvfb', ['-displayfd', '1', '-screen', '0', '1280x800x24', '-nolisten', 'tcp'], logFile, process.env);
    const display = await until('Xvfb to name its display', () => /^\d+$/m.exec(readFileSync(logFile, 'utf8'))?.[0]);
    const env = environment(folder, display);
    await launch('matchbox-window-manager', ['-use_titlebar', 'no'], join(folder, 'window-manager.log'), env);
    const part = { width: 1280, height: 800 };
    const likeAPhone = async (): Promise<void> => {
      await started[1]?.stop(); // the window manager, which would make it as large as the display
      Object.assign(part, { width: 420 });
      await run('xdotool', ['search', '--onlyvisible', '--class', '.', 'windowsize', '%@', `${part.width}`, `${part.height}`, 'windowmove', '%@', '0', '0'], { env });
    };
    return { ...handsAndEyes(env, part, join(folder, 'read.png')), likeAPhone, env, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

function handsAndEyes(env: NodeJS.ProcessEnv, part: { readonly width: number; readonly height: number }, read: string): Omit<Screen, 'env' | 'stop' | 'likeAPhone'> {
  const crop = (): string => `${part.width}x${part.height}+0+0`;
  const xdotool = async (...args: readonly string[]): Promise<void> => {
    await run('xdotool', args, { env });
  };
  const picture = async (): Promise<Buffer> => {
    const { stdout } = await run('import', ['-window', 'root', '-depth', '8', 'rgb:-'], { env, encoding: 'buffer', maxBuffer: 64 << 20 });
    return stdout;
  };
  const words = async (): Promise<readonly Word[]> => {
    const script = 'import -window root -crop "$2" +repage "$3" && convert "$3" -colorspace gray -resize "$1" png:- | tesseract - - --psm 11 tsv';
    const { stdout } = await run('sh', ['-c', script, 'ocr', `${scale * 100}%`, crop(), read], { env: { ...env, OMP_THREAD_LIMIT: '1' } });
    return stdout.split('\n').slice(1).flatMap(wordOf);
  };
  const text = async (): Promise<string> => (await words()).map((word) => word.text).join(' ');
  return {
    text,
    press: (key) => xdotool('key', key),
    type: (body) => xdotool('type', '--delay', '15', '--', body),
    async click(word) {
      const found = await until(`"${word}" on the display`, async () => (await words()).findLast((one) => one.text === word), 20_000);
      await xdotool('mousemove', `${found.x}`, `${found.y}`, 'click', '1', 'mousemove', '640', '4');
    },
    async stand() {
      let before: Buffer = Buffer.alloc(0);
      let same = 0;
      await until('the display to stand still', async () => {
        const now = await picture();
        same = isStill(before, now) ? same + 1 : 0;
        before = now;
        return same >= 2;
      }, 10_000, 100);
    },
    async screenshot(path) {
      await run('import', ['-window', 'root', '-crop', crop(), '+repage', path], { env });
    },
    async pictureRead(path) {
      copyFileSync(read, path);
    },
    async waitForText(pattern, timeoutMs = 30_000) {
      let last = '';
      return until(`${String(pattern)} on the display`, async () => {
        last = await text();
        return pattern.test(last) && last;
      }, timeoutMs).catch((cause: unknown) => {
        throw new Error(`the display doesn't show ${String(pattern)}, but: ${last}`, { cause });
      });
    },
  };
}

/** A caret is a line of a letter's height; in RGB, three bytes a point. */
const CARET_BYTES = 3 * 2 * 40;

function isStill(before: Buffer, now: Buffer): boolean {
  if (before.length !== now.length) return false;
  let changed = 0;
  for (let at = 0; at < now.length && changed <= CARET_BYTES; at += 1) if (before[at] !== now[at]) changed += 1;
  return changed <= CARET_BYTES;
}

/** The middle of a word in tesseract's table: level, page, block, paragraph, line, word, left, top, width, height, confidence, text. */
function wordOf(line: string): readonly Word[] {
  const cells = line.split('\t');
  const text = cells[11]?.trim() ?? '';
  const [left = 0, top = 0, width = 0, height = 0, confidence = -1] = cells.slice(6, 11).map(Number);
  return text === '' || confidence < 30 ? [] : [{ text, x: Math.round((left + width / 2) / scale), y: Math.round((top + height / 2) / scale) }];
}

function environment(folder: string, display: string): NodeJS.ProcessEnv {
  const runtime = join(folder, 'runtime');
  mkdirSync(runtime, { recursive: true, mode: 0o700 });
  return {
    PATH: process.env.PATH,
    HOME: folder,
    DISPLAY: `:${display}`,
    LC_ALL: 'C.UTF-8',
    XDG_RUNTIME_DIR: runtime,
    XDG_CONFIG_HOME: join(folder, 'config'),
    XDG_CACHE_HOME: join(folder, 'cache'),
    XDG_DATA_HOME: join(folder, 'data'),
    QT_QPA_PLATFORM: 'xcb',
    QT_QUICK_BACKEND: 'software',
    LIBGL_ALWAYS_SOFTWARE: '1',
  };
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
