/**
 * How a test talks to a scripted client in a process of its own: commands on its standard input, reports on its standard output, one
 * JSON object a line. The client ends when its standard input does.
 */

export type Command =
  | { readonly do: 'send'; readonly roomId: string; readonly type: string; readonly content: Readonly<Record<string, unknown>> }
  | { readonly do: 'read'; readonly roomId: string; readonly eventId: string }
  | { readonly do: 'join'; readonly roomId: string; readonly via: readonly string[] }
  | { readonly do: 'leave'; readonly roomId: string }
  | { readonly do: 'scrollBack'; readonly roomId: string }
  | { readonly do: 'logout' };

export type Numbered = { readonly id: number; readonly command: Command };

export type Report =
  | { readonly report: 'ready'; readonly userId: string; readonly deviceId: string; readonly accessToken: string; readonly recoveryKey?: string }
  | ({ readonly report: 'message' } & SeenMessage)
  | ({ readonly report: 'undecryptable' } & Undecryptable)
  | ({ readonly report: 'redaction' } & Redaction)
  | ({ readonly report: 'invitation' } & Invitation)
  /** The user's own membership of a room as the last sync gave it. */
  | { readonly report: 'membership'; readonly roomId: string; readonly membership: string }
  | { readonly report: 'done'; readonly id: number; readonly eventId?: string }
  | { readonly report: 'failed'; readonly id: number; readonly error: string };

/** An event of someone else that the client could read. */
export type SeenMessage = {
  readonly eventId: string;
  readonly roomId: string;
  readonly sender: string;
  /** After decryption: `m.room.message`. State events aren't reported. */
  readonly type: string;
  readonly content: Readonly<Record<string, unknown>>;
  readonly wasEncrypted: boolean;
  /** The decoration a stock client shows: `none` is fully trusted. matrix-nio knows no identities: it says `grey` for every device nobody verified. */
  readonly shieldColour: 'none' | 'grey' | 'red' | 'unencrypted';
  /** The client's name for the reason, `UNSIGNED_DEVICE` for instance. */
  readonly shieldReason: string | null;
  /** Whether the user's push rules make the client ring for it as for a mention, now that it has read it. matrix-js-sdk only. */
  readonly highlighted?: boolean;
  /** By the client's clock, ms since 1970. */
  readonly receivedAt: number;
};

export type Undecryptable = { readonly eventId: string; readonly roomId: string; readonly sender: string; readonly reason: string };
export type Redaction = { readonly eventId: string; readonly roomId: string; readonly redactedBy: string };
export type Invitation = { readonly roomId: string; readonly invitedBy: string };
