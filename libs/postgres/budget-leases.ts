import type { TenantId } from '#contracts/ids';
import type { BudgetLeases, LeaseAnswer, LeaseAsk } from '#domain/budget-gate';
import { loadBudgets } from './budgets.ts';
import type { Database } from './database.ts';

/** Ahead of need a process gets this part of the room: near the limit leases shrink to single holds. */
const AHEAD_DIVISOR = 8;

/**
 * Leases from several windows at once. Leases are locked before windows, and both in the order of their keys,
 * here, below and in the settlement: two transactions then wait for each other at most one way round. What is
 * read of a window is what it is when it is locked. The count makes all leases be locked before any window.
 */
const LEASE = {
  name: 'lease_budgets',
  text: `
    with asked as (
      select * from unnest($2::text[], $3::timestamptz[], $4::text[], $5::boolean[], $6::numeric[],
                           $7::numeric[], $8::numeric[], $9::timestamptz[])
        as asked (budget_id, window_start, lease_id, is_leased, needed, demanded, ahead, holds_until)
    ), known as (
      select lease.id from asked join budget_lease lease on lease.id = asked.lease_id and asked.is_leased
      order by lease.id
      for update of lease
    ), standing as (
      select asked.*, w.tenant_id, budget.limit_pico_usd as upper_limit, w.leased_pico_usd as leased,
             w.spent_pico_usd + w.uncertain_pico_usd as used,
             budget.limit_pico_usd - w.spent_pico_usd - w.uncertain_pico_usd - w.leased_pico_usd as room
      from asked
      join budget_window w using (budget_id, window_start)
      join budget on budget.id = w.budget_id and budget.deleted_at is null
      where (select count(*) from known) >= 0
      order by budget_id, window_start
      for update of w
    ), granted as (
      select *, case
          when room <= 0 or room < needed then 0
          else greatest(least(room, greatest(needed, demanded)), least(ahead, div(room, ${AHEAD_DIVISOR})))
        end as amount
      from standing
    ), updated as (
      update budget_window w set leased_pico_usd = w.leased_pico_usd + granted.amount
      from granted
      where granted.amount > 0
        and w.budget_id = granted.budget_id and w.window_start = granted.window_start
    ), leases as (
      insert into budget_lease as lease (id, budget_id, window_start, tenant_id, owner, leased_pico_usd,
                                         open_pico_usd, holds_until)
      select lease_id, budget_id, window_start, tenant_id, $1, amount, amount, holds_until
      from granted where amount > 0 or is_leased
      on conflict (id) do update
        set leased_pico_usd = lease.leased_pico_usd + excluded.leased_pico_usd,
            open_pico_usd = lease.open_pico_usd + excluded.open_pico_usd,
            holds_until = greatest(lease.holds_until, excluded.holds_until)
    )
    select lease_id as "leaseId", amount, upper_limit as "limit", used, leased + amount as leased from granted`,
};

/** A window's row comes with its first lease or its first cost. */
const OPEN_WINDOWS = {
  name: 'open_budget_windows',
  text: `
    insert into budget_window (budget_id, window_start, tenant_id)
    select * from unnest($1::text[], $2::timestamptz[], $3::text[]) order by 1, 2
    on conflict do nothing`,
};

const GIVE_BACK = {
  name: 'give_back_leases',
  text: `
    with returned as (
      select * from unnest($1::text[], $2::numeric[]) as returned (id, amount)
    ), locked as (
      select lease.id, lease.budget_id, lease.window_start,
             least(lease.open_pico_usd, returned.amount) as amount
      from returned join budget_lease lease using (id)
      order by lease.id
      for update of lease
    ), leases as (
      update budget_lease lease set open_pico_usd = lease.open_pico_usd - locked.amount
      from locked where lease.id = locked.id
      returning lease.budget_id, lease.window_start, locked.amount
    ), sums as (
      select budget_id, window_start, sum(amount) as amount from leases group by 1, 2
    ), windows as (
      select w.budget_id, w.window_start, sums.amount
      from sums join budget_window w using (budget_id, window_start)
      order by 1, 2
      for update of w
    )
    update budget_window w set leased_pico_usd = w.leased_pico_usd - windows.amount
    from windows where w.budget_id = windows.budget_id and w.window_start = windows.window_start`,
};

type AnswerRow = { leaseId: string; amount: string; limit: string; used: string; leased: string };

