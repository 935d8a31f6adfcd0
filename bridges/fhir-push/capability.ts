/** `GET /fhir/metadata`: what this endpoint does, and nothing more (FHIR R4 §3.1.0.14 "capabilities"). A test posts what it promises. */
import { CONTEXT_TYPES, TAKEN_TYPES } from './config.ts';
import type { FhirPushConfig } from './config.ts';
import { DEFAULT_BASE_URL } from './stored.ts';

export const capabilityStatement = ({ baseUrl, softwareVersion }: FhirPushConfig, date: string): object => ({
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
      'The answer to a create is given once it is stored durably. The same content again is the same resource. A conditional create that matches and says something new is taken in as a new version of what it matched, and answered 200. Limits per source: size, entries, requests per minute.',
    security: {
      cors: false,
      description: 'A bearer token (RFC 6750) for each source, given out by the hospital. This statement needs none.',
    },
    resource: TAKEN_TYPES.map((type) => ({
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
    })),
    interaction: [{ code: 'transaction' }, { code: 'batch' }],
    operation: [{ name: 'process-message', definition: 'http://hl7.org/fhir/OperationDefinition/MessageHeader-process-message', documentation: 'Synchronous only.' }],
  }],
  messaging: [{ endpoint: [{ protocol: { system: 'http://terminology.hl7.org/CodeSystem/message-transport', code: 'http' }, address: `${baseUrl ?? DEFAULT_BASE_URL}/$process-message` }], documentation: `Any event, as long as the message holds one of ${TAKEN_TYPES.join(', ')}.` }],
});
