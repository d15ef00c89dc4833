import type { PoolClient } from 'pg';
import type { TenantId, WorkItemId } from '#contracts/ids';
import type { EndedItem } from '#domain/work-ports';
import { enqueueWebhooks } from './webhook-outbox.ts';

type EndedRow = { id: string; tenant_id: string; batch_id: string | null };

/**
 * What goes with an item's end, in the transaction that ends it: what it was asked with is not needed any
 * more, and whoever asked to be told is told.
 */
export const closeItems = async (client: PoolClient, rows: readonly EndedRow[]): Promise<EndedItem[]> => {
  if (rows.length === 0) return [];
  const ids = rows.map(({ id }) => id);
  await client.query('delete from work_request where work_item_id = any($1::text[])', [ids]);
  const jobs = rows.filter((row) => row.batch_id === null).map(({ id }) => id);
  if (jobs.length > 0) {
    const { rows: told } = await client.query<{
      id: string;
      tenant_id: string;
      webhook_endpoint_id: string;
      state: string;
      metadata: Record<string, string>;
      ended_at: Date;
    }>(
      `select job.id, job.tenant_id, job.webhook_endpoint_id, item.state, job.metadata, item.ended_at
       from job join work_item as item on item.id = job.id
       where job.id = any($1::text[]) and job.webhook_endpoint_id is not null`,
      [jobs],
    );
    await enqueueWebhooks(
      client,
      told.map((row) => ({
        tenantId: row.tenant_id,
        endpointId: row.webhook_endpoint_id,
        type: `job.${row.state}`,
        data: {
          id: row.id,
          object: 'job',
          status: row.state,
          metadata: row.metadata,
          ended_at: row.ended_at.toISOString(),
        },
      })),
    );
  }
  return rows.map((row) => ({
    id: row.id as WorkItemId,
    tenantId: row.tenant_id as TenantId,
    batchId: row.batch_id,
  }));
};
