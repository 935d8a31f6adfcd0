/**
 * The resource that rides inside the message stands alone: what it refers to in its bundle becomes `contained` (FHIR R4 §2.3.0.6.1), because
 * its reader has neither the bundle nor the server it came from.
 */
import { createHash } from 'node:crypto';
import { child, children, isNode, resourceType, text } from './node.ts';
import type { Node } from './node.ts';
import type { Located, Scope } from './reference.ts';

/** As it came when nothing of it lies outside. Numbers keep their digits. */
export const selfContained = (located: Located, scope: Scope): Node => {
  if (scope.members.length === 0) return located.node;
  const taken = new Set(children(located.node, 'contained').map((each) => text(each, 'id')));
  const ids = new Map<Node, string>(children(located.node, 'contained').map((each) => [each, text(each, 'id') ?? '']));
  const queue: Located[] = [];
  const counts = new Map<string, number>();

  const idFor = (target: Located): string => {
    const known = ids.get(target.node);
    if (known !== undefined) return known;
    const type = resourceType(target.node).toLowerCase();
    let id = '';
    do {
      counts.set(type, (counts.get(type) ?? 0) + 1);
      id = `${type}-${counts.get(type) ?? 0}`;
    } while (taken.has(id));
    ids.set(target.node, id);
    queue.push(target);
    return id;
  };
  const rewritten = (value: unknown, from: Located): unknown => {
    if (Array.isArray(value)) return value.map((each) => rewritten(each, from));
    if (!isNode(value)) return value;
    const target = text(value, 'reference') === undefined ? undefined : scope.resolve(value, from);
    const copy = Object.fromEntries(Object.entries(value).map(([name, each]) => [name, rewritten(each, from)]));
    if (target === undefined) return copy;
    return { ...copy, reference: target.node === located.node ? '#' : `#${idFor(target)}` };
  };

  const root = rewritten(located.node, located) as Node;
  const contained = [...children(root, 'contained')];
  const labels: Node[] = [...scope.labels];
  for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
    const { contained: _, id: __, meta, resourceType: type, ...rest } = rewritten(next.node, next) as Node;
    labels.push(...children(isNode(meta) ? meta : undefined, 'security'));
    contained.push({ resourceType: type, id: ids.get(next.node), ...rest });
  }
  return withLabels(contained.length === 0 ? root : { ...root, contained }, labels);
};

/** A contained resource has no meta of its own that counts (invariants dom-4 and dom-5): its security labels hold for the whole. */
const withLabels = (node: Node, labels: readonly Node[]): Node => {
  if (labels.length === 0) return node;
  const meta = child(node, 'meta');
  return { ...node, meta: { ...meta, security: [...children(meta, 'security'), ...labels] } };
};

/** Names that an Attachment may have (FHIR R4 §2.24.0.6): SampledData and Signature have `data` too, and others beside it. */
const OF_ATTACHMENT: ReadonlySet<string> = new Set(['id', 'extension', 'contentType', 'language', 'data', 'url', 'size', 'hash', 'title', 'creation'].flatMap((name) => [name, `_${name}`]));

const isAttachment = (node: Node): boolean => text(node, 'data') !== undefined && Object.keys(node).every((name) => OF_ATTACHMENT.has(name));

/** Bytes go as files of their own, or not at all: in their place stand size and hash, by which a file is known again. */
export const withoutBytes = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(withoutBytes);
  if (!isNode(value)) return value;
  const copy = Object.fromEntries(Object.entries(value).map(([name, each]) => [name, withoutBytes(each)]));
  const base64 = text(value, 'data');
  if (base64 === undefined || (resourceType(value) !== 'Binary' && !isAttachment(value))) return copy;
  const { data: _, _data: __, ...kept } = copy;
  if (resourceType(value) === 'Binary') return kept;
  const bytes = Buffer.from(base64, 'base64');
  return { ...kept, size: bytes.length, hash: createHash('sha1').update(bytes).digest('base64') };
};
