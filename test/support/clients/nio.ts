/** A person's client on matrix-nio (Python, vodozemac), which shares no code with Aceso or matrix-js-sdk. It has no cross-signing. */
import { join } from 'node:path';
import { temporaryFolder } from '../folders.ts';
import { python } from '../python.ts';
import { startClient, type Client } from './client.ts';

export type NioClientOptions = {
  readonly baseUrl: string;
  /** The localpart of an account that exists. */
  readonly user: string;
  readonly password: string;
  /** Keeps the device, its keys and the place in the sync: start again with the same folder and it is the same device. A new device when left out. */
  readonly storeFolder?: string;
  /** Accept every invitation; true when left out. */
  readonly joinInvites?: boolean;
  readonly deviceName?: string;
};

export function startNioClient(options: NioClientOptions): Promise<Client> {
  return startClient(`the matrix-nio client of ${options.user}`, python(), [join(import.meta.dirname, 'nio_main.py'), JSON.stringify({ ...options, storeFolder: options.storeFolder ?? temporaryFolder('nio') })]);
}
