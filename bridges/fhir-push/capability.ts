/** `GET /fhir/metadata`: what this endpoint does, and nothing more (FHIR R4 §3.1.0.14 "capabilities"). A test posts what it promises. */
import type { TrustWay } from '../../src/ports/bridge.ts';
import { CONSENT_TYPES, CONTEXT_TYPES, STAFF_TYPES, TAKEN_TYPES } from './config.ts';
import type { FhirPushConfig } from './config.ts';
import { DEFAULT_BASE_URL } from './stored.ts';

export const capabilityStatement = ({ baseUrl, softwareVersion, tokenUrl, sources }: FhirPushConfig, ways: readonly TrustWay[], date: string): object => ({
  resourceType: 'CapabilityStatement',
  status: 'active',
  date,
  kind: 'instance',
  software: { name: 'Aceso fhir-push', ...(softwareVersion === undefined ? {} : { version: softwareVersion }) },
  implementation: { description: 'Takes in clinical results and messages and delivers them, end-to-end encrypted, over Matrix.', ...(baseUrl === undefined ? {} : { url: baseUrl }) },
  fhirVersion: '4.0.1',
  format: ['json'],
  rest: [{
    mode: 'server',
    documentation: `What is taken in is delivered and can't be read back. ${CONTEXT_TYPES.join(', ')} in the same bundle explain it and are not stored by themselves. ` +
      'The answer to a create is given once it is stored durably. The same content again is the same resource. A conditional create that matches and says something new is taken in as a new version of what it matched, and answered 200. Limits per source: size, entries, requests per minute, requests at one time.',
    security: securityOf(ways, tokenUrl),
    resource: [...TAKEN_TYPES.map((type) => ({
      type,
      profile: `http://hl7.org/fhir/StructureDefinition/${type}`,
      interaction: [{ code: 'create' }],
      versioning: 'no-version',
      readHistory: false,
      updateCreate: false,
      conditionalCreate: true,
      conditionalUpdate: false,
      conditionalDelete: 'not-supported',
      referencePolicy: ['literal', 'logical', 'resolves'],
    })), ...[...STAFF_TYPES, ...CONSENT_TYPES].filter((type) => sources.some(({ directory }) => directory?.types.includes(type))).map((type) => ({
      type,
      profile: `http://hl7.org/fhir/StructureDefinition/${type}`,
      documentation: type === 'Consent' ? 'What a patient permits and denies, from sources that may say it. It can\'t be read back.' : 'Changes the directory of staff, for sources that may. It can\'t be read back.',
      interaction: [{ code: 'create' }, { code: 'update' }],
      versioning: 'no-version',
      readHistory: false,
      updateCreate: true,
      conditionalCreate: false,
      conditionalUpdate: false,
      conditionalDelete: 'not-supported',
      referencePolicy: ['literal', 'logical', 'resolves'],
    }))],
    interaction: [{ code: 'transaction' }, { code: 'batch' }],
    operation: [{ name: 'process-message', definition: 'http://hl7.org/fhir/OperationDefinition/MessageHeader-process-message', documentation: 'Synchronous only.' }],
  }],
  messaging: [{ endpoint: [{ protocol: { system: 'http://terminology.hl7.org/CodeSystem/message-transport', code: 'http' }, address: `${baseUrl ?? DEFAULT_BASE_URL}/$process-message` }], documentation: `Any event, as long as the message holds one of ${TAKEN_TYPES.join(', ')}.` }],
});

const WAYS: Readonly<Record<TrustWay, { readonly code?: string; readonly words: string }>> = {
  token: { words: 'a bearer token (RFC 6750) given out by the hospital' },
  smart: { code: 'SMART-on-FHIR', words: 'an access token by SMART Backend Services (see .well-known/smart-configuration)' },
  issuer: { code: 'OAuth', words: 'an access token of the hospital\'s authorization server' },
  certificate: { code: 'Certificates', words: 'a client certificate (mutual TLS)' },
};

/** What is truly used here, and no other way. */
const securityOf = (ways: readonly TrustWay[], tokenUrl: string | undefined): object => {
  const service = ways.flatMap((way) => (WAYS[way].code === undefined ? [] : [{ coding: [{ system: 'http://terminology.hl7.org/CodeSystem/restful-security-service', code: WAYS[way].code }] }]));
  // SMART App Launch 1.0 told its addresses here; clients that know no discovery still look.
  const uris = ways.includes('smart') && tokenUrl !== undefined ? [{ url: 'http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris', extension: [{ url: 'token', valueUri: tokenUrl }] }] : [];
  return {
    ...(uris.length === 0 ? {} : { extension: uris }),
    cors: false,
    ...(service.length === 0 ? {} : { service }),
    description: `Each source proves itself by ${ways.map((way) => WAYS[way].words).join(', or ') || 'nothing yet: no source is known'}. This statement needs no proof.`,
  };
};
