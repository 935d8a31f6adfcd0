import { sql, type CreateTableBuilder, type Kysely, type Migration } from 'kysely';
import type { Dialect } from './dialect.ts';

type Create = CreateTableBuilder<string, string>;

/** Numbered, forward only (invariant 12). A migration that was released is never changed; the next one is added below it. */
export function migrations(dialect: Dialect): Record<string, Migration> {
  const finish = (table: Create): Create => (dialect.name === 'sqlite' ? table.modifyEnd(sql`strict`) : table);
  const counter = (table: Create): Create =>
    dialect.name === 'sqlite' ? table.addColumn('seq', 'integer', (column) => column.primaryKey().autoIncrement()) : table.addColumn('seq', 'bigserial', (column) => column.primaryKey());
  const text = (table: Create, ...names: readonly string[]): Create => names.reduce((built, name) => built.addColumn(name, 'text', (column) => column.notNull()), table);
  const count = (table: Create, ...names: readonly string[]): Create => names.reduce((built, name) => built.addColumn(name, dialect.integer, (column) => column.notNull().defaultTo(0)), table);
  const lease = (table: Create): Create => count(table.addColumn('lease_owner', 'text').addColumn('code', 'text'), 'not_before', 'lease_until', 'generation', 'attempts');

  return {
    '0001_loop': {
      async up(db: Kysely<unknown>) {
        const { schema } = db;
        await finish(count(text(schema.createTable('aggregate'), 'kind', 'id', 'state', 'phase'), 'version', 'held', 'changed_at').addPrimaryKeyConstraint('aggregate_pk', ['kind', 'id'])).execute();
        await schema.createIndex('aggregate_held').on('aggregate').columns(['kind', 'held', 'changed_at']).execute();
        await finish(text(schema.createTable('aggregate_name'), 'kind', 'name', 'id').addPrimaryKeyConstraint('aggregate_name_pk', ['kind', 'name'])).execute();
        await schema.createIndex('aggregate_name_id').on('aggregate_name').columns(['kind', 'id']).execute();

        await finish(lease(count(text(counter(schema.createTable('inbox')), 'id', 'source', 'kind', 'aggregate', 'type', 'body', 'resource'), 'received_at', 'version').addColumn('decided_at', dialect.integer))).execute();
        await schema.createIndex('inbox_id').unique().on('inbox').column('id').execute();
        await schema.createIndex('inbox_leased').on('inbox').column('lease_owner').where(sql.ref('lease_owner'), 'is not', null).execute();
        await schema.createIndex('inbox_due').on('inbox').columns(['seq', 'lease_until', 'not_before', 'kind', 'aggregate']).where(sql.ref('decided_at'), 'is', null).execute();
        await schema.createIndex('inbox_undecided').on('inbox').columns(['kind', 'aggregate', 'seq']).where(sql.ref('decided_at'), 'is', null).execute();
        await finish(text(schema.createTable('inbox_name'), 'source', 'name', 'fact').addPrimaryKeyConstraint('inbox_name_pk', ['source', 'name', 'fact'])).execute();

        await finish(lease(count(text(counter(schema.createTable('outbox')), 'id', 'lane', 'kind', 'aggregate', 'type', 'body', 'state'), 'created_at'))).execute();
        await schema.createIndex('outbox_id').unique().on('outbox').column('id').execute();
        await schema.createIndex('outbox_leased').on('outbox').column('lease_owner').where(sql.ref('lease_owner'), 'is not', null).execute();
        await schema.createIndex('outbox_due').on('outbox').columns(['seq', 'lease_until', 'not_before', 'lane']).where(sql.ref('state'), '=', sql.lit('waiting')).execute();
        await schema.createIndex('outbox_code').on('outbox').column('code').where(sql.ref('state'), '=', sql.lit('waiting')).execute();
        await schema.createIndex('outbox_waiting').on('outbox').columns(['lane', 'seq']).where(sql.ref('state'), '=', sql.lit('waiting')).execute();

        await finish(count(text(schema.createTable('timer'), 'kind', 'aggregate', 'name'), 'due_at').addPrimaryKeyConstraint('timer_pk', ['kind', 'aggregate', 'name'])).execute();
        await schema.createIndex('timer_due').on('timer').column('due_at').execute();
        await finish(count(text(counter(schema.createTable('audit')), 'fact', 'kind', 'aggregate', 'action', 'because', 'detail'), 'at')).execute();
        await schema.createIndex('audit_aggregate').on('audit').columns(['kind', 'aggregate', 'seq']).execute();
        await finish(count(text(schema.createTable('subject_key'), 'subject', 'key_id').addColumn('wrapped', dialect.bytes, (column) => column.notNull()), 'created_at').addPrimaryKeyConstraint('subject_key_pk', ['subject'])).execute();
      },
    },
    '0002_workers': {
      async up(db: Kysely<unknown>) {
        const { schema } = db;
        await finish(count(text(schema.createTable('lease'), 'name').addColumn('worker', 'text'), 'generation', 'lease_until').addPrimaryKeyConstraint('lease_pk', ['name'])).execute();
        await finish(count(text(schema.createTable('courier_seat'), 'device_id', 'store_id').addColumn('seat', dialect.integer, (column) => column.notNull()), 'born_at').addPrimaryKeyConstraint('courier_seat_pk', ['seat'])).execute();
        await finish(count(text(schema.createTable('secret'), 'name', 'key_id').addColumn('wrapped', dialect.bytes, (column) => column.notNull()), 'changed_at').addPrimaryKeyConstraint('secret_pk', ['name'])).execute();
        await finish(count(text(schema.createTable('worker'), 'id', 'roles', 'address'), 'started_at', 'seen_at').addPrimaryKeyConstraint('worker_pk', ['id'])).execute();

        await schema.alterTable('outbox').addColumn('seat', dialect.integer).execute();
        await schema.alterTable('outbox').addColumn('destination', 'text').execute();
        // There was one courier: what waits for a device waits for that one.
        await sql`update outbox set seat = 0 where state = 'waiting' and type in ('room.send', 'event.decrypt')`.execute(db);
        await schema.dropIndex('outbox_due').execute();
        await schema.createIndex('outbox_due').on('outbox').columns(['seq', 'lease_until', 'not_before', 'lane', 'seat', 'destination']).where(sql.ref('state'), '=', sql.lit('waiting')).execute();
      },
    },
    '0003_once': {
      async up(db: Kysely<unknown>) {
        await finish(count(text(db.schema.createTable('once'), 'name'), 'until').addPrimaryKeyConstraint('once_pk', ['name'])).execute();
        await db.schema.createIndex('once_until').on('once').column('until').execute();
      },
    },
    '0004_operations': {
      async up({ schema }: Kysely<unknown>) {
        await finish(count(text(schema.createTable('note'), 'name', 'value'), 'changed_at').addPrimaryKeyConstraint('note_pk', ['name'])).execute();
        await finish(count(text(schema.createTable('found_event'), 'txn', 'room_id', 'event_id'), 'sent_at').addPrimaryKeyConstraint('found_event_pk', ['txn'])).execute();
      },
    },
    '0005_blob': {
      async up({ schema }: Kysely<unknown>) {
        await finish(count(text(schema.createTable('blob'), 'id', 'subject').addColumn('content', dialect.bytes, (column) => column.notNull()), 'created_at').addPrimaryKeyConstraint('blob_pk', ['id'])).execute();
      },
    },
    '0006_phases': {
      async up({ schema }: Kysely<unknown>) {
        // Counting deliveries read all of their states, at each look of Prometheus, with everything else waiting.
        await schema.createIndex('aggregate_phase').on('aggregate').columns(['kind', 'phase']).execute();
      },
    },
    '0007_policy': {
      async up({ schema }: Kysely<unknown>) {
        await finish(count(text(schema.createTable('policy_revision'), 'revision', 'text'), 'first_loaded_at', 'last_loaded_at').addPrimaryKeyConstraint('policy_revision_pk', ['revision'])).execute();
      },
    },
    '0008_asked_again': {
      async up({ schema }: Kysely<unknown>) {
        await schema.alterTable('outbox').addColumn('asked_at', dialect.integer).execute();
      },
    },
  };
}
