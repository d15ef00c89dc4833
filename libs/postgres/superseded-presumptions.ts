import type { PoolClient } from 'pg';
import { ENTRY_DIMENSIONS, ENTRY_MEASURES, type UsageEntry } from '#domain/usage-entry';

const REASON = 'the worker told what came of the attempt';
const SHARED = `attempt_id, revision, request_id, ${ENTRY_DIMENSIONS.join(', ')}, end_user, tags, started_at`;

type AdjustmentRow = Record<string, string | null> & { startedAt: Date };

/**
 * Takes back what the presumptions (revision 0) of these attempts have added to the sums, since their
 * workers' own events stand beside them now. Resolves to what that adds, all of it negative.
 */
export const supersedePresumptions = async (
  client: PoolClient,
  attemptIds: readonly string[],
  recordedAt: string,
): Promise<UsageEntry[]> => {
  if (attemptIds.length === 0) return [];
  const added = await client.query<AdjustmentRow>(
    `insert into usage_adjustment (${SHARED}, number, kind, reason, pricing, recorded_at, ${ENTRY_MEASURES.join(', ')})
     select ${SHARED}, 1, 'superseded', $2, 'superseded', $3::timestamptz,
            ${ENTRY_MEASURES.map((measure) => `-${measure}`).join(', ')}
     from usage_entry presumed
     where attempt_id = any($1::text[]) and revision = 0
     returning started_at as "startedAt", ${[...ENTRY_DIMENSIONS, ...ENTRY_MEASURES].join(', ')}`,
    [attemptIds, REASON, recordedAt],
  );
  return added.rows.map((row) => ({
    startedAtMs: row.startedAt.getTime(),
    dimensions: ENTRY_DIMENSIONS.map((dimension) => row[dimension] ?? null),
    measures: ENTRY_MEASURES.map((measure) => BigInt(row[measure] ?? 0)),
  }));
};
