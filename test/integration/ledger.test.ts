import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import type { AttemptEvent } from '#contracts/attempt-event';
import { idTimeMs } from '#domain/id-time';
import type { Ledger, PricedEvent } from '#domain/ports';
import type { Database } from '#postgres/database';
import { queryUsage } from '#postgres/usage-query';
import { attemptEventOf, EVENT_TIME_MS, seededMint } from '#test/support/attempt-events';
import { countRows, EVERYTHING, openTestLedger, type TestLedger } from '#test/support/ledger';

let opened: TestLedger;
let database: Database;
let ledger: Ledger;
beforeAll(async () => {
  opened = await openTestLedger();
  ({ database, ledger } = opened);
});

afterAll(() => opened.close());

const pricedOf = (event: AttemptEvent): PricedEvent => opened.priced(event);

describe('the ledger', () => {
  it('records an event and its charges once, however often it comes', async () => {
    const priced = pricedOf(attemptEventOf());
    expect(await ledger.recordEvents([priced, { ...priced }])).toEqual({
      recorded: 1,
      repeated: 1,
      quarantined: 0,
    });
    expect(await ledger.recordEvents([priced])).toEqual({ recorded: 0, repeated: 1, quarantined: 0 });
    expect(await countRows(database, 'usage_charge where attempt_id = $1', [priced.event.attemptId])).toBe(2);
  });

  it('keeps the first of two that contradict each other and puts the other into quarantine', async () => {
    const first = attemptEventOf();
    const contradicting = { ...first, durationMs: 31 };
    await ledger.recordEvents([pricedOf(first)]);
    const late = pricedOf(contradicting);
    expect(await ledger.recordEvents([late, { ...late }])).toEqual({
      recorded: 0,
      repeated: 0,
      quarantined: 2,
    });
    expect(await countRows(database, 'event_quarantine where attempt_id = $1', [first.attemptId])).toBe(1);
    const other = attemptEventOf();
    const together = [pricedOf(other), pricedOf({ ...other, durationMs: 32 })];
    expect(await ledger.recordEvents(together)).toEqual({ recorded: 1, repeated: 0, quarantined: 1 });
    const kept = await database.pool.query<{ duration_ms: number }>(
      'select duration_ms from usage_event where attempt_id = any($1)',
      [[first.attemptId, other.attemptId]],
    );
    expect(kept.rows.map((row) => row.duration_ms)).toEqual([30, 30]);
  });

  it('does not let a poisonous event hold up its batch', async () => {
    const batch = Array.from({ length: 20 }, () => attemptEventOf());
    batch[7] = attemptEventOf({ queueMs: 3_000_000_000 });
    const huge = { source: 'provider', tokens: { input: Number.MAX_SAFE_INTEGER } } as const;
    batch[13] = attemptEventOf({ usage: huge });
    expect(await ledger.recordEvents(batch.map(pricedOf))).toEqual({
      recorded: 18,
      repeated: 0,
      quarantined: 2,
    });
    const kept = await database.pool.query<{ reason: string; payload: string }>(
      'select reason, payload from event_quarantine where attempt_id = any($1)',
      [[batch[7].attemptId, batch[13].attemptId]],
    );
    expect(kept.rows.map((row) => row.reason)).toEqual(
      Array(2).fill('the ledger refuses it (SQLSTATE 22003)'),
    );
    expect(kept.rows[0]?.payload).toContain('"version":1');
  });

  it('meters a request whatever its labels hold', async () => {
    const event = attemptEventOf({
      model: 'nul\0model',
      attribution: { user: 'a\0b\ud800', tags: { 'k\0': 'v\udfff', back: '\\u0000' } },
      usage: { source: 'provider', tokens: {}, raw: { text: '\0', path: 'C:\\u0000', lone: '\ud83d' } },
    });
    expect((await ledger.recordEvents([pricedOf(event)])).recorded).toBe(1);
    const stored = await database.pool.query(
      'select model, end_user, tags, raw_usage from usage_event where attempt_id = $1',
      [event.attemptId],
    );
    expect(stored.rows[0]).toEqual({
      model: 'nul\ufffdmodel',
      end_user: 'a\ufffdb\ufffd',
      tags: { 'k\ufffd': 'v\ufffd', back: '\\u0000' },
      raw_usage: { text: '\ufffd', path: 'C:\\u0000', lone: '\ufffd' },
    });
  });

  it("lets a worker's truth replace the presumption of a lost outcome, in either order", async () => {
    const tenantId = seededMint(5, EVENT_TIME_MS).mint('ten');
    for (const order of [[0, 1] as const, [1, 0] as const]) {
      const truth = attemptEventOf({ tenantId });
      const presumed = attemptEventOf({
        ...truth,
        revision: 0,
        outcome: 'outcome_unknown',
        usage: { source: 'none', tokens: {} },
      });
      for (const revision of order) await ledger.recordEvents([pricedOf(revision === 0 ? presumed : truth)]);
    }
    const { rows } = await queryUsage(database, { ...EVERYTHING, tenantId, groupBy: ['status'] });
    expect(rows).toMatchObject([
      { dimensions: ['succeeded'], requests: 2, attempts: 2, unknownAttempts: 0, costPicoUsd: 420_000_000n },
    ]);
  });

  it.each(['usage_event', 'usage_charge', 'usage_adjustment'])(
    'lets nobody change or take away a row of %s, not even its owner',
    async (table) => {
      const event = attemptEventOf();
      const presumed = attemptEventOf({ ...event, revision: 0, usage: { source: 'none', tokens: {} } });
      await ledger.recordEvents([pricedOf(presumed), pricedOf(event)]);
      const partition = `${table}_202606`;
      const owner = new Client({ connectionString: opened.url });
      await owner.connect();
      onTestFinished(() => owner.end());
      for (const name of [table, partition]) {
        for (const statement of [
          `update ${name} set attempt_id = attempt_id`,
          `delete from ${name}`,
          `truncate ${name}`,
        ]) {
          await expect(owner.query(statement), statement).rejects.toThrow('only added to');
          await expect(database.pool.query(statement), statement).rejects.toThrow();
        }
      }
    },
  );

  it('gives an attempt to the month its id was minted in, to the millisecond', async () => {
    const monthMs = Date.UTC(2026, 3, 1);
    const atMs = [monthMs - 1, monthMs, Date.UTC(2026, 4, 1) - 1, Date.UTC(2026, 4, 1)];
    const events = atMs.map((startedAtMs) => attemptEventOf({ startedAtMs }));
    expect(events.map((event) => idTimeMs(event.attemptId))).toEqual(atMs);
    expect((await ledger.recordEvents(events.map(pricedOf))).recorded).toBe(4);
    const places = await database.pool.query<{ place: string }>(
      'select tableoid::regclass::text as place from usage_event where attempt_id = any($1) order by attempt_id',
      [events.map((event) => event.attemptId)],
    );
    expect(places.rows.map((row) => row.place)).toEqual([
      'usage_event_202603',
      'usage_event_202604',
      'usage_event_202604',
      'usage_event_202605',
    ]);
  });

  it('records nothing of a month whose events were dropped, but keeps its sums', async () => {
    const startedAtMs = Date.UTC(2025, 0, 15);
    await ledger.recordEvents([pricedOf(attemptEventOf({ startedAtMs }))]);
    await database.pool.query(`select ledger_drop_months('2025-02-10T00:00:00Z')`);
    const month = `started_at < '2025-02-01T00:00:00Z'`;
    expect(await countRows(database, `usage_event where ${month}`)).toBe(0);
    const late = [attemptEventOf({ startedAtMs }), attemptEventOf()];
    expect(await ledger.recordEvents(late.map(pricedOf))).toEqual({
      recorded: 1,
      repeated: 0,
      quarantined: 1,
    });
    expect(await countRows(database, `usage_hour where hour < '2025-02-01T00:00:00Z' and attempts = 1`)).toBe(
      1,
    );
  });

  it('never gives a clock that a recording under way could still fall behind', async () => {
    const client = await database.pool.connect();
    try {
      await client.query('begin');
      const begun = await client.query<{ at: Date }>('select ledger_begin_recording() as at');
      const during = await database.pool.query<{ clock: Date }>('select ledger_clock() as clock');
      expect(during.rows[0]?.clock.getTime()).toBeLessThan(begun.rows[0]?.at.getTime() ?? 0);
      await client.query('commit');
      const after = await database.pool.query<{ clock: Date }>('select ledger_clock() as clock');
      expect(after.rows[0]?.clock.getTime()).toBeGreaterThanOrEqual(begun.rows[0]?.at.getTime() ?? Infinity);
    } finally {
      client.release();
    }
  });
});
