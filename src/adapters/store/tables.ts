import type { Generated } from 'kysely';

/** The schema as the queries see it. Times are milliseconds since the epoch; `body` and `state` are JSON with sealed boxes (seal.ts). */
export type Tables = {
  readonly aggregate: { kind: string; id: string; version: number; state: string; phase: string; held: number; changed_at: number };
  readonly aggregate_name: { kind: string; name: string; id: string };
  readonly inbox: {
    seq: Generated<number>; id: string; source: string; kind: string; aggregate: string; type: string; body: string; received_at: number;
    decided_at: number | null; not_before: number; lease_owner: string | null; lease_until: number; generation: number; attempts: number; code: string | null;
    resource: string; version: number;
  };
  readonly inbox_name: { source: string; name: string; fact: string };
  readonly outbox: {
    seq: Generated<number>; id: string; lane: string; kind: string; aggregate: string; type: string; body: string; state: string; created_at: number;
    /** When it was asked for again; null: never. */
    asked_at: number | null; not_before: number; lease_owner: string | null; lease_until: number; generation: number; attempts: number; code: string | null;
    seat: number | null; destination: string | null;
  };
  readonly lease: { name: string; worker: string | null; generation: number; lease_until: number };
  readonly courier_seat: { seat: number; device_id: string; store_id: string; born_at: number };
  readonly secret: { name: string; key_id: string; wrapped: Uint8Array; changed_at: number };
  readonly worker: { id: string; roles: string; address: string; started_at: number; seen_at: number };
  readonly note: { name: string; value: string; changed_at: number };
  readonly found_event: { txn: string; room_id: string; event_id: string; sent_at: number };
  readonly timer: { kind: string; aggregate: string; name: string; due_at: number };
  readonly audit: { seq: Generated<number>; at: number; fact: string; kind: string; aggregate: string; action: string; because: string; detail: string };
  readonly blob: { id: string; subject: string; content: Uint8Array; created_at: number };
  readonly subject_key: { subject: string; key_id: string; wrapped: Uint8Array; created_at: number };
  readonly policy_revision: { revision: string; text: string; first_loaded_at: number; last_loaded_at: number };
  readonly once: { name: string; until: number };
};
