/** Reports over one random ledger: whatever way they are read, they say the same. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { AttemptEvent } from '#contracts/attempt-event';
import { USAGE_DIMENSIONS, USAGE_GRANULARITIES, type Dimension } from '#contracts/usage-query';
import { decodeUsd } from '#domain/money';
import { exportAttempts, exportCharges } from '#postgres/usage-export';
import { queryTierSavings } from '#postgres/tier-savings';
import { queryPerformance } from '#postgres/usage-performance';
import { OTHER_VALUES, queryUsage, readLedgerClock, type UsageSelection } from '#postgres/usage-query';
import { segmentUsage } from '#domain/usage-segments';
import {
  ATTEMPT_CSV_HEAD,
  encodeAttemptCsvLine,
  encodeFocusLine,
  encodeNdjsonLine,
  FOCUS_CSV_HEAD,
} from '#services/control/usage-files';
import { attemptEventOf, EVENT_TIME_MS, seededMint, seededRandom } from '#test/support/attempt-events';
import { EVERYTHING, openTestLedger, type TestLedger } from '#test/support/ledger';

const DAY_MS = 86_400_000;
const random = seededRandom(41);
const mint = seededMint(42, EVENT_TIME_MS);
const tenant = mint.mint('ten');
const apiKeys = [mint.mint('akey'), mint.mint('akey')];
const pick = <Value>(values: readonly Value[]): Value =>
  values[Math.floor(random() * values.length)] as Value;

const FROM_MS = Date.UTC(2026, 2, 20);
const TO_MS = Date.UTC(2026, 3, 10);
const TARGETS = [
  { provider: 'openai', model: 'gpt-4o-mini' },
  { provider: 'openai', model: 'gpt-4o' },
  { provider: 'openai', model: 'house-model' },
  { provider: 'anthropic', model: 'claude-haiku-4-5' },
] as const;

const randomEvent = (changes: Partial<AttemptEvent> = {}): AttemptEvent => {
  const team = pick(['search', 'mail', undefined]);
  const lost = random() < 0.05;
  return attemptEventOf({
    tenantId: tenant,
    apiKeyId: pick(apiKeys),
    ...pick(TARGETS),
    servedModel: null,
    route: pick(['safe', null]),
    attribution: {
      ...(team !== undefined && { team }),
      ...(random() < 0.5 && { user: pick(['ann', '=cmd|calc', 'bob,"b"']) }),
      tags: random() < 0.5 ? { env: pick(['prod', 'test']) } : {},
    },
    startedAtMs: FROM_MS + Math.floor(random() * (TO_MS - FROM_MS)),
    queueMs: Math.floor(random() * 100),
    firstTokenMs: random() < 0.5 ? Math.floor(random() * 1_000) : null,
    durationMs: Math.floor(random() * 5_000),
    outcome: lost ? 'cut' : 'succeeded',
    errorCode: lost ? 'cut_stream' : null,
    usage: lost
      ? { source: 'none', tokens: {} }
      : {
          source: pick(['provider', 'provider', 'provider_partial']),
          tokens: { input: Math.floor(random() * 5_000), output: Math.floor(random() * 900) },
        },
    ...changes,
  });
};

let opened: TestLedger;
let firstHalf: string;
const presumed: AttemptEvent[] = [];

beforeAll(async () => {
  opened = await openTestLedger();
  const record = (events: AttemptEvent[]) => opened.ledger.recordEvents(events.map(opened.priced));
  for (let index = 0; index < 40; index += 1) {
    presumed.push(
      randomEvent({ revision: 0, outcome: 'outcome_unknown', usage: { source: 'none', tokens: {} } }),
    );
  }
  await record([...Array.from({ length: 1_500 }, () => randomEvent()), ...presumed]);
  firstHalf = (await readLedgerClock(opened.database, null)).now;
  const reported = presumed.slice(0, 20).map((event) =>
    randomEvent({
      ...event,
      revision: 1,
      outcome: 'succeeded',
      usage: {
        source: 'provider',
        tokens: { input: 100, output: 10 },
      },
    }),
  );
  await record([...Array.from({ length: 1_500 }, () => randomEvent()), ...reported]);
});

afterAll(() => opened.close());

const selectionOf = (changes: Partial<UsageSelection>): UsageSelection => ({
  ...EVERYTHING,
  tenantId: tenant,
  fromMs: FROM_MS,
  toMs: TO_MS,
  ...changes,
});
const now = async () => (await readLedgerClock(opened.database, null)).now;

const ZONES = [
  'UTC',
  'Asia/Kolkata',
  'Asia/Kathmandu',
  'Europe/Berlin',
  'America/New_York',
  'Australia/Lord_Howe',
];
const summable = USAGE_DIMENSIONS.filter((dimension) => dimension !== 'user');

describe('a report', () => {
  it('is the same from rollups and from the entries, in any time zone, as of any moment', async () => {
    for (let round = 0; round < 60; round += 1) {
      const fromMs = FROM_MS + Math.floor(random() * 10 * DAY_MS);
      const asked = selectionOf({
        fromMs,
        toMs: fromMs + 1 + Math.floor(random() * 12 * DAY_MS),
        timeZone: pick(ZONES),
        granularity: pick(USAGE_GRANULARITIES.filter((granularity) => granularity !== 'minute')),
        groupBy: summable.filter(() => random() < 0.25),
        filters: random() < 0.3 ? { team: ['search', null] } : {},
        costBasis: pick(['contracted', 'list']),
        asOf: pick([firstHalf, await now()]),
      });
      const fromRollups = await queryUsage(opened.database, asked);
      const fromEntries = await queryUsage(opened.database, { ...asked, readsRollups: false });
      expect(fromRollups, JSON.stringify(asked)).toEqual(fromEntries);
    }
  });

  it('of the past stays what it was, byte for byte', async () => {
    const asked = selectionOf({ granularity: 'day', groupBy: ['team', 'model', 'status'], asOf: firstHalf });
    const then = await queryUsage(opened.database, asked);
    await opened.ledger.recordEvents(Array.from({ length: 50 }, () => opened.priced(randomEvent())));
    expect(await queryUsage(opened.database, asked)).toEqual(then);
    const unknown = then.rows.filter(({ dimensions }) => dimensions[2] === 'outcome_unknown');
    expect(unknown.reduce((sum, { attempts }) => sum + attempts, 0)).toBe(presumed.length);
  });

  it('adds up to the same total in every grouping', async () => {
    const asOf = await now();
    const whole = await queryUsage(opened.database, selectionOf({ asOf }));
    const [total] = whole.rows;
    if (total === undefined) throw new Error('the total is one row');
    const groupings: Dimension[][] = [[...summable], ['user'], ['tag:env', 'team'], ['tag:nothing']];
    for (const groupBy of groupings) {
      const { rows } = await queryUsage(
        opened.database,
        selectionOf({ asOf, groupBy, timeZone: 'Asia/Kolkata', granularity: 'day' }),
      );
      const sum = (read: (row: (typeof rows)[number]) => number | bigint) =>
        rows.reduce((added, row) => added + BigInt(read(row)), 0n);
      expect(sum((row) => row.costPicoUsd)).toBe(total.costPicoUsd);
      expect(sum((row) => row.attempts)).toBe(BigInt(total.attempts));
      expect(sum((row) => row.requests)).toBe(BigInt(total.requests));
      expect(sum((row) => row.tokens.output)).toBe(BigInt(total.tokens.output));
    }
  });

  it('puts together the values of a tag beyond a thousand, and still adds up', async () => {
    const busy = mint.mint('ten');
    const events = Array.from({ length: 1_200 }, (_, index) =>
      attemptEventOf({
        tenantId: busy,
        startedAtMs: FROM_MS,
        attribution: { tags: { session: `s${index}` } },
      }),
    );
    await opened.ledger.recordEvents(events.map(opened.priced));
    const { rows, totalCostPicoUsd } = await queryUsage(
      opened.database,
      selectionOf({ tenantId: busy, asOf: await now(), groupBy: ['tag:session'] }),
    );
    expect(rows).toHaveLength(1_001);
    expect(rows.find(({ dimensions }) => dimensions[0] === OTHER_VALUES)?.attempts).toBe(200);
    expect(totalCostPicoUsd).toBe(1_200n * 210_000_000n);
  });

  it('reads whole days and hours from rollups, and single entries only where a period begins between', () => {
    const range = { fromMs: Date.UTC(2026, 2, 1), toMs: Date.UTC(2026, 3, 1) };
    expect(segmentUsage(range, { granularity: 'month', timeZone: 'UTC' })).toEqual({
      days: [range],
      hours: [],
      entries: [],
    });
    const berlin = segmentUsage(range, { granularity: 'day', timeZone: 'Europe/Berlin' });
    expect(berlin).toMatchObject({ days: [], entries: [] });
    expect(berlin.hours).toEqual([range]);
    const kolkata = segmentUsage(range, { granularity: 'day', timeZone: 'Asia/Kolkata' });
    expect(kolkata.entries).toHaveLength(31);
    expect(kolkata.entries.every(({ fromMs, toMs }) => toMs - fromMs === 3_600_000)).toBe(true);
    expect(segmentUsage(range, { granularity: 'hour', timeZone: 'UTC' }).hours).toEqual([range]);
    expect(segmentUsage(range, { granularity: 'hour', timeZone: 'Asia/Kolkata' }).entries).toEqual([range]);
  });
});

describe('performance', () => {
  it('gives percentiles and outcomes of the attempts as they are known', async () => {
    const chosen = mint.mint('ten');
    const events = Array.from({ length: 100 }, (_, index) =>
      attemptEventOf({
        tenantId: chosen,
        startedAtMs: FROM_MS + index,
        queueMs: index + 1,
        firstTokenMs: index < 20 ? index + 1 : null,
        durationMs: (index + 1) * 10,
        ...(index < 5 && { outcome: 'failed', errorCode: 'overloaded', upstreamStatus: 503 }),
      }),
    );
    await opened.ledger.recordEvents(events.map(opened.priced));
    const { rows } = await queryPerformance(
      opened.database,
      selectionOf({ tenantId: chosen, asOf: await now(), groupBy: ['provider'] }),
    );
    expect(rows).toEqual([
      {
        periodStart: null,
        dimensions: ['openai'],
        attempts: 100,
        queueMs: { p50: 50, p95: 95 },
        firstTokenMs: { p50: 10, p95: 19 },
        durationMs: { p50: 500, p95: 950 },
        outcomes: { failed: 5, succeeded: 95 },
        errors: { overloaded: 5 },
      },
    ]);
  });
});

describe('the savings of tiers', () => {
  const chosen = mint.mint('ten');
  const record = async (
    served: Pick<AttemptEvent, 'provider' | 'model'>,
    serviceTier: string,
    tokens: AttemptEvent['usage']['tokens'],
  ): Promise<void> => {
    const usage = { source: 'provider' as const, tokens, serviceTier };
    const event = attemptEventOf({
      tenantId: chosen,
      ...served,
      servedModel: null,
      startedAtMs: FROM_MS + 5,
      attribution: { team: 'search', tags: {} },
      usage,
    });
    await opened.ledger.recordEvents([opened.priced(event)]);
  };
  const HAIKU = { provider: 'anthropic', model: 'claude-haiku-4-5' } as const;
  const MINI = { provider: 'openai', model: 'gpt-4o-mini' } as const;

  it('are what the same quantities cost at standard, less what they cost, attempt by attempt', async () => {
    await record(HAIKU, 'standard', { input: 9_999, output: 999 });
    await record(HAIKU, 'batch', { input: 1_000, cache_read: 2_000, output: 100 });
    await record(HAIKU, 'batch', { input: 500, output: 0 });
    await record(MINI, 'priority', { input: 100, output: 10 });
    await record(MINI, 'flex', { input: 100, output: 10 });
    const asked = selectionOf({ tenantId: chosen, asOf: await now(), groupBy: ['team'] });
    const { rows } = await queryTierSavings(opened.database, asked);
    const common = { periodStart: null, dimensions: ['search'], uncomparedAttempts: 0 };
    // 1,000 × 0.5 + 2,000 × 0.05 + 100 × 2.5 and 500 × 0.5 against twice as much; 35 millionths against 21.
    expect(rows).toEqual([
      {
        ...common,
        tier: 'batch',
        attempts: 2,
        costPicoUsd: decodeUsd('0.0011'),
        listCostPicoUsd: decodeUsd('0.0011'),
        standardCostPicoUsd: decodeUsd('0.0022'),
      },
      {
        ...common,
        tier: 'flex',
        attempts: 1,
        uncomparedAttempts: 1,
        costPicoUsd: 0n,
        listCostPicoUsd: 0n,
        standardCostPicoUsd: 0n,
      },
      {
        ...common,
        tier: 'priority',
        attempts: 1,
        costPicoUsd: decodeUsd('0.000035'),
        listCostPicoUsd: decodeUsd('0.000035'),
        standardCostPicoUsd: decodeUsd('0.000021'),
      },
    ]);
    const none = await queryTierSavings(opened.database, { ...asked, fromMs: FROM_MS + 6 });
    expect(none).toEqual({ rows: [], hasMore: false });
  });
});

const linesOf = async <Row>(
  pieces: AsyncGenerator<Row[]>,
  encode: (row: Row) => string,
): Promise<string[]> => {
  const lines: string[] = [];
  for await (const rows of pieces) lines.push(...rows.map(encode));
  return lines;
};

/** Cells of a line without quotes in between, as far as a test needs them. */
const cellsOf = (line: string): string[] =>
  [...line.trimEnd().matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^,]*))/g)].map(
    ([, quoted, plain]) => quoted?.replaceAll('""', '"') ?? plain ?? '',
  );

