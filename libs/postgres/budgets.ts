import { and, asc, eq, gt, isNull, sql } from 'drizzle-orm';
import type { PoolClient } from 'pg';
import { budgetPeriod, budgetScope, type BudgetScope } from '#contracts/budget';
import type { BudgetId, TenantId } from '#contracts/ids';
import { coversTarget, type Budget, type TargetFacts } from '#domain/budget';
import type { BudgetWindow } from '#domain/budget-window';
import type { Database } from './database.ts';
import { RECORDING_LOCK } from './recording-lock.ts';
import { budget } from './schema/budget.ts';
import type { Page } from './tenants.ts';
import { inTransaction } from './transaction.ts';

export type StoredBudget = Budget & {
  alerts: number[];
  webhookEndpointId: string | null;
  createdAt: Date;
  updatedAt: Date;
};

/** Where a window stands, in pico-dollars. */
export type WindowStanding = {
  spentPicoUsd: bigint;
  uncertainPicoUsd: bigint;
  leasedPicoUsd: bigint;
  alertedPercent: number;
};

const NOTHING_YET: WindowStanding = {
  spentPicoUsd: 0n,
  uncertainPicoUsd: 0n,
  leasedPicoUsd: 0n,
  alertedPercent: 0,
};

type Row = typeof budget.$inferSelect;

const decode = (row: Row): StoredBudget => ({
  id: row.id as BudgetId,
  tenantId: row.tenantId as TenantId,
  scope: budgetScope.parse(row.scope),
  period: budgetPeriod.parse(row.period),
  timeZone: row.timeZone,
  limitPicoUsd: row.limitPicoUsd,
  mode: row.mode === 'warn' ? 'warn' : 'enforce',
  onUnpriced: row.onUnpriced === 'refuse' ? 'refuse' : 'allow',
  assumedOutputTokens: row.assumedOutputTokens,
  alerts: row.alerts,
  webhookEndpointId: row.webhookEndpointId,
  createdAt: row.createdAt,
  updatedAt: row.updatedAt,
});

const COLUMNS = `id, tenant_id as "tenantId", scope, period, time_zone as "timeZone",
  limit_pico_usd as "limitPicoUsd", mode, alerts, on_unpriced as "onUnpriced",
  assumed_output_tokens as "assumedOutputTokens", webhook_endpoint_id as "webhookEndpointId",
  created_at as "createdAt", updated_at as "updatedAt"`;

type RawRow = Omit<Row, 'limitPicoUsd'> & { limitPicoUsd: string };
const decodeRaw = (row: RawRow): StoredBudget => decode({ ...row, limitPicoUsd: BigInt(row.limitPicoUsd) });

/** The living budgets of some tenants, read in the caller's transaction. */
export const loadBudgetsOf = async (
  client: PoolClient,
  tenantIds: readonly string[],
): Promise<StoredBudget[]> => {
  const result = await client.query<RawRow>({
    name: 'load_budgets_of',
    text: `select ${COLUMNS} from budget where tenant_id = any($1::text[]) and deleted_at is null order by id`,
    values: [tenantIds],
  });
  return result.rows.map(decodeRaw);
};

export const loadBudgets = async ({ query }: Database, tenantId: TenantId): Promise<StoredBudget[]> => {
  const rows = await query
    .select()
    .from(budget)
    .where(and(eq(budget.tenantId, tenantId), isNull(budget.deletedAt)))
    .orderBy(asc(budget.id));
  return rows.map(decode);
};

/** What the ledger has of a window already, which a new budget begins with. */
const openingBalance = async (
  client: PoolClient,
  created: { tenantId: TenantId; scope: BudgetScope },
  window: BudgetWindow,
): Promise<bigint> => {
  const { scope } = created;
  const result = await client.query<{ provider: string; model: string; cost: string }>(
    `select provider, model, coalesce(sum(cost_pico_usd), 0) as cost
     from usage_entry
     where tenant_id = $1 and started_at >= $2::timestamptz
       and ($3::timestamptz is null or started_at < $3::timestamptz)
       and ($4::text is null or team = $4) and ($5::text is null or feature = $5)
       and ($6::text is null or end_user = $6) and ($7::text is null or api_key_id = $7)
     group by provider, model`,
    [
      created.tenantId,
      new Date(window.startMs).toISOString(),
      window.endMs === null ? null : new Date(window.endMs).toISOString(),
      scope.team ?? null,
      scope.feature ?? null,
      scope.user ?? null,
      scope.api_key ?? null,
    ],
  );
  return result.rows
    .filter(({ provider, model }) =>
      coversTarget({ scope }, { provider: provider as TargetFacts['provider'], model }),
    )
    .reduce((sum, row) => sum + BigInt(row.cost), 0n);
};

type Changeable =
  | 'limitPicoUsd'
  | 'mode'
  | 'alerts'
  | 'onUnpriced'
  | 'assumedOutputTokens'
  | 'webhookEndpointId';
