/** A person's client on matrix-js-sdk with its own end-to-end encryption, which Aceso's code has no part in. */
import { join } from 'node:path';
import { startClient, type Client } from './client.ts';

export type JsClientOptions = {
  readonly baseUrl: string;
  /** The localpart of an account that exists. */
  readonly user: string;
  readonly password: string;
  /** Accept every invitation; true when left out. */
  readonly joinInvites?: boolean;
  /** Make a cross-signing identity (a new one replaces the old) and sign this device with it; true when left out. */
  readonly crossSigning?: boolean;
  /** `create`: keep the identity in secret storage and give `recoveryKey`. A recovery key: bring that identity to this new device instead of a new one. */
  readonly recovery?: 'create' | { readonly key: string };
  /** Back room keys up at the server, for the next device that has the recovery key; not when left out. */
  readonly keyBackup?: true;
  /** `signedDevices`: read only what comes from devices that their owner signed, as the strictest stock clients do. */
  readonly accepts?: 'allDevices' | 'signedDevices';
  readonly deviceName?: string;
};

/** Each start is a new device: its keys live in memory and die with it. */
export function startJsClient(options: JsClientOptions): Promise<Client> {
  return startClient(`the matrix-js-sdk client of ${options.user}`, process.execPath, [
    '--disable-warning=ExperimentalWarning', join(import.meta.dirname, 'jssdk-main.ts'), JSON.stringify(options),
  ]);
}
