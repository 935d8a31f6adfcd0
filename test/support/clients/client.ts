/** A scripted Matrix client with end-to-end encryption of its own, run as a separate process, as tests see it. */
import { spawn } from 'node:child_process';
import { Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { own } from '../processes.ts';
import { until } from '../until.ts';
import type { Command, Invitation, Numbered, Redaction, Report, SeenMessage, Undecryptable } from './protocol.ts';

export type { Invitation, Redaction, SeenMessage, Undecryptable } from './protocol.ts';

export type Client = {
  readonly userId: string;
  readonly deviceId: string;
  /** For calls that this client doesn't offer; see matrixHttp.ts. */
  readonly accessToken: string;
  /** What brings this user's identity to the next device, if one was made. */
  readonly recoveryKey: string | undefined;
  /** Events of others that it could read, in the order in which it could. */
  readonly messages: readonly SeenMessage[];
  /** Events it can't read so far; one whose keys come later moves to `messages`. */
  readonly undecryptable: readonly Undecryptable[];
  readonly redactions: readonly Redaction[];
  readonly invitations: readonly Invitation[];
  /** Rooms that the user is in, as far as the client knows. */
  readonly joinedRooms: ReadonlySet<string>;
  /** The first message, past or future, that `wanted` accepts. The failure lists what was seen instead. */
  waitForMessage(wanted: (message: SeenMessage) => boolean, timeoutMs?: number): Promise<SeenMessage>;
  /** Sends, encrypted when the room is; gives the event id. */
  send(roomId: string, content: Readonly<Record<string, unknown>>, type?: string): Promise<string>;
  /** A text that answers `eventId` (`m.in_reply_to`); gives its event id. */
  reply(roomId: string, eventId: string, body: string): Promise<string>;
  /** A reaction (never encrypted: so do stock clients); gives its event id. */
  react(roomId: string, eventId: string, key: string): Promise<string>;
  /** A public read receipt. */
  read(roomId: string, eventId: string): Promise<void>;
  join(roomId: string, via?: readonly string[]): Promise<void>;
  leave(roomId: string): Promise<void>;
  /** Fetches what was in the room before its newest messages, as a client does when a person opens it: what was sent while they were only invited is there. */
  scrollBack(roomId: string): Promise<void>;
  /** Ends the session at the server, which deletes the device, and the process. */
  logout(): Promise<void>;
  /** Ends the process; the device stays known to the server. */
  stop(): Promise<void>;
  /** SIGKILL of the process. */
  kill(): Promise<void>;
};

/** Starts the program and resolves when it has logged in, uploaded its keys and synchronised once. */
export async function startClient(name: string, program: string, args: readonly string[], env: NodeJS.ProcessEnv = process.env): Promise<Client> {
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'], env });
  let errors = '';
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    errors = (errors + chunk).slice(-3000);
  });
  child.stdin.on('error', () => undefined); // it ended: the pending command fails below
  const owned = await own(child);
  for (const pipe of child.stdio) if (pipe instanceof Socket) pipe.unref(); // a forgotten client doesn't keep the test process alive
  const seen = new Seen();
  createInterface({ input: child.stdout }).on('line', (line) => {
    if (line.startsWith('{')) seen.take(JSON.parse(line) as Report);
  });
  const ready = await until(`${name} to be ready`, () => {
    if (owned.ended() !== undefined) return 'ended' as const;
    return seen.ready;
  }, 60_000, 10).catch(async (cause: unknown) => {
    await owned.kill();
    throw new Error(`${name} didn't get ready: ${errors}`, { cause });
  });
  if (ready === 'ended') throw new Error(`${name} ended with ${owned.ended() ?? ''} while starting: ${errors}`);

  let commands = 0;
  const ask = async (command: Command): Promise<string | undefined> => {
    const id = (commands += 1);
    child.stdin.write(`${JSON.stringify({ id, command } satisfies Numbered)}\n`);
    const answer = await until(`${name} to ${command.do}`, () => {
      if (owned.ended() !== undefined) throw new Error(`${name} ended with ${owned.ended() ?? ''}: ${errors}`);
      return seen.answers.get(id);
    }, 60_000, 10);
    if (answer.report === 'failed') throw new Error(`${name} couldn't ${command.do}: ${answer.error}`);
    return answer.eventId;
  };
  const send: Client['send'] = async (roomId, content, type = 'm.room.message') => {
    const eventId = await ask({ do: 'send', roomId, type, content });
    if (eventId === undefined) throw new Error(`${name} sent, but gave no event id`);
    return eventId;
  };
  return {
    userId: ready.userId,
    deviceId: ready.deviceId,
    accessToken: ready.accessToken,
    recoveryKey: ready.recoveryKey,
    messages: seen.messages,
    get undecryptable() {
      return [...seen.undecryptable.values()];
    },
    redactions: seen.redactions,
    invitations: seen.invitations,
    joinedRooms: seen.joinedRooms,
    async waitForMessage(wanted, timeoutMs = 60_000) {
      const unaided = Math.min(timeoutMs / 2, 7500);
      const come = (ms: number): Promise<SeenMessage> => until(`${name} to read a message`, () => seen.messages.find(wanted), ms, 10);
      try {
        return await come(unaided).catch(() => until(`${name} to read a message`, async () => {
          // What was sent while the person was joining comes with the next event, or when they open the room and look back: as here.
          for (const roomId of new Set([...seen.joinedRooms, ...seen.messages.map((message) => message.roomId), ...seen.invitations.map((invitation) => invitation.roomId)])) await ask({ do: 'scrollBack', roomId }).catch(() => undefined);
          return seen.messages.find(wanted);
        }, timeoutMs - unaided, 1000));
      } catch (cause) {
        throw new Error(`${name} didn't see the message. It read ${JSON.stringify(seen.messages.map(({ content }) => content)).slice(-2000)}; it couldn't decrypt ${JSON.stringify([...seen.undecryptable.values()])}. ${errors}`, { cause });
      }
    },
    send,
    reply: (roomId, eventId, body) => send(roomId, { msgtype: 'm.text', body, 'm.relates_to': { 'm.in_reply_to': { event_id: eventId } } }),
    react: (roomId, eventId, key) => send(roomId, { 'm.relates_to': { rel_type: 'm.annotation', event_id: eventId, key } }, 'm.reaction'),
    read: async (roomId, eventId) => {
      await ask({ do: 'read', roomId, eventId });
    },
    join: async (roomId, via = []) => {
      await ask({ do: 'join', roomId, via });
    },
    leave: async (roomId) => {
      await ask({ do: 'leave', roomId });
    },
    scrollBack: async (roomId) => {
      await ask({ do: 'scrollBack', roomId });
    },
    async logout() {
      await ask({ do: 'logout' });
      await owned.stop();
    },
    stop: () => owned.stop({ graceMs: 2000 }),
    kill: () => owned.kill(),
  };
}

