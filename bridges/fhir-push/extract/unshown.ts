/** What a resource holds that is neither text nor a file: named in a note, so that nothing is dropped unseen. */
import { child, children, resourceType, text } from '../node.ts';
import type { Node } from '../node.ts';
import type { Located } from '../reference.ts';

export const unshownNotes = ({ node }: Located): readonly string[] => [
  ...children(node, 'imagingStudy').map((study) => {
    const title = text(study, 'display');
    return `Imaging study${title === undefined ? '' : ` "${title}"`}: not included; ask the sender for it.`;
  }),
  ...narrativeNote(node),
];

/** A report that says everything in its narrative and nothing in its elements. */
const narrativeNote = (node: Node): readonly string[] => {
  const says = ['result', 'presentedForm', 'media', 'imagingStudy'].some((name) => children(node, name).length > 0) || text(node, 'conclusion') !== undefined || children(node, 'conclusionCode').length > 0;
  const isBareReport = resourceType(node) === 'DiagnosticReport' && !says && text(child(node, 'text'), 'div') !== undefined;
  return isBareReport ? ['This report came as a formatted narrative only, which is not included yet; ask the sender for it.'] : [];
};
