import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { AttemptEvent } from '#contracts/attempt-event';
import type { Attribution } from '#contracts/attribution';
import type { AttemptId } from '#contracts/ids';
import { TOKEN_CLASSES, type TokenClass } from '#contracts/usage';
import type { PricedEvent } from '#domain/ports';
import { ENTRY_DIMENSIONS, ENTRY_MEASURES } from '#domain/usage-entry';
import { queryUsage } from '#postgres/usage-query';
import { attemptEventOf, EVENT_TIME_MS, seededMint, seededRandom } from '#test/support/attempt-events';
import { EVERYTHING, openTestLedger, type TestLedger } from '#test/support/ledger';

const REQUESTS = 10_000;
const ATTEMPTS_MAX = 3;

const random = seededRandom(42);
const pick = <Value>(values: readonly [Value, ...Value[]]): Value =>
  values[Math.floor(random() * values.length)] ?? values[0];
const mint = seededMint(99, EVENT_TIME_MS);
const tenants = [mint.mint('ten'), mint.mint('ten'), mint.mint('ten')] as const;
const ours = { ...EVERYTHING, filters: { tenant: tenants } };

/** USD per million tokens as the providers print them, copied by hand; times a million it is pico-dollars. */
const LISTED_RATES: Record<string, Partial<Record<TokenClass, number>>> = {
  'gpt-4o-mini': { input: 0.15, cache_read: 0.075, output: 0.6 },
  'gpt-4o': { input: 2.5, cache_read: 1.25, output: 10 },
  'gpt-4.1-mini': { input: 0.4, cache_read: 0.1, output: 1.6 },
  'claude-sonnet-4-5': { input: 3, cache_read: 0.3, cache_write_5m: 3.75, output: 15 },
  'claude-haiku-4-5': { input: 1, cache_read: 0.1, cache_write_5m: 1.25, output: 5 },
};
const MODELS = [
  'gpt-4o-mini',
  'gpt-4o',
  'gpt-4.1-mini',
  'claude-sonnet-4-5',
  'claude-haiku-4-5',
  'no-such-model',
] as const;

/** By another way than the product's, from the list above alone; null where the cost cannot be known. */
const independentCost = ({ model, outcome, usage: { source, tokens } }: AttemptEvent): bigint | null => {
  if (source === 'none') return outcome === 'failed' ? 0n : null;
  const inputTotal = (tokens.input ?? 0) + (tokens.cache_read ?? 0) + (tokens.cache_write_5m ?? 0);
  // Sonnet's long prompts cost twice as much in and one and a half times as much out.
  const isLong = model === 'claude-sonnet-4-5' && inputTotal > 200_000;
  let halves = 0n;
  for (const component of ['input', 'cache_read', 'cache_write_5m', 'output'] as const) {
    const quantity = BigInt(tokens[component] ?? 0);
    const usdPerMillion = LISTED_RATES[model]?.[component];
    if (quantity === 0n) continue;
    if (usdPerMillion === undefined) return null;
    const timesHalf = !isLong ? 2n : component === 'output' ? 3n : 4n;
    halves += quantity * BigInt(Math.round(usdPerMillion * 1e6)) * timesHalf;
  }
  return halves / 2n;
};

const tokenCount = () => Math.floor(random() * (random() < 0.1 ? 300_000 : 3_000));

const randomAttempt = (request: Partial<AttemptEvent>, attemptNumber: number): AttemptEvent => {
  const model = pick(MODELS);
  const isClaude = model.startsWith('claude');
  const isSilent = random() < 0.1;
  const tokens = { input: tokenCount(), cache_read: tokenCount(), output: tokenCount() };
  const changes: Partial<AttemptEvent> = {
    ...request,
    attemptNumber,
    provider: isClaude ? 'anthropic' : 'openai',
    model,
    servedModel: pick([null, model]),
    outcome: isSilent ? pick(['failed', 'timed_out', 'cut']) : 'succeeded',
    upstreamStatus: isSilent ? 500 : 200,
    startedAtMs: EVENT_TIME_MS - Math.floor(random() * 40 * 86_400_000),
    usage: isSilent
      ? { source: 'none', tokens: {} }
      : {
          source: pick(['provider', 'provider', 'estimated']),
          tokens: isClaude ? { ...tokens, cache_write_5m: tokenCount() } : tokens,
        },
  };
  return attemptEventOf(changes);
};

const randomRequest = (): AttemptEvent[] => {
  const labels: Pick<Attribution, 'team' | 'feature'>[] = [
    {},
    { team: 'search' },
    { team: 'mail', feature: 'draft' },
  ];
  const request: Partial<AttemptEvent> = {
    requestId: mint.mint('req'),
    tenantId: pick(tenants),
    lane: pick(['interactive', 'batch']),
    route: pick([null, 'main', 'backup']),
    attribution: {
      ...labels[Math.floor(random() * labels.length)],
      tags: pick<Record<string, string>>([{}, { env: 'prod' }, { env: 'test' }]),
    },
  };
  const attempts = random() < 0.8 ? 1 : 1 + Math.ceil(random() * (ATTEMPTS_MAX - 1));
  return Array.from({ length: attempts }, (_, index) => randomAttempt(request, index + 1));
};

const presumptionOf = (event: AttemptEvent): AttemptEvent => ({
  ...event,
  revision: 0,
  outcome: 'outcome_unknown',
  servedModel: null,
  upstreamStatus: null,
  usage: { source: 'none', tokens: {} },
});

let opened: TestLedger;
const requests = Array.from({ length: REQUESTS }, randomRequest);
const events = requests.flat();

