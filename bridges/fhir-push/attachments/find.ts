/** The attachments of a report or message, wherever FHIR lets them be, as one list in the resource's order. */
import { child, children, resourceType, text } from '../node.ts';
import type { Node } from '../node.ts';
import type { Located, Scope } from '../reference.ts';

/** One attachment, with what its sender says of it. `base64` is absent when its bytes did not come along. */
export type Found = {
  readonly title?: string;
  /** Media types that are claimed: by the attachment, and by the Binary that holds its bytes. */
  readonly declared: readonly string[];
  readonly base64?: string;
  readonly bytes?: string;
  readonly sha1?: string;
  readonly url?: string;
  /** `resource`: `url` is a reference to one that did not come along, which may be a file or not. */
  readonly leadsTo?: 'resource';
  /** What a relative `url` is relative to, when the resource says where it lives. */
  readonly base?: string;
};

/** `related`: resources that it was found in, which have to be about the same patient. */
export type Attached = { readonly found: readonly Found[]; readonly related: readonly Located[] };

const NOTHING: Attached = { found: [], related: [] };

/** DiagnosticReport.presentedForm and .media, Communication.payload and CommunicationRequest.payload (FHIR R4). */
export const attachedTo = (located: Located, scope: Scope): Attached => {
  const { node } = located;
  const payloads = children(node, 'payload');
  return joined([
    ...children(node, 'presentedForm').map((attachment) => one(attachment, located, scope)),
    ...children(node, 'media').map((media) => behind(child(media, 'link'), located, scope, text(media, 'comment')) ?? unfound(text(media, 'comment') ?? text(child(media, 'link'), 'display'), child(media, 'link'), located)),
    ...payloads.map((payload) => {
      const attachment = child(payload, 'contentAttachment');
      return attachment === undefined ? (behind(child(payload, 'contentReference'), located, scope) ?? NOTHING) : one(attachment, located, scope);
    }),
  ]);
};

/** What a reference leads to: a Binary, the content of a Media, or those of a DocumentReference. Undefined when it is something else, or not here. */
const behind = (reference: Node | undefined, from: Located, scope: Scope, comment?: string): Attached | undefined => {
  const target = scope.resolve(reference, from);
  const title = comment ?? text(reference, 'display');
  if (target === undefined) return undefined;
  switch (resourceType(target.node)) {
    case 'Binary':
      return { found: [{ ...titled(title), ...bytesOf(target.node) }], related: [] };
    case 'Media':
      return withRelated(one(child(target.node, 'content'), target, scope, title), target);
    case 'DocumentReference':
      return withRelated(joined(children(target.node, 'content').map((content) => one(child(content, 'attachment'), target, scope, title ?? text(target.node, 'description')))), target);
    default:
      return undefined;
  }
};

/** Whether a reference leads to a file that is found here. */
export const leadsToFile = (reference: Node | undefined, from: Located, scope: Scope): boolean => behind(reference, from, scope) !== undefined;

const withRelated = ({ found, related }: Attached, target: Located): Attached => ({ found, related: [...related, target] });

const one = (attachment: Node | undefined, from: Located, scope: Scope, title?: string): Attached => {
  if (attachment === undefined) return NOTHING;
  const url = text(attachment, 'url');
  const binary = url === undefined || text(attachment, 'data') !== undefined ? undefined : scope.resolve({ reference: url }, from)?.node;
  const held = resourceType(binary) === 'Binary' && binary !== undefined ? bytesOf(binary) : { declared: [] };
  const declared = text(attachment, 'contentType');
  const base64 = text(attachment, 'data');
  return {
    related: [],
    found: [{
      ...held, declared: [...(declared === undefined ? [] : [declared]), ...held.declared], ...titled(title ?? text(attachment, 'title')),
      ...(base64 === undefined ? {} : { base64 }), ...named('bytes', text(attachment, 'size')), ...named('sha1', text(attachment, 'hash')), ...named('url', url), ...named('base', from.base),
    }],
  };
};

const unfound = (title: string | undefined, reference: Node | undefined, { base }: Located): Attached => ({ found: [{ declared: [], leadsTo: 'resource', ...titled(title), ...named('url', text(reference, 'reference')), ...named('base', base) }], related: [] });

const bytesOf = (binary: Node): Pick<Found, 'declared' | 'base64'> => {
  const declared = text(binary, 'contentType');
  return { declared: declared === undefined ? [] : [declared], ...named('base64', text(binary, 'data')) };
};

const titled = (title: string | undefined): Pick<Found, 'title'> => named('title', title);

const named = <Name extends string>(name: Name, value: string | undefined): { readonly [K in Name]?: string } => (value === undefined ? {} : { [name]: value }) as { readonly [K in Name]?: string };

const joined = (all: readonly Attached[]): Attached => ({ found: all.flatMap(({ found }) => found), related: all.flatMap(({ related }) => related) });
