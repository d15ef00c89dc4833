import type { ApiKeyId, BatchId, TenantId, WorkItemId } from '#contracts/ids';
import { surfaceId } from '#contracts/vocabulary';
import { workOptions, type SealedBytes } from '#domain/work-ports';
import type { Database } from './database.ts';
import type { AdmittedItem } from './work-backlog.ts';

/** Lines of one batch for one model that wait for a provider's batch. */
export type NativeLot = { tenantId: TenantId; batchId: BatchId; requestedModel: string };

export type WaitingLine = { item: AdmittedItem; lineNumber: number; body: SealedBytes };

/** Lines that wait to be put into a provider's batch. Rejects with the driver's error when the store is down. */
export const createNativeBacklog = ({ pool }: Database) => ({
  /** None, most of the time: lines wait for a moment only. */
  lots: async (limit: number): Promise<NativeLot[]> => {
    const { rows } = await pool.query<{ tenant_id: string; batch_id: string; requested_model: string }>({
      name: 'native_lots',
      text: `select distinct tenant_id, batch_id, requested_model from work_item
        where state = 'queued' and lane = 'native' and not cancel_requested and deadline_at > now() limit $1`,
      values: [limit],
    });
    return rows.map((row) => ({
      tenantId: row.tenant_id as TenantId,
      batchId: row.batch_id as BatchId,
      requestedModel: row.requested_model,
    }));
  },

  /** In the order of the input, after a line; one at least where there is one, whatever its bytes. */
  lines: async (
    lot: NativeLot,
    after: number,
    limit: { lines: number; bytes: number },
  ): Promise<WaitingLine[]> => {
    const { rows } = await pool.query<{
      id: string;
      line_number: number;
      api_key_id: string;
      surface: string;
      attempts: number;
      uncalled: number;
      rounds: number;
      estimated_input_tokens: number;
      estimated_output_tokens: number;
      created_at: Date;
      deadline_at: Date;
      options: unknown;
      data_key_version: number;
      sealed: Buffer;
    }>({
      name: 'native_waiting_lines',
      text: `select * from (
          select item.*, request.options, request.data_key_version, request.sealed,
            row_number() over lines as position, sum(octet_length(request.sealed)) over lines as bytes
          from work_item as item join work_request as request on request.work_item_id = item.id
          where item.batch_id = $1 and item.line_number > $2 and item.state = 'queued' and item.lane = 'native'
            and item.requested_model = $3 and not item.cancel_requested and item.deadline_at > now()
          window lines as (order by item.line_number)
          order by item.line_number limit $4
        ) as line where position = 1 or bytes <= $5 order by line_number`,
      values: [lot.batchId, after, lot.requestedModel, limit.lines, limit.bytes],
    });
    return rows.map((row) => ({
      lineNumber: row.line_number,
      body: { dataKeyVersion: row.data_key_version, sealed: row.sealed },
      item: {
        id: row.id as WorkItemId,
        tenantId: lot.tenantId,
        apiKeyId: row.api_key_id as ApiKeyId,
        lane: 'batch',
        surface: surfaceId.parse(row.surface),
        requestedModel: lot.requestedModel,
        attempts: row.attempts,
        uncalled: row.uncalled,
        rounds: row.rounds,
        estimatedInputTokens: row.estimated_input_tokens,
        estimatedOutputTokens: row.estimated_output_tokens,
        createdAtMs: row.created_at.getTime(),
        deadlineAtMs: row.deadline_at.getTime(),
        options: workOptions.parse(row.options),
      },
    }));
  },

  /** Lets the queue have lines after all. */
  leaveToQueue: async (ids: readonly WorkItemId[]): Promise<void> => {
    await pool.query(
      `update work_item set lane = 'batch' where id = any($1::text[]) and lane = 'native' and state = 'queued'`,
      [ids],
    );
  },

  /** As `leaveToQueue`, all of a lot. */
  leaveLotToQueue: async (lot: NativeLot): Promise<void> => {
    await pool.query(
      `update work_item set lane = 'batch' where batch_id = $1 and requested_model = $2 and lane = 'native'
         and state = 'queued'`,
      [lot.batchId, lot.requestedModel],
    );
  },
});
export type NativeBacklog = ReturnType<typeof createNativeBacklog>;