describe('an export', () => {
  it('holds every attempt once, adds up to the report, and no label becomes a formula', async () => {
    const asOf = await now();
    const scope = selectionOf({ asOf });
    const total = await queryUsage(opened.database, scope);
    const head = cellsOf(ATTEMPT_CSV_HEAD);
    const lines = await linesOf(exportAttempts(opened.database, scope), encodeAttemptCsvLine);
    const rows = lines.map(cellsOf);
    expect(rows).toHaveLength(total.rows[0]?.attempts ?? 0);
    expect(new Set(rows.map((row) => row[0])).size).toBe(rows.length);
    expect(rows.every((row) => row.length === head.length)).toBe(true);
    const cost = head.indexOf('cost');
    const sum = rows.reduce((added, row) => added + (row[cost] ? decodeUsd(row[cost]) : 0n), 0n);
    expect(sum).toBe(total.totalCostPicoUsd);
    expect(lines.some((line) => line.includes(`"'=cmd|calc"`))).toBe(true);
    expect(lines.some((line) => /(?:^|,)"?=/.test(line))).toBe(false);
    expect(new Set(rows.map((row) => row[head.indexOf('user')]))).toContain('bob,"b"');

    const json = (await linesOf(exportAttempts(opened.database, scope), encodeNdjsonLine)).map(
      (line) => JSON.parse(line) as { cost: string | null; status: string },
    );
    expect(json.reduce((added, row) => added + (row.cost === null ? 0n : decodeUsd(row.cost)), 0n)).toBe(sum);
    expect(json.filter(({ status }) => status === 'outcome_unknown')).toHaveLength(20);
    const past = { ...scope, asOf: firstHalf };
    const then = await linesOf(exportAttempts(opened.database, past), encodeNdjsonLine);
    expect(then).toHaveLength(1_540);
  });

  it('in FOCUS’s columns has list and contracted cost for each hour and component, and adds up', async () => {
    const scope = selectionOf({ asOf: await now() });
    const total = await queryUsage(opened.database, scope);
    const head = cellsOf(FOCUS_CSV_HEAD);
    expect(new Set(head).size).toBe(head.length);
    const rows = (await linesOf(exportCharges(opened.database, scope), encodeFocusLine)).map(cellsOf);
    const at = (name: string) => head.indexOf(name);
    for (const name of ['BilledCost', 'ContractedCost', 'EffectiveCost', 'ListCost']) {
      expect(
        rows.reduce((added, row) => added + decodeUsd(row[at(name)] ?? ''), 0n),
        name,
      ).toBe(total.totalCostPicoUsd);
    }
    for (const row of rows) {
      const quantity = BigInt(row[at('PricingQuantity')] ?? '');
      const price = decodeUsd(row[at('ContractedUnitPrice')] ?? '');
      expect(quantity * price).toBe(decodeUsd(row[at('ContractedCost')] ?? ''));
    }
    expect(rows[0]?.[at('ServiceSubcategory')]).toBe('Generative AI');
    expect(rows[0]?.[at('ChargePeriodStart')]).toMatch(/^2026-03-\d\dT\d\d:00:00Z$/);
    expect(new Set(rows.map((row) => row[at('PricingCategory')]))).toEqual(new Set(['Standard']));
  });

  it('in FOCUS’s columns names a price by its conditions, which outlast the rate', async () => {
    const other = mint.mint('ten');
    const usage = (input: number) => ({ source: 'provider' as const, tokens: { input } });
    await opened.ledger.recordEvents(
      [1_000, 300_000].map((input) =>
        opened.priced(
          randomEvent({
            tenantId: other,
            provider: 'google',
            model: 'gemini-2.5-pro',
            outcome: 'succeeded',
            usage: usage(input),
          }),
        ),
      ),
    );
    const head = cellsOf(FOCUS_CSV_HEAD);
    const scope = selectionOf({ tenantId: other, asOf: await now() });
    const rows = (await linesOf(exportCharges(opened.database, scope), encodeFocusLine)).map(cellsOf);
    const named = rows.map((row) =>
      ['SkuId', 'SkuPriceId', 'SkuPriceDetails', 'ListUnitPrice']
        .map((name) => row[head.indexOf(name)])
        .join(' '),
    );
    const sku = 'google/gemini-2.5-pro/input';
    expect(named.toSorted()).toEqual([
      `${sku} ${sku}/standard {"Tier":"standard"} 0.00000125`,
      `${sku} ${sku}/standard/200001 {"Tier":"standard","InputTokensFrom":"200001"} 0.0000025`,
    ]);
    expect(rows.every((row) => /^\d+$/.test(row[head.indexOf('x_PriceId')] ?? ''))).toBe(true);
  });
});
