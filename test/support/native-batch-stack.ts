/** Provider batches of tenants of their own, seen from all sides: the caller's, the provider's, the ledger's. */
import { Client } from 'pg';
import { vi } from 'vitest';
import type { ProviderId } from '#contracts/vocabulary';
import { BatchCaller } from './native-batches.ts';
import { startStack } from './stack.ts';
import type { TestTenant } from './tenant.ts';

export type NativeBatchCaller = BatchCaller & { tenant: TestTenant; secret: string };

export const batchTexts = (count: number): string[] =>
  Array.from({ length: count }, (_, index) => `Line ${index}`);

export type NativeBatchStack = Awaited<ReturnType<typeof openNativeBatches>>;

/** A stack of its own; `close` takes it down. */
export const openNativeBatches = async () => {
  const stack = await startStack();
  const database = new Client({ connectionString: stack.databaseUrl });
  await database.connect();

  /** A tenant of its own with one key, so that no test's rules or breakers are another's. */
  const callerOf = async (provider: ProviderId): Promise<NativeBatchCaller> => {
    const tenant = await stack.createTenant({ providerKeys: [{ provider }] });
    const [secret = ''] = tenant.providerSecrets;
    return Object.assign(new BatchCaller(stack.flo2.url, tenant.apiKey), { tenant, secret });
  };

  const batchesOf = ({ secret }: NativeBatchCaller) =>
    stack.simulator.batches.all().filter(({ credential }) => credential === secret);
  const batchLinesOf = ({ secret }: NativeBatchCaller) =>
    stack.simulator.log.batchLines.filter(({ credential }) => credential === secret);
  const callsOf = ({ secret }: NativeBatchCaller) =>
    stack.simulator.log.attempts.filter(({ credential }) => credential === secret);

  /** The events of a tenant, once there are so many. */
  const eventsOf = ({ tenant }: NativeBatchCaller, count: number) =>
    vi.waitFor(
      async () => {
        const { rows } = await database.query<{
          request_id: string;
          outcome: string;
          error_code: string | null;
          tier: string;
          cost: string | null;
          pricing: string;
        }>(
          `select distinct on (attempt_id) request_id, outcome, error_code, pricing, price_tier as tier, cost_pico_usd as cost
           from usage_event where tenant_id = $1 order by attempt_id, revision desc`,
          [tenant.tenantId],
        );
        if (rows.length < count) throw new Error(`${rows.length} of ${count} events`);
        return rows;
      },
      { timeout: 15_000, interval: 50 },
    );

  const nativeOf = async (batchId: string) => {
    const { rows } = await database.query<{ id: string; state: string; is_abandoned: boolean }>(
      'select id, state, is_abandoned from native_batch where batch_id = $1 order by id',
      [batchId],
    );
    return rows;
  };

  const awaitProviderBatch = (caller: NativeBatchCaller, phase: string) =>
    vi.waitFor(
      () => {
        const [batch] = batchesOf(caller);
        if (batch?.phase !== phase) throw new Error(`it is ${batch?.phase ?? 'not there'}`);
        return batch;
      },
      { timeout: 15_000, interval: 20 },
    );

  const close = async (): Promise<void> => {
    await database.end();
    await stack.close();
  };
  return {
    stack,
    database,
    callerOf,
    batchesOf,
    batchLinesOf,
    callsOf,
    eventsOf,
    nativeOf,
    awaitProviderBatch,
    close,
  };
};
