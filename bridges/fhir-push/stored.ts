/** How a stored resource is told to its sender: Location, ETag, and what `Prefer` asks for (FHIR R4 §3.1.0.8 "create"). */
import { stringify } from 'lossless-json';
import type { Receipt } from '../../src/ports/bridge.ts';
import type { FhirPushConfig } from './config.ts';
import type { Preference } from './negotiate.ts';
import { child } from './node.ts';
import type { Node } from './node.ts';
import { information, operationOutcome } from './outcome.ts';

export const DEFAULT_BASE_URL = '/fhir';

export const locationOf = ({ baseUrl }: FhirPushConfig, type: string, { id, version }: Receipt): string => `${baseUrl ?? DEFAULT_BASE_URL}/${type}/${id}/_history/${version}`;
export const etagOf = ({ version }: Receipt): string => `W/"${version}"`;

/** The outcome in words; `isNew` false means that this very thing was accepted before. */
export const acceptedOutcome = (created: boolean): object => operationOutcome([information(created ? 'Accepted and stored.' : 'Accepted and stored before: nothing was added.')]);

/** The resource as it was sent, under Aceso's id and version. */
export const represented = (node: Node, { id, version }: Receipt): Node => ({ ...node, id, meta: { ...child(node, 'meta'), versionId: String(version) } });

/** Undefined for `minimal`. */
export const bodyFor = (preference: Preference, receipt: Receipt, node: Node): string | undefined => {
  if (preference === 'minimal') return undefined;
  if (preference === 'representation') return toJson(represented(node, receipt));
  return JSON.stringify(acceptedOutcome(receipt.created));
};

/** JSON text of a tree that holds exact numbers. */
export const toJson = (tree: unknown): string => stringify(tree) ?? 'null';
