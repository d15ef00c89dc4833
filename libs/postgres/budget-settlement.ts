import type { PoolClient } from 'pg';
import type { AttemptEvent } from '#contracts/attempt-event';
import { alertsReached, BUDGET_ALERT_TYPE, budgetAlertData } from '#domain/budget-alert';
import {
  coversEvent,
  settlementOf,
  windowStartMsOf,
  type RecordedBefore,
  type SettledEvent,
  type WindowChange,
} from '#domain/budget-settlement';
import { budgetWindowAt, WindowClock } from '#domain/budget-window';
import { loadBudgetsOf, type StoredBudget } from './budgets.ts';
import { enqueueWebhooks } from './webhook-outbox.ts';

const windowClock = new WindowClock();

/** In the same order as in `budget-leases.ts`: leases before windows. */
const RELEASE = {
  name: 'release_holds',
  text: `
    with released as (
      select * from unnest($1::text[], $2::numeric[]) as released (id, amount)
    ), locked as (
      select lease.id, least(lease.open_pico_usd, released.amount) as amount
      from released join budget_lease lease using (id)
      order by lease.id
      for update of lease
    )
    update budget_lease lease set open_pico_usd = lease.open_pico_usd - locked.amount
    from locked where lease.id = locked.id
    returning lease.budget_id as "budgetId", lease.window_start as "windowStart",
              lease.tenant_id as "tenantId", locked.amount`,
};

const OPEN_WINDOWS = {
  name: 'settle_open_windows',
  text: `
    insert into budget_window (budget_id, window_start, tenant_id)
    select * from unnest($1::text[], $2::timestamptz[], $3::text[]) order by 1, 2
    on conflict do nothing`,
};

const SETTLE = {
  name: 'settle_windows',
  text: `
    with changes as (
      select * from unnest($1::text[], $2::timestamptz[], $3::numeric[], $4::numeric[], $5::numeric[])
        as changes (budget_id, window_start, spent, uncertain, released)
    ), locked as (
      select w.budget_id, w.window_start, changes.spent, changes.uncertain, changes.released
      from changes join budget_window w using (budget_id, window_start)
      order by 1, 2
      for update of w
    )
    update budget_window w
    set spent_pico_usd = w.spent_pico_usd + locked.spent,
        uncertain_pico_usd = greatest(0, w.uncertain_pico_usd + locked.uncertain),
        leased_pico_usd = w.leased_pico_usd - locked.released
    from locked where w.budget_id = locked.budget_id and w.window_start = locked.window_start
    returning w.budget_id as "budgetId", w.window_start as "windowStart",
              w.spent_pico_usd + w.uncertain_pico_usd as used, w.alerted_percent as "alertedPercent"`,
};

type Change = WindowChange & { releasedPicoUsd: bigint };
type SettledWindow = { budgetId: string; windowStart: Date; used: string; alertedPercent: number };

export type RecordedAttempt = Omit<SettledEvent, 'before'>;

/** Whether the ledger had an attempt's revision before this transaction. */
export type IsKnown = (attemptId: string, revision: number) => boolean;

const beforeOf = (
  { event }: RecordedAttempt,
  rows: ReadonlySet<string>,
  isKnown: IsKnown,
): RecordedBefore => {
  const { attemptId, revision } = event;
  if (revision === 1) return isKnown(attemptId, 0) ? 'presumption' : 'nothing';
  return isKnown(attemptId, 1) || rows.has(`${attemptId}/1`) ? 'report' : 'nothing';
};

const release = async (client: PoolClient, releases: ReadonlyMap<string, bigint>): Promise<Change[]> => {
  if (releases.size === 0) return [];
  const result = await client.query<{
    budgetId: string;
    windowStart: Date;
    tenantId: string;
    amount: string;
  }>({
    ...RELEASE,
    values: [[...releases.keys()], [...releases.values()].map(String)],
  });
  return result.rows.map((row) => ({
    budgetId: row.budgetId as WindowChange['budgetId'],
    tenantId: row.tenantId,
    windowStartMs: row.windowStart.getTime(),
    spentPicoUsd: 0n,
    uncertainPicoUsd: 0n,
    releasedPicoUsd: BigInt(row.amount),
  }));
};

const mergeChanges = (changes: readonly Change[]): Change[] => {
  const merged = new Map<string, Change>();
  for (const change of changes) {
    const key = `${change.budgetId} ${change.windowStartMs}`;
    const known = merged.get(key);
    if (known === undefined) merged.set(key, { ...change });
    else {
      known.spentPicoUsd += change.spentPicoUsd;
      known.uncertainPicoUsd += change.uncertainPicoUsd;
      known.releasedPicoUsd += change.releasedPicoUsd;
    }
  }
  return [...merged.values()];
};