beforeAll(async () => {
  opened = await openTestLedger();
  const presumptions = events.filter(() => random() < 0.05).map(presumptionOf);
  const unique = [...events, ...presumptions];
  const deliveries = [...unique, ...unique.slice(0, 3_000)].map((event) => ({ event, at: random() }));
  deliveries.sort((a, b) => a.at - b.at);
  const batches: PricedEvent[][] = [];
  for (let start = 0; start < deliveries.length; start += 500) {
    batches.push(deliveries.slice(start, start + 500).map(({ event }) => opened.priced(event)));
  }
  // Two writers at once, as two instances of metering would be.
  const counts = { recorded: 0, repeated: 0, quarantined: 0 };
  const write = async () => {
    for (let batch = batches.pop(); batch !== undefined; batch = batches.pop()) {
      const written = await opened.ledger.recordEvents(batch);
      counts.recorded += written.recorded;
      counts.repeated += written.repeated;
      counts.quarantined += written.quarantined;
    }
  };
  await Promise.all([write(), write()]);
  expect(counts).toEqual({ recorded: unique.length, repeated: 3_000, quarantined: 0 });
});

afterAll(() => opened.close());

describe('ten thousand random requests, delivered out of order and some twice or presumed lost before', () => {
  const costs = new Map(events.map((event) => [event.attemptId, independentCost(event)]));
  const total = [...costs.values()].reduce<bigint>((sum, cost) => sum + (cost ?? 0n), 0n);

  it('are charged in sum what an independent computation says, to the pico-dollar', async () => {
    const charged = await opened.database.pool.query<{ sum: string }>(
      `select sum(amount_pico_usd) from usage_charge join usage_event using (attempt_id, revision)
       where pricing = 'priced'`,
    );
    expect(BigInt(charged.rows[0]?.sum ?? 0)).toBe(total);
    const { rows, totalCostPicoUsd, estimatedCostPicoUsd } = await queryUsage(opened.database, ours);
    expect(rows).toMatchObject([{ requests: REQUESTS, attempts: events.length, costPicoUsd: total }]);
    expect(totalCostPicoUsd).toBe(total);
    const estimated = events.filter((event) => event.usage.source === 'estimated');
    expect(estimatedCostPicoUsd).toBe(
      estimated.reduce((sum, event) => sum + (costs.get(event.attemptId) ?? 0n), 0n),
    );
    expect((rows[0]?.unpricedAttempts ?? 0) + (rows[0]?.unknownAttempts ?? 0)).toBe(
      [...costs.values()].filter((cost) => cost === null).length,
    );
  });

  it('cost each what it says, where it says that a cost is known', async () => {
    const stored = await opened.database.pool.query<{ attempt_id: string; cost: string | null }>(
      'select attempt_id, cost_pico_usd as cost from usage_event where revision = 1',
    );
    expect(stored.rowCount).toBe(events.length);
    const wrong = stored.rows.filter(
      (row) => (row.cost === null ? null : BigInt(row.cost)) !== costs.get(row.attempt_id as AttemptId),
    );
    expect(wrong).toEqual([]);
  });

  it.each(['usage_hour', 'usage_day'] as const)('are the same to the last unit in %s', async (table) => {
    const sums = (from: string) =>
      `select ${[...ENTRY_DIMENSIONS, ...ENTRY_MEASURES.map((measure) => `sum(${measure}) as ${measure}`)].join(', ')}
       from ${from} group by ${ENTRY_DIMENSIONS.join(', ')}`;
    const unequal = await opened.database.pool.query(
      `(${sums('usage_entry')} except all ${sums(table)}) union all (${sums(table)} except all ${sums('usage_entry')})`,
    );
    expect(unequal.rows).toEqual([]);
    const counted = await opened.database.pool.query<{ requests: string; attempts: string }>(
      `select sum(requests) as requests, sum(attempts) as attempts from ${table}`,
    );
    expect(counted.rows).toEqual([{ requests: String(REQUESTS), attempts: String(events.length) }]);
  });

  it.each([
    { groupBy: ['tenant'] },
    { groupBy: ['team', 'feature', 'tag:env'] },
    { groupBy: ['model', 'status', 'provider'] },
    { groupBy: ['route', 'lane', 'surface', 'api_key', 'provider_key', 'user'] },
    { groupBy: [], granularity: 'day', timeZone: 'America/New_York' },
    { groupBy: ['tag:env'], granularity: 'month', timeZone: 'Asia/Kolkata' },
    { groupBy: ['team'], granularity: 'hour' },
  ] as const)('sum to the same total in any grouping: %j', async (grouping) => {
    const whole = (await queryUsage(opened.database, ours)).rows[0];
    const { rows } = await queryUsage(opened.database, { ...ours, ...grouping });
    expect(rows.length).toBeGreaterThan(1);
    const sum = (read: (row: (typeof rows)[number]) => bigint) =>
      rows.reduce((all, row) => all + read(row), 0n);
    expect(sum((row) => row.costPicoUsd)).toBe(whole?.costPicoUsd);
    expect(sum((row) => BigInt(row.attempts))).toBe(BigInt(whole?.attempts ?? -1));
    expect(sum((row) => BigInt(row.unknownAttempts))).toBe(BigInt(whole?.unknownAttempts ?? -1));
    expect(sum((row) => BigInt(row.unpricedAttempts))).toBe(BigInt(whole?.unpricedAttempts ?? -1));
    for (const token of TOKEN_CLASSES) {
      expect(sum((row) => BigInt(row.tokens[token]))).toBe(BigInt(whole?.tokens[token] ?? -1));
    }
  });
});
