import type { ApiKeyId, TenantId, WorkItemId } from '#contracts/ids';
import { surfaceId, type SurfaceId } from '#contracts/vocabulary';
import type { WorkState } from '#domain/work-item';
import { workOptions, type QueuedLane, type WorkFlow, type WorkOptions } from '#domain/work-ports';
import type { Database } from './database.ts';

/** An item that waits to be given to the queue, as far as its turn depends on it. */
export type WaitingItem = { id: WorkItemId; rounds: number; estimatedTokens: number };

export type Standing = { state: WorkState; attempts: number; uncalled: number; rounds: number };

/** All that its dispatch says of it. */
export type AdmittedItem = {
  id: WorkItemId;
  tenantId: TenantId;
  apiKeyId: ApiKeyId;
  lane: QueuedLane;
  surface: SurfaceId;
  requestedModel: string;
  attempts: number;
  /** How many of them called nobody. */
  uncalled: number;
  rounds: number;
  estimatedInputTokens: number;
  estimatedOutputTokens: number;
  createdAtMs: number;
  deadlineAtMs: number;
  options: WorkOptions;
};

type FlowRow = { tenant_id: string; requested_model: string; team: string; feature: string };

/**
 * The distinct flows, found by hopping along the index from one to the next: what it costs grows with their
 * number, not with the lines they hold.
 */
const FLOWS = `
  with recursive flow as (
    (select tenant_id, requested_model, team, feature from work_item
     where state = 'queued' and lane = $1
     order by tenant_id, requested_model, team, feature limit 1)
    union all
    select next.* from flow cross join lateral (
      select tenant_id, requested_model, team, feature from work_item
      where state = 'queued' and lane = $1
        and (tenant_id, requested_model, team, feature)
          > (flow.tenant_id, flow.requested_model, flow.team, flow.feature)
      order by tenant_id, requested_model, team, feature limit 1
    ) as next
  )
  select * from flow limit $2`;

/** What the feeder reads. Rejects with the driver's error when the store is down. */
export const createWorkBacklog = ({ pool }: Database) => ({
  flows: async (lane: QueuedLane, limit: number): Promise<WorkFlow[]> => {
    const { rows } = await pool.query<FlowRow>({ name: 'work_flows', text: FLOWS, values: [lane, limit] });
    return rows.map(({ tenant_id, requested_model, team, feature }) => ({
      lane,
      tenantId: tenant_id as TenantId,
      requestedModel: requested_model,
      team,
      feature,
    }));
  },

  /** A flow's items that may run now, the oldest first. */
  waiting: async (flow: WorkFlow, limit: number): Promise<WaitingItem[]> => {
    const { rows } = await pool.query<{ id: string; rounds: number; tokens: number }>({
      name: 'work_waiting',
      text: `select id, rounds, estimated_input_tokens + estimated_output_tokens as tokens from work_item
        where state = 'queued' and lane = $1 and tenant_id = $2 and requested_model = $3 and team = $4
          and feature = $5 and (not_before is null or not_before <= now()) and deadline_at > now()
        order by id limit $6`,
      values: [flow.lane, flow.tenantId, flow.requestedModel, flow.team, flow.feature, limit],
    });
    return rows.map((row) => ({
      id: row.id as WorkItemId,
      rounds: row.rounds,
      estimatedTokens: row.tokens,
    }));
  },

  /** Those that still wait. */
  load: async (ids: readonly WorkItemId[]): Promise<AdmittedItem[]> => {
    const { rows } = await pool.query<{
      id: string;
      tenant_id: string;
      api_key_id: string;
      lane: QueuedLane;
      surface: string;
      requested_model: string;
      attempts: number;
      uncalled: number;
      rounds: number;
      estimated_input_tokens: number;
      estimated_output_tokens: number;
      created_at: Date;
      deadline_at: Date;
      options: unknown;
    }>(
      // By the ids alone, as in `work-claims.ts`.
      `select item.id, item.tenant_id, item.api_key_id, item.lane, item.surface, item.requested_model,
          item.attempts, item.uncalled, item.rounds, item.estimated_input_tokens, item.estimated_output_tokens,
          item.created_at, item.deadline_at, request.options
        from work_item as item join work_request as request on request.work_item_id = item.id
        where item.id = any($1::text[]) and item.ended_at is null and item.worker_id is null
          and not item.cancel_requested`,
      [ids],
    );
    return rows.map((row) => ({
      id: row.id as WorkItemId,
      tenantId: row.tenant_id as TenantId,
      apiKeyId: row.api_key_id as ApiKeyId,
      lane: row.lane,
      surface: surfaceId.parse(row.surface),
      requestedModel: row.requested_model,
      attempts: row.attempts,
      uncalled: row.uncalled,
      rounds: row.rounds,
      estimatedInputTokens: row.estimated_input_tokens,
      estimatedOutputTokens: row.estimated_output_tokens,
      createdAtMs: row.created_at.getTime(),
      deadlineAtMs: row.deadline_at.getTime(),
      options: workOptions.parse(row.options),
    }));
  },

  /** Where these stand. */
  standing: async (ids: readonly WorkItemId[]): Promise<Map<WorkItemId, Standing>> => {
    const { rows } = await pool.query<Standing & { id: string }>(
      'select id, state, attempts, uncalled, rounds from work_item where id = any($1::text[])',
      [ids],
    );
    return new Map(rows.map(({ id, ...standing }) => [id as WorkItemId, standing]));
  },
});
export type WorkBacklog = ReturnType<typeof createWorkBacklog>;
