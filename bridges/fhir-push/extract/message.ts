/** Communication and CommunicationRequest → ClinicalReport of kind `message`. */
import type { ClinicalReport, ReportStatus } from '../../../src/domain/clinical/report.ts';
import { leadsToFile } from '../attachments/find.ts';
import { fillerIdentifier } from '../identity.ts';
import { child, children, resourceType, text } from '../node.ts';
import type { Node } from '../node.ts';
import type { Located, Scope } from '../reference.ts';
import type { Patient } from './patient.ts';
import { displayOf } from './people.ts';
import { addressees, encountersOf, responsibleFor } from './responsible.ts';
import { present } from './result.ts';
import type { Extract } from './result.ts';
import { annotations, conceptText, periodText } from './words.ts';

export const messageOf = (located: Located, patient: Patient, scope: Scope): Extract => {
  const { node } = located;
  const isRequest = resourceType(node) === 'CommunicationRequest';
  const sender = displayOf(child(node, 'sender'), located, scope);
  const requester = isRequest ? displayOf(child(node, 'requester'), located, scope) : undefined;
  const report: ClinicalReport = {
    kind: 'message', status: statusOf(node), priority: priorityOf(node), patient: patient.identity, title: titleOf(node),
    observations: [], specimens: [],
    notes: [...doNotPerform(node), ...occurrence(node), ...reasons(node), ...annotations(node), ...children(node, 'payload').flatMap((payload) => unshown(child(payload, 'contentReference'), located, scope))],
    reporters: [...new Set([sender, requester].filter((each) => each !== undefined))],
    ...present('conclusion', contentOf(node)),
    ...present('reportedAt', text(node, isRequest ? 'authoredOn' : 'sent') ?? text(node, 'received')),
    ...present('fillerNumber', text(fillerIdentifier(node, scope), 'value')),
  };
  const encounters = encountersOf([located], scope);
  return { report, candidates: [...addressees(located, scope), ...responsibleFor(located, [], encounters, scope)], related: encounters };
};

const titleOf = (node: Node): string => conceptText(child(node, 'topic')) ?? children(node, 'category').map(conceptText).find((each) => each !== undefined) ?? 'Message';

const contentOf = (node: Node): string | undefined => {
  const said = children(node, 'payload').map((payload) => text(payload, 'contentString')).filter((each) => each !== undefined);
  return said.length === 0 ? undefined : said.join('\n\n');
};

const doNotPerform = (node: Node): readonly string[] => (text(node, 'doNotPerform') === 'true' ? ['The sender asks that this is NOT communicated.'] : []);

const occurrence = (node: Node): readonly string[] => {
  const when = text(node, 'occurrenceDateTime') ?? periodText(child(node, 'occurrencePeriod'));
  return when === undefined ? [] : [`To be communicated: ${when}`];
};

const reasons = (node: Node): readonly string[] => children(node, 'reasonCode').map(conceptText).filter((each) => each !== undefined).map((each) => `Reason: ${each}`);

/** A payload that refers to something that is no file. */
const unshown = (reference: Node | undefined, located: Located, scope: Scope): readonly string[] =>
  reference === undefined || leadsToFile(reference, located, scope) ? [] : [`Refers to ${text(reference, 'display') ?? 'another resource'}, which is not included yet.`];

const priorityOf = (node: Node): ClinicalReport['priority'] => (['stat', 'asap', 'urgent'] as const).find((each) => each === text(node, 'priority')) ?? 'routine';

/** EventStatus and RequestStatus on the words of a report. A request that is active is told as it stands: `final`. */
const STATUSES: Readonly<Record<string, ReportStatus>> = {
  'preparation': 'registered', 'draft': 'registered', 'on-hold': 'registered', 'in-progress': 'preliminary', 'active': 'final', 'completed': 'final',
  'not-done': 'cancelled', 'stopped': 'cancelled', 'revoked': 'cancelled', 'entered-in-error': 'entered-in-error',
};
/** `doNotPerform` turns a request round (FHIR R4 CommunicationRequest, a modifier element): it asks that nobody be told. */
const statusOf = (node: Node): ReportStatus => (text(node, 'doNotPerform') === 'true' ? 'cancelled' : undefined) ?? STATUSES[text(node, 'status') ?? ''] ?? 'unknown';
