import type { TenantId } from '#contracts/ids';
import type { Database } from './database.ts';
import { inTenant } from './tenant-scope.ts';

/** One attempt as it was recorded. */
export type LiveAttempt = {
  attemptId: string;
  requestId: string;
  tenantId: string;
  team: string | null;
  feature: string | null;
  provider: string;
  model: string;
  route: string | null;
  lane: string;
  surface: string;
  outcome: string;
  errorCode: string | null;
  startedAt: Date;
  queueMs: number;
  firstTokenMs: number | null;
  durationMs: number;
  inputTokens: number | null;
  outputTokens: number | null;
  pricing: string;
  costPicoUsd: bigint | null;
};

/** What was recorded in a short while: the newest attempts, and all of them summed. */
export type LivePiece = {
  /** RFC 3339 to the microsecond: where the next piece begins. */
  until: string;
  attempts: number;
  costPicoUsd: bigint;
  /** Oldest first. */
  newest: LiveAttempt[];
};

type AttemptRow = Omit<LiveAttempt, 'costPicoUsd' | 'inputTokens' | 'outputTokens'> & {
  inputTokens: string | null;
  outputTokens: string | null;
  cost: string | null;
  allAttempts: string;
  allCost: string;
};

const numberOrNull = (text: string | null): number | null => (text === null ? null : Number(text));

const decodeAttempt = (row: AttemptRow): LiveAttempt => ({
  attemptId: row.attemptId,
  requestId: row.requestId,
  tenantId: row.tenantId,
  team: row.team,
  feature: row.feature,
  provider: row.provider,
  model: row.model,
  route: row.route,
  lane: row.lane,
  surface: row.surface,
  outcome: row.outcome,
  errorCode: row.errorCode,
  startedAt: row.startedAt,
  queueMs: row.queueMs,
  firstTokenMs: row.firstTokenMs,
  durationMs: row.durationMs,
  inputTokens: numberOrNull(row.inputTokens),
  outputTokens: numberOrNull(row.outputTokens),
  pricing: row.pricing,
  costPicoUsd: row.cost === null ? null : BigInt(row.cost),
});

/**
 * What was recorded after `since` and is committed. Nothing is missed between two pieces: the ledger's clock
 * goes no further than everything is visible. `newestMax` bounds what is told one by one.
 */
export const readLivePiece = async (
  database: Database,
  { tenantId, since, newestMax }: { tenantId: TenantId | null; since: string; newestMax: number },
): Promise<LivePiece> => {
  const clock = await database.pool.query<{ until: string }>(
    `select to_char(ledger_clock() at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as until`,
  );
  const until = clock.rows[0]?.until ?? since;
  if (until <= since) return { until: since, attempts: 0, costPicoUsd: 0n, newest: [] };
  const statement = () =>
    database.pool.query<AttemptRow>({
      name: 'read_live_piece',
      text: `
      select attempt_id as "attemptId", request_id as "requestId", tenant_id as "tenantId", team, feature,
             provider, model, route, lane, surface, outcome, error_code as "errorCode",
             started_at as "startedAt", queue_ms as "queueMs", first_token_ms as "firstTokenMs",
             duration_ms as "durationMs", input_tokens as "inputTokens", output_tokens as "outputTokens",
             pricing, cost_pico_usd as cost, count(*) over () as "allAttempts",
             coalesce(sum(cost_pico_usd) over (), 0) as "allCost"
      from usage_event
      where recorded_at > $1::timestamptz and recorded_at <= $2::timestamptz
        and ($3::text is null or tenant_id = $3)
      order by recorded_at desc, attempt_id desc limit $4`,
      values: [since, until, tenantId, newestMax],
    });
  const result = await inTenant(tenantId, statement);
  const [first] = result.rows;
  return {
    until,
    attempts: Number(first?.allAttempts ?? 0),
    costPicoUsd: BigInt(first?.allCost ?? 0),
    newest: result.rows.toReversed().map(decodeAttempt),
  };
};
