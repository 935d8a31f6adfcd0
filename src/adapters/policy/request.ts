import type { Context, EntityJson, TypeAndId } from '@cedar-policy/cedar-wasm/nodejs';
import type { Millis } from '../../domain/brand.ts';
import { honoursOf } from '../../domain/agreements/conduct.ts';
import { inForce, type Organisation } from '../../domain/policy/agreement.ts';
import type { Question, Target, Who } from '../../domain/policy/question.ts';

/** A question in Cedar's words: what the schema of the rules knows (`config/policy/aceso.cedarschema`). */
export type CedarRequest = { readonly principal: TypeAndId; readonly action: TypeAndId; readonly resource: TypeAndId; readonly context: Context; readonly entities: EntityJson[] };

const DAY_MS = 86_400_000;

export function requestOf({ who, action, target, circumstances, at }: Question): CedarRequest {
  const principal = { type: 'Person', id: who.userId };
  const resource = resourceOf(target);
  const { responsible, inCare, consent, emergency, reason, approved } = circumstances;
  return {
    principal, action: { type: 'Action', id: action }, resource: resource.uid as TypeAndId,
    context: { responsible, in_care: inCare, consent, emergency, reason, approved },
    entities: [
      { uid: principal, attrs: attributesOf(who, at), parents: who.roles.map((id) => ({ type: 'Role', id })) },
      { uid: { type: 'Organisation', id: who.organisation.id }, attrs: ofOrganisation(who.organisation, at), parents: [] },
      ...(target.type === 'records' ? [] : [resource]),
    ],
  };
}

function ofOrganisation(organisation: Organisation, at: Millis): EntityJson['attrs'] {
  const { policyServer, encryption, redaction } = honoursOf(organisation.conduct ?? {}, at);
  return {
    own: organisation.own, agreements: inForce(organisation, at).map((id) => named('Agreement', id)),
    ...(policyServer === undefined ? {} : { honours_policy_server: policyServer }), ...(encryption === undefined ? {} : { honours_encryption: encryption }), ...(redaction === undefined ? {} : { honours_redaction: redaction }),
  };
}

function attributesOf({ organisation, department, trainedAt, mfa, posture }: Who, at: number): EntityJson['attrs'] {
  return {
    organisation: named('Organisation', organisation.id), posture: named('Posture', posture),
    ...(department === undefined ? {} : { department }), ...(mfa === undefined ? {} : { mfa }),
    // A training of tomorrow is none: a date that was mistyped must not make somebody trained for years.
    ...(trainedAt === undefined || trainedAt > at ? {} : { days_since_training: Math.floor((at - trainedAt) / DAY_MS) }),
  };
}

function resourceOf(target: Target): EntityJson {
  switch (target.type) {
    case 'room':
      return { uid: { type: 'Room', id: target.kind }, attrs: {}, parents: [{ type: 'RoomKind', id: target.kind }] };
    case 'result':
      return { uid: { type: 'Result', id: target.kind }, attrs: { critical: target.critical, labels: target.labels.map((id) => named('Label', id)) }, parents: [{ type: 'RoomKind', id: target.kind }] };
    case 'records':
      return { uid: { type: 'Records', id: target.name }, attrs: {}, parents: [] };
  }
}

const named = (type: string, id: string): { readonly __entity: TypeAndId } => ({ __entity: { type, id } });
