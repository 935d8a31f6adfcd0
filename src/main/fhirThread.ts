/** Entry of a thread for large bodies: loads the definitions, then takes what the main thread sends. */
import { parentPort } from 'node:worker_threads';
import { createFhirValidator } from '../adapters/fhir/validator.ts';
import { serveTasks } from '../../bridges/fhir-push/index.ts';

if (parentPort === null) throw new Error('this file is the entry of a thread');
serveTasks(parentPort, await createFhirValidator());
