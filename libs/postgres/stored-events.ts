/** Reads events back as they were told, to price them again. */
import type { PoolClient } from 'pg';
import { attemptEvent, type AttemptEvent } from '#contracts/attempt-event';
import { TOKEN_CLASSES } from '#contracts/usage';

export type StoredEvent = {
  event: AttemptEvent;
  priceTier: string;
  pricing: string;
  costPicoUsd: bigint;
  listCostPicoUsd: bigint;
};

type Row = Record<string, unknown> & {
  extras: Record<string, unknown> | null;
  tags: Record<string, string>;
  startedAt: Date;
  cost: string | null;
  listCost: string | null;
  priceTier: string;
  pricing: string;
};

const COLUMNS = `attempt_id as "attemptId", revision, request_id as "requestId", tenant_id as "tenantId",
  api_key_id as "apiKeyId", provider_key_id as "providerKeyId", provider, model, served_model as "servedModel",
  requested_model as "requestedModel", route, lane, surface, stream, team, feature, end_user as "user", tags,
  attempt_number as "attemptNumber", step, outcome, error_code as "errorCode",
  upstream_status as "upstreamStatus", upstream_request_id as "upstreamRequestId",
  provider_response_id as "providerResponseId", finish_reason as "finishReason",
  started_at as "startedAt", queue_ms as "queueMs", first_byte_ms as "firstByteMs",
  first_token_ms as "firstTokenMs", duration_ms as "durationMs", usage_source as source,
  ${TOKEN_CLASSES.map((token) => `${token}_tokens as ${token}`).join(', ')},
  reasoning_tokens as reasoning, service_tier as "serviceTier", usage_extras as extras, raw_usage as raw,
  price_tier as "priceTier", pricing, cost_pico_usd as cost, list_cost_pico_usd as "listCost"`;

/** What is absent was not told; a schema with optional fields takes no null for that. */
const present = (fields: Record<string, unknown>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== null && value !== undefined));

const countOrNull = (value: unknown): number | null => (value === null ? null : Number(value));

const decodeRow = (row: Row): StoredEvent => ({
  event: attemptEvent.parse({
    ...row,
    version: 1,
    attribution: {
      ...present({ team: row['team'], feature: row['feature'], user: row['user'] }),
      tags: row.tags,
    },
    startedAtMs: row.startedAt.getTime(),
    usage: {
      ...row.extras,
      source: row['source'],
      tokens: present(Object.fromEntries(TOKEN_CLASSES.map((token) => [token, countOrNull(row[token])]))),
      ...present({
        reasoning: countOrNull(row['reasoning']),
        serviceTier: row['serviceTier'],
        raw: row['raw'],
      }),
    },
  }),
  priceTier: row.priceTier,
  pricing: row.pricing,
  costPicoUsd: BigInt(row.cost ?? 0),
  listCostPicoUsd: BigInt(row.listCost ?? 0),
});

export type EventSelection = {
  /** Null for any. */
  tenantId: string | null;
  provider: string | null;
  model: string | null;
  /** The start, the end exclusive. */
  from: Date;
  to: Date;
  /** The bounds of the attempts' ids that this can be about, which spare other months the search. */
  idFrom: string;
  idTo: string;
  after: { attemptId: string; revision: number };
  limit: number;
};

/** In the order of their ids. */
export const loadStoredEvents = async (
  client: PoolClient,
  selection: EventSelection,
): Promise<StoredEvent[]> => {
  const found = await client.query<Row>(
    `select ${COLUMNS} from usage_event
     where attempt_id >= $1 and attempt_id < $2 and (attempt_id, revision) > ($3, $4::smallint)
       and started_at >= $5 and started_at < $6
       and ($7::text is null or tenant_id = $7) and ($8::text is null or provider = $8)
       and ($9::text is null or model = $9)
     order by attempt_id, revision limit $10`,
    [
      selection.idFrom,
      selection.idTo,
      selection.after.attemptId,
      selection.after.revision,
      selection.from,
      selection.to,
      selection.tenantId,
      selection.provider,
      selection.model,
      selection.limit,
    ],
  );
  return found.rows.map(decodeRow);
};
