/** What a resource holds that can't be shown in text: named in a note, so that nothing is dropped unseen. */
import { child, children, resourceType, text } from '../node.ts';
import type { Node } from '../node.ts';
import type { Located } from '../reference.ts';

export const attachmentNotes = ({ node }: Located): readonly string[] => [
  ...children(node, 'presentedForm').map(attachmentNote),
  ...children(node, 'media').map((media) => notIncluded('Image', text(media, 'comment') ?? text(child(media, 'link'), 'display'), undefined)),
  ...children(node, 'imagingStudy').map((study) => notIncluded('Imaging study', text(study, 'display'), undefined)),
  ...narrativeNote(node),
];

export const attachmentNote = (attachment: Node): string => notIncluded('Attachment', text(attachment, 'title'), text(attachment, 'contentType'));

const notIncluded = (what: string, title: string | undefined, type: string | undefined): string =>
  `${what}${title === undefined ? '' : ` "${title}"`}${type === undefined ? '' : ` (${type})`}: attachment not included yet; ask the sender for it.`;

/** A report that says everything in its narrative and nothing in its elements. */
const narrativeNote = (node: Node): readonly string[] => {
  const says = ['result', 'presentedForm', 'media', 'imagingStudy'].some((name) => children(node, name).length > 0) || text(node, 'conclusion') !== undefined || children(node, 'conclusionCode').length > 0;
  const isBareReport = resourceType(node) === 'DiagnosticReport' && !says && text(child(node, 'text'), 'div') !== undefined;
  return isBareReport ? ['This report came as a formatted narrative only, which is not included yet; ask the sender for it.'] : [];
};
