import { getRandomValues } from 'node:crypto';
import type { PoolClient } from 'pg';
import { IdMint } from '#domain/mint-id';

const mint = new IdMint({ nowMs: Date.now, fillRandom: (bytes) => void getRandomValues(bytes) });

export type WebhookMessage = {
  tenantId: string;
  endpointId: string;
  /** `budget.alert`, `job.completed`, `provider_key.quarantined`. */
  type: string;
  data: unknown;
  /** Of one occurrence an address gets one webhook, however often it is written. */
  occurrence?: string;
};

/**
 * Writes webhooks to be sent, in the transaction that makes true what they tell: they go out after its
 * commit, at least once, and under the same `webhook-id` each time. Those to a disabled address are discarded.
 * Resolves to their ids in order; that of an occurrence which was written before stays without a webhook.
 */
export const enqueueWebhooks = async (
  client: PoolClient,
  messages: readonly WebhookMessage[],
): Promise<string[]> => {
  if (messages.length === 0) return [];
  const timestamp = new Date().toISOString();
  const ids = messages.map(() => mint.mint('msg'));
  await client.query(
    `insert into webhook_delivery (id, tenant_id, endpoint_id, type, payload, occurrence, status, ended_at)
     select message.id, endpoint.tenant_id, endpoint.id, message.type, message.payload, message.occurrence,
            case when endpoint.disabled_at is null then 'pending' else 'discarded' end,
            case when endpoint.disabled_at is null then null else now() end
     from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[])
       as message (id, tenant_id, endpoint_id, type, payload, occurrence)
     join webhook_endpoint endpoint
       on endpoint.id = message.endpoint_id and endpoint.tenant_id = message.tenant_id
     on conflict (endpoint_id, occurrence) where occurrence is not null do nothing`,
    [
      ids,
      messages.map(({ tenantId }) => tenantId),
      messages.map(({ endpointId }) => endpointId),
      messages.map(({ type }) => type),
      messages.map(({ type, data }) => JSON.stringify({ type, timestamp, data })),
      messages.map(({ occurrence }) => occurrence ?? null),
    ],
  );
  return ids;
};