const applyChanges = async (client: PoolClient, changes: readonly Change[]): Promise<SettledWindow[]> => {
  const ids = changes.map(({ budgetId }) => budgetId);
  const starts = changes.map(({ windowStartMs }) => new Date(windowStartMs).toISOString());
  await client.query({ ...OPEN_WINDOWS, values: [ids, starts, changes.map(({ tenantId }) => tenantId)] });
  const result = await client.query<SettledWindow>({
    ...SETTLE,
    values: [
      ids,
      starts,
      changes.map(({ spentPicoUsd }) => String(spentPicoUsd)),
      changes.map(({ uncertainPicoUsd }) => String(uncertainPicoUsd)),
      changes.map(({ releasedPicoUsd }) => String(releasedPicoUsd)),
    ],
  });
  return result.rows;
};

/** Each alert once in each window, with the transaction that reaches it. */
const giveAlerts = async (
  client: PoolClient,
  windows: readonly SettledWindow[],
  budgets: readonly StoredBudget[],
): Promise<void> => {
  const byId = new Map<string, StoredBudget>(budgets.map((budget) => [budget.id, budget]));
  for (const { budgetId, windowStart, used, alertedPercent } of windows) {
    const budget = byId.get(budgetId);
    if (budget === undefined) continue;
    const usedPicoUsd = BigInt(used);
    const standing = { usedPicoUsd, limitPicoUsd: budget.limitPicoUsd, alertedPercent };
    const reached = alertsReached(budget.alerts, standing);
    const highest = reached.at(-1);
    if (highest === undefined) continue;
    await client.query(
      'update budget_window set alerted_percent = $3 where budget_id = $1 and window_start = $2',
      [budgetId, windowStart, highest],
    );
    const { webhookEndpointId } = budget;
    if (webhookEndpointId === null) continue;
    const windowStartMs = windowStart.getTime();
    const { endMs: windowEndMs } = budgetWindowAt(budget, windowStartMs);
    await enqueueWebhooks(
      client,
      reached.map((percent) => ({
        tenantId: budget.tenantId,
        endpointId: webhookEndpointId,
        type: BUDGET_ALERT_TYPE,
        data: budgetAlertData(budget, { percent, usedPicoUsd, windowStartMs, windowEndMs }),
      })),
    );
  }
};

/**
 * Settles newly recorded events with their tenants' budgets: in the transaction that records them, so that
 * nothing is given back before its cost counts. The transaction holds the recording lock.
 */
export const settleBudgets = async (
  client: PoolClient,
  rows: readonly RecordedAttempt[],
  isKnown: IsKnown,
): Promise<void> => {
  if (rows.length === 0) return;
  const budgets = await loadBudgetsOf(client, [...new Set(rows.map(({ event }) => event.tenantId))]);
  const budgeted = new Set<string>(budgets.map(({ tenantId }) => tenantId));
  const concerned = rows.filter(({ event }) => event.holds.length > 0 || budgeted.has(event.tenantId));
  if (concerned.length === 0) return;

  const together = new Set(rows.map(({ event }) => `${event.attemptId}/${event.revision}`));
  const events = concerned.map((row): SettledEvent => ({ ...row, before: beforeOf(row, together, isKnown) }));
  const budgetsOf = (tenantId: string) => budgets.filter((budget) => budget.tenantId === tenantId);
  const { windows, releases } = settlementOf(events, budgetsOf, windowClock);
  const released = await release(client, releases);
  const changes = mergeChanges([
    ...windows.map((window) => ({ ...window, releasedPicoUsd: 0n })),
    ...released,
  ]);
  if (changes.length === 0) return;
  await giveAlerts(client, await applyChanges(client, changes), budgets);
};

/** Changes what recorded attempts have spent of their tenants' budgets, in the transaction that re-prices them. */
export const adjustBudgets = async (
  client: PoolClient,
  adjustments: readonly { event: AttemptEvent; deltaPicoUsd: bigint }[],
): Promise<void> => {
  const changed = adjustments.filter(({ deltaPicoUsd }) => deltaPicoUsd !== 0n);
  if (changed.length === 0) return;
  const budgets = await loadBudgetsOf(client, [...new Set(changed.map(({ event }) => event.tenantId))]);
  const changes = changed.flatMap(({ event, deltaPicoUsd }) =>
    budgets
      .filter((budget) => budget.tenantId === event.tenantId && coversEvent(budget, event))
      .map((budget) => ({
        budgetId: budget.id,
        tenantId: event.tenantId,
        windowStartMs: windowStartMsOf(budget, event, windowClock),
        spentPicoUsd: deltaPicoUsd,
        uncertainPicoUsd: 0n,
        releasedPicoUsd: 0n,
      })),
  );
  if (changes.length === 0) return;
  await giveAlerts(client, await applyChanges(client, mergeChanges(changes)), budgets);
};