/** What a client has reported. */
class Seen {
  ready: Extract<Report, { report: 'ready' }> | undefined;
  readonly messages: SeenMessage[] = [];
  readonly undecryptable = new Map<string, Undecryptable>();
  readonly redactions: Redaction[] = [];
  readonly invitations: Invitation[] = [];
  readonly joinedRooms = new Set<string>();
  readonly answers = new Map<number, Extract<Report, { report: 'done' | 'failed' }>>();

  take(line: Report): void {
    switch (line.report) {
      case 'ready':
        this.ready = line;
        return;
      case 'message': {
        const { report: _, ...message } = line;
        this.undecryptable.delete(message.eventId);
        this.messages.push(message);
        return;
      }
      case 'undecryptable': {
        const { report: _, ...event } = line;
        this.undecryptable.set(event.eventId, event);
        return;
      }
      case 'redaction': {
        const { report: _, ...redaction } = line;
        this.redactions.push(redaction);
        return;
      }
      case 'invitation': {
        const { report: _, ...invitation } = line;
        this.invitations.push(invitation);
        return;
      }
      case 'membership':
        if (line.membership === 'join') this.joinedRooms.add(line.roomId);
        else this.joinedRooms.delete(line.roomId);
        return;
      case 'done':
      case 'failed':
        this.answers.set(line.id, line);
    }
  }
}
