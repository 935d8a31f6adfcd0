/** A validated resource with its surroundings → what the host takes. */
import type { Arrival } from '../../src/ports/bridge.ts';
import { attachedTo } from './attachments/find.ts';
import { judged } from './attachments/judge.ts';
import { messageOf } from './extract/message.ts';
import { patientOf } from './extract/patient.ts';
import { resultOf } from './extract/result.ts';
import { otherSubjects } from './extract/subject.ts';
import { contentNameOf, factKeyOf, namesOf, reportKeyOf } from './identity.ts';
import { resourceType } from './node.ts';
import type { Issue } from './outcome.ts';
import { selfContained, withoutBytes } from './portable.ts';
import type { Located, Scope } from './reference.ts';
import { unsoundParts } from './soundness.ts';
import { toJson } from './stored.ts';

/** `contentName` is among the arrival's names: what it says, for `If-None-Exist`. */
export type Prepared = { readonly arrival: Arrival; readonly contentName: string };

/** `askedFor`: the name of an `If-None-Exist`, kept so that asking again finds it even if the resource doesn't say it itself. */
export const arrivalOf = async (located: Located, scope: Scope, askedFor?: string): Promise<Prepared | { readonly issues: readonly Issue[] }> => {
  const unsound = unsoundParts(located, scope);
  if (unsound.length > 0) return { issues: unsound };
  const patient = patientOf(located, scope);
  if ('issue' in patient) return { issues: [patient.issue] };
  const type = resourceType(located.node);
  const isResult = type === 'DiagnosticReport' || type === 'Observation';
  const { report: said, candidates, related } = isResult ? resultOf(located, patient, scope) : messageOf(located, patient, scope);
  const attached = attachedTo(located, scope);
  const others = otherSubjects(located, [...related, ...attached.related], scope);
  if (others.length > 0) return { issues: others };
  const { attachments, files } = await judged(attached.found, scope.source);
  const report = attachments.length === 0 ? said : { ...said, attachments };
  const reportKey = reportKeyOf(located.node, patient.key, scope);
  const contentName = contentNameOf(type, reportKey, report, candidates);
  return {
    contentName,
    arrival: {
      source: scope.source.id,
      key: factKeyOf(located.node, scope, [patient.key, report, candidates]),
      names: [...new Set([...namesOf(located.node), ...(askedFor === undefined ? [] : [askedFor]), contentName])],
      patientKey: patient.key, reportKey, report, files, candidates, resourceType: type,
      resource: toJson(withoutBytes(selfContained(located, scope))),
    },
  };
};