const decodeAnswer = (row: AnswerRow): LeaseAnswer => ({
  leaseId: row.leaseId,
  leasedNowPicoUsd: BigInt(row.amount),
  limitPicoUsd: BigInt(row.limit),
  usedPicoUsd: BigInt(row.used),
  leasedPicoUsd: BigInt(row.leased),
});

const asInstant = (atMs: number): string => new Date(atMs).toISOString();

export const createBudgetLeases = (database: Database): BudgetLeases => ({
  loadBudgets: (tenantId: TenantId) => loadBudgets(database, tenantId),

  lease: async (owner, asks) => {
    const ask = async (some: readonly LeaseAsk[]): Promise<LeaseAnswer[]> => {
      const result = await database.pool.query<AnswerRow>({
        ...LEASE,
        values: [
          owner,
          some.map(({ budgetId }) => budgetId),
          some.map(({ windowStartMs }) => asInstant(windowStartMs)),
          some.map(({ leaseId }) => leaseId),
          some.map(({ isLeased }) => isLeased),
          some.map(({ neededPicoUsd }) => String(neededPicoUsd)),
          some.map(({ demandedPicoUsd }) => String(demandedPicoUsd)),
          some.map(({ aheadPicoUsd }) => String(aheadPicoUsd)),
          some.map(({ holdsUntilMs }) => asInstant(holdsUntilMs)),
        ],
      });
      return result.rows.map(decodeAnswer);
    };
    const answers = await ask(asks);
    if (answers.length === asks.length) return answers;
    // The windows of the others are new, or their budgets gone.
    const answered = new Set(answers.map(({ leaseId }) => leaseId));
    const others = asks.filter(({ leaseId }) => !answered.has(leaseId));
    await database.pool.query({
      ...OPEN_WINDOWS,
      values: [
        others.map(({ budgetId }) => budgetId),
        others.map(({ windowStartMs }) => asInstant(windowStartMs)),
        others.map(({ tenantId }) => tenantId),
      ],
    });
    return [...answers, ...(await ask(others))];
  },

  giveBack: async (returns) => {
    await database.pool.query({
      ...GIVE_BACK,
      values: [returns.map(({ leaseId }) => leaseId), returns.map(({ picoUsd }) => String(picoUsd))],
    });
  },
});

export type ExpiredLease = { leaseId: string; owner: string; picoUsd: bigint };

const EXPIRED_MAX = 500;
const EXPIRED_REASON = 'its owner went silent and every event of its time is recorded';

const EXPIRE = {
  name: 'expire_leases',
  text: `
    with locked as (
      select id, open_pico_usd as amount from budget_lease
      where open_pico_usd > 0 and holds_until < $1::timestamptz
      order by id limit ${EXPIRED_MAX}
      for update skip locked
    ), leases as (
      update budget_lease lease
      set open_pico_usd = 0, expired_at = now(), expired_pico_usd = locked.amount, expired_reason = $2
      from locked where lease.id = locked.id
      returning lease.id, lease.owner, lease.budget_id, lease.window_start, locked.amount
    ), sums as (
      select budget_id, window_start, sum(amount) as amount from leases group by 1, 2
    ), windows as (
      select w.budget_id, w.window_start, sums.amount
      from sums join budget_window w using (budget_id, window_start)
      order by 1, 2
      for update of w
    ), updated as (
      update budget_window w set leased_pico_usd = w.leased_pico_usd - windows.amount
      from windows where w.budget_id = windows.budget_id and w.window_start = windows.window_start
    )
    select id as "leaseId", owner, amount from leases`,
};

/** Leases that are settled are kept this long, so that what happened can be looked at. */
const KEPT_DAYS = 7;

/**
 * Ends the leases that nothing can bill to any more: no request of theirs may call after `holds_until`, and
 * the ledger holds every event up to `recordedUpToMs`. Also forgets leases that have long been settled.
 */
export const expireLeases = async (database: Database, recordedUpToMs: number): Promise<ExpiredLease[]> => {
  const result = await database.pool.query<{ leaseId: string; owner: string; amount: string }>({
    ...EXPIRE,
    values: [asInstant(recordedUpToMs), EXPIRED_REASON],
  });
  await database.pool.query(
    `delete from budget_lease
     where open_pico_usd = 0 and holds_until < now() - make_interval(days => ${KEPT_DAYS})`,
  );
  return result.rows.map(({ amount, ...row }) => ({ ...row, picoUsd: BigInt(amount) }));
};
