/** A validated resource with its surroundings → what the host takes. */
import { stringify } from 'lossless-json';
import type { Arrival } from '../../src/ports/bridge.ts';
import { messageOf } from './extract/message.ts';
import { patientOf } from './extract/patient.ts';
import { resultOf } from './extract/result.ts';
import { factKeyOf, namesOf, reportKeyOf } from './identity.ts';
import { resourceType } from './node.ts';
import type { Issue } from './outcome.ts';
import { brokenReferences } from './reference.ts';
import type { Located, Scope } from './reference.ts';

/** `askedFor`: the name of an `If-None-Exist`, kept so that asking again finds it even if the resource doesn't say it itself. */
export const arrivalOf = (located: Located, scope: Scope, askedFor?: string): { readonly arrival: Arrival } | { readonly issues: readonly Issue[] } => {
  const broken = brokenReferences(located, scope);
  if (broken.length > 0) return { issues: broken };
  const patient = patientOf(located, scope);
  if ('issue' in patient) return { issues: [patient.issue] };
  const type = resourceType(located.node);
  const { report, candidates } = type === 'DiagnosticReport' || type === 'Observation' ? resultOf(located, patient, scope) : messageOf(located, patient, scope);
  const names = namesOf(located.node);
  return {
    arrival: {
      source: scope.source.id,
      key: factKeyOf(located.node, scope, [patient.key, report, candidates]),
      names: askedFor === undefined || names.includes(askedFor) ? names : [...names, askedFor],
      patientKey: patient.key,
      reportKey: reportKeyOf(located.node, patient.key, scope),
      report, candidates, resourceType: type,
      resource: stringify(located.node) ?? '{}',
    },
  };
};
