import type { ProviderKeyId, TenantId } from '#contracts/ids';
import { keyAlertData, keyAlertOccurrence, keyAlertType, type KeyAlert } from '#domain/key-alert';
import type { Database } from './database.ts';
import { inTransaction } from './transaction.ts';
import { enqueueWebhooks } from './webhook-outbox.ts';

type Row = {
  position: string;
  id: ProviderKeyId;
  tenantId: TenantId;
  provider: string;
  name: string;
  endpointId: string;
};

export type KeyAlerts = {
  /**
   * Writes webhooks of these to every address of the keys' tenants that asks for such events: of one occurrence
   * one to an address, whoever writes it how often. Rejects with the driver's error when the store is down.
   */
  tell: (alerts: readonly KeyAlert[]) => Promise<void>;
};

export const createKeyAlerts = (database: Database): KeyAlerts => ({
  tell: (alerts) =>
    inTransaction(database, async (client) => {
      const { rows } = await client.query<Row>(
        `select alert.position, key.id, key.tenant_id as "tenantId", key.provider, key.name,
                endpoint.id as "endpointId"
         from unnest($1::text[], $2::text[]) with ordinality as alert (key_id, event, position)
         join provider_key key on key.id = alert.key_id and key.deleted_at is null
         join webhook_endpoint endpoint
           on endpoint.tenant_id = key.tenant_id and alert.event = any (endpoint.events)`,
        [
          alerts.map(({ providerKeyId }) => providerKeyId),
          alerts.map(({ trouble }) => keyAlertType(trouble)),
        ],
      );
      await enqueueWebhooks(
        client,
        rows.flatMap(({ position, endpointId, ...key }) => {
          const alert = alerts[Number(position) - 1];
          if (alert === undefined) return [];
          return {
            tenantId: key.tenantId,
            endpointId,
            type: keyAlertType(alert.trouble),
            data: keyAlertData(key, alert.trouble),
            occurrence: keyAlertOccurrence(alert),
          };
        }),
      );
    }),
});
