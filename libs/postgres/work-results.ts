import type { WorkItemId } from '#contracts/ids';
import type { WireError } from '#contracts/attempt-line';
import type { WorkResult } from '#contracts/work-result';
import type { TerminalWorkState } from '#domain/work-item';
import type { EndedItem } from '#domain/work-ports';
import type { Database } from './database.ts';
import { storableJson } from './storable-text.ts';
import { inTransaction } from './transaction.ts';
import { closeItems } from './work-closing.ts';

/**
 * An answer ends its item whichever attempt it is from, as long as nothing else has. An error only counts
 * while its attempt is the current one: of a worker that was given up for lost, a later attempt may be under way.
 * As with claims, only the ids may choose the index.
 */
const RECORD = `
  update work_item as item
  set state = result.state,
    ended_at = case when result.state = 'queued' then null else now() end,
    not_before = result.not_before,
    uncalled = item.uncalled + result.uncalled,
    rounds = item.rounds + case when result.state = 'queued' then 1 else 0 end,
    worker_id = null, claim = null,
    answer = result.answer, error = result.error
  from unnest($1::text[], $2::integer[], $3::text[], $4::timestamptz[], $5::jsonb[], $6::jsonb[],
    $7::integer[]) as result (id, attempts, state, not_before, answer, error, uncalled)
  where item.id = result.id and item.ended_at is null
    and (result.state = 'completed' or (item.state = 'in_progress' and item.attempts = result.attempts))
  returning item.id, item.tenant_id, item.batch_id, item.state`;

const STORE_ANSWERS = `
  insert into work_answer (work_item_id, data_key_version, sealed)
  select * from unnest($1::text[], $2::integer[], $3::bytea[]) on conflict do nothing`;

const verdictOf = ({ header }: WorkResult, stateOf: (error: WireError) => TerminalWorkState) => {
  const { outcome } = header;
  switch (outcome.kind) {
    case 'answered':
      return { state: 'completed' as const, notBeforeMs: null, error: null, status: outcome.status };
    case 'failed':
      return { state: stateOf(outcome.error), notBeforeMs: null, error: outcome.error, status: null };
    case 'again':
      return {
        state: 'queued' as const,
        notBeforeMs: outcome.notBeforeMs,
        error: outcome.error,
        status: null,
      };
  }
};

/** Where the results consumer writes. Rejects with the driver's error when the store is down. */
export const createWorkResults = (database: Database) => ({
  /**
   * Records results in one transaction, each item's end once however often its result comes. Resolves to
   * the items that ended by them.
   */
  record: (
    results: readonly WorkResult[],
    stateOf: (error: WireError) => TerminalWorkState,
  ): Promise<EndedItem[]> =>
    inTransaction(database, async (client) => {
      // One result an item in a statement, and everywhere in one order, so that two never deadlock.
      const byId = new Map<WorkItemId, WorkResult>();
      for (const result of results) {
        const { workItemId, outcome } = result.header;
        if (!byId.has(workItemId) || outcome.kind === 'answered') byId.set(workItemId, result);
      }
      const rows = [...byId.values()].sort((a, b) => (a.header.workItemId < b.header.workItemId ? -1 : 1));
      const verdicts = rows.map((row) => ({ ...verdictOf(row, stateOf), header: row.header }));
      const { rows: changed } = await client.query<{
        id: string;
        tenant_id: string;
        batch_id: string | null;
        state: string;
      }>({
        text: RECORD,
        values: [
          verdicts.map(({ header }) => header.workItemId),
          verdicts.map(({ header }) => header.attempts),
          verdicts.map(({ state }) => state),
          verdicts.map(({ notBeforeMs }) =>
            notBeforeMs === null ? null : new Date(notBeforeMs).toISOString(),
          ),
          verdicts.map(({ status, header: { provider, model, upstreamRequestId } }) =>
            status === null ? null : storableJson({ status, provider, model, upstreamRequestId }),
          ),
          verdicts.map(({ error }) => (error === null ? null : storableJson(error))),
          verdicts.map(({ header }) => header.uncalled ?? 0),
        ],
      });
      const completed = new Set(changed.filter(({ state }) => state === 'completed').map(({ id }) => id));
      const answers = rows.flatMap(({ header, body }) =>
        header.outcome.kind === 'answered' && completed.has(header.workItemId)
          ? [{ id: header.workItemId, version: header.outcome.dataKeyVersion, body }]
          : [],
      );
      if (answers.length > 0) {
        await client.query({
          name: 'store_work_answers',
          text: STORE_ANSWERS,
          values: [
            answers.map(({ id }) => id),
            answers.map(({ version }) => version),
            answers.map(({ body }) => Buffer.from(body)),
          ],
        });
      }
      return closeItems(
        client,
        changed.filter(({ state }) => state !== 'queued'),
      );
    }),
});
export type WorkResults = ReturnType<typeof createWorkResults>;