/** Undefined leaves a setting as it is. */
export type BudgetChanges = { [Setting in Changeable]?: StoredBudget[Setting] | undefined };

export const createBudgetStore = (database: Database) => {
  const { query } = database;
  const living = (tenantId: TenantId, id: BudgetId) =>
    and(eq(budget.tenantId, tenantId), eq(budget.id, id), isNull(budget.deletedAt));
  return {
    /** Begins with what the ledger has of the window. Waits for recordings under way. */
    insert: (
      created: Omit<StoredBudget, 'createdAt' | 'updatedAt'>,
      window: BudgetWindow,
    ): Promise<StoredBudget> =>
      inTransaction(database, async (client) => {
        await client.query('select pg_advisory_xact_lock($1)', [RECORDING_LOCK]);
        const inserted = await client.query<RawRow>(
          `insert into budget (id, tenant_id, scope, period, time_zone, limit_pico_usd, mode, alerts,
                               on_unpriced, assumed_output_tokens, webhook_endpoint_id)
           values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) returning ${COLUMNS}`,
          [
            created.id,
            created.tenantId,
            JSON.stringify(created.scope),
            created.period,
            created.timeZone,
            String(created.limitPicoUsd),
            created.mode,
            created.alerts,
            created.onUnpriced,
            created.assumedOutputTokens,
            created.webhookEndpointId,
          ],
        );
        const [row] = inserted.rows;
        if (row === undefined) throw new Error('the budget was not inserted');
        await client.query(
          `insert into budget_window (budget_id, window_start, tenant_id, spent_pico_usd)
           values ($1, $2, $3, $4)`,
          [
            created.id,
            new Date(window.startMs).toISOString(),
            created.tenantId,
            String(await openingBalance(client, created, window)),
          ],
        );
        return decodeRaw(row);
      }),

    count: (tenantId: TenantId): Promise<number> =>
      query.$count(budget, and(eq(budget.tenantId, tenantId), isNull(budget.deletedAt))),

    list: async (tenantId: TenantId, { limit, afterId }: Page): Promise<StoredBudget[]> => {
      const rows = await query
        .select()
        .from(budget)
        .where(
          and(
            eq(budget.tenantId, tenantId),
            isNull(budget.deletedAt),
            afterId === null ? undefined : gt(budget.id, afterId),
          ),
        )
        .orderBy(asc(budget.id))
        .limit(limit);
      return rows.map(decode);
    },

    find: async (tenantId: TenantId, id: BudgetId): Promise<StoredBudget | null> => {
      const [row] = await query.select().from(budget).where(living(tenantId, id));
      return row === undefined ? null : decode(row);
    },

    update: async (
      tenantId: TenantId,
      id: BudgetId,
      changes: BudgetChanges,
    ): Promise<StoredBudget | null> => {
      const [row] = await query
        .update(budget)
        .set({ ...changes, updatedAt: sql`now()` })
        .where(living(tenantId, id))
        .returning();
      return row === undefined ? null : decode(row);
    },

    /** Resolves to whether there was one. What it holds is given back as its requests end. */
    delete: async (tenantId: TenantId, id: BudgetId): Promise<boolean> => {
      const rows = await query
        .update(budget)
        .set({ deletedAt: sql`now()` })
        .where(living(tenantId, id))
        .returning({ id: budget.id });
      return rows.length > 0;
    },

    /** Where windows of a tenant's budgets stand, in the order asked; one without a row has nothing yet. */
    standings: async (
      tenantId: TenantId,
      asked: readonly { budgetId: BudgetId; windowStartMs: number }[],
    ): Promise<WindowStanding[]> => {
      const result = await database.pool.query<{
        position: string;
        spent: string;
        uncertain: string;
        leased: string;
        alerted: number;
      }>(
        `select position, spent_pico_usd as spent, uncertain_pico_usd as uncertain,
                leased_pico_usd as leased, alerted_percent as alerted
         from unnest($2::text[], $3::timestamptz[]) with ordinality as asked (budget_id, window_start, position)
         join budget_window using (budget_id, window_start)
         where tenant_id = $1`,
        [
          tenantId,
          asked.map(({ budgetId }) => budgetId),
          asked.map(({ windowStartMs }) => new Date(windowStartMs).toISOString()),
        ],
      );
      const found = new Map(
        result.rows.map((row) => [
          Number(row.position),
          {
            spentPicoUsd: BigInt(row.spent),
            uncertainPicoUsd: BigInt(row.uncertain),
            leasedPicoUsd: BigInt(row.leased),
            alertedPercent: row.alerted,
          },
        ]),
      );
      return asked.map((_, index) => found.get(index + 1) ?? NOTHING_YET);
    },
  };
};
export type BudgetStore = ReturnType<typeof createBudgetStore>;
