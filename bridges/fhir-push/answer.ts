/** One request, from its bytes to what came of it: here, or in a thread of its own (`thread.ts`). */
import type { Asked, Desk, Done } from './create.ts';
import { create } from './create.ts';
import { parseJson } from './json.ts';
import type { Operation } from './operation.ts';
import { problem, refuse } from './outcome.ts';
import type { Result } from './outcome.ts';
import { takeStaff } from './staff.ts';
import { takeBundle } from './takeBundle.ts';
import { takeMessage } from './takeMessage.ts';

/** Everything about a request but who takes it. Can be sent to a thread. */
export type Task = { readonly asked: Asked; readonly operation: Operation; readonly query: string; readonly bytes: Uint8Array };

export const answer = async (desk: Desk, { asked, operation, query, bytes }: Task): Promise<Result<Done>> => {
  const body = parseJson(bytes);
  if ('fault' in body) return refuse(400, 'malformed', problem('structure', body.fault));
  switch (operation.kind) {
    case 'create': return create(desk, asked, operation.type, body);
    case 'staff': return takeStaff(desk, asked, operation, body);
    case 'bundle': return takeBundle(desk, asked, 'bundle', body);
    case 'collection': return takeBundle(desk, asked, 'collection', body);
    case 'message': return takeMessage(desk, asked, new URLSearchParams(query), body);
    case 'metadata': throw new Error('metadata has no body');
  }
};
