import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { TOKEN_CLASSES } from '#contracts/usage';
import { CACHED_AUDIO } from '#domain/billed-use';
import { encodeUsd, encodeUsdPerMillion } from '#domain/money';
import { positionOf, type ListedPrice, type PriceListQuery, type PricePosition } from '#postgres/price-book';
import { decodeCursor, encodeCursor, invalidInput } from './list-input.ts';
import type { Authorize } from './usage-authorization.ts';

export type PriceRouteDependencies = {
  authorize: Authorize;
  clock: { nowMs: () => number };
  prices: { list: (query: PriceListQuery) => Promise<ListedPrice[]> };
};

const PAGE_DEFAULT = 100;
const PAGE_MAX = 1_000;

const name = z
  .string()
  .min(1)
  .max(256)
  .refine((text) => !text.includes('\0'), 'must be text without NUL');
const priceListQuery = z.strictObject({
  provider: name.optional(),
  model: name.optional(),
  tier: name.optional(),
  limit: z.coerce.number().int().min(1).max(PAGE_MAX).default(PAGE_DEFAULT),
  cursor: z.string().max(2_048).optional(),
});
const position = z.tuple([
  name,
  name,
  name,
  name,
  z.string().regex(/^\d{1,18}$/),
]) satisfies z.ZodType<PricePosition>;

const isOfTokens = (component: string): boolean =>
  component === CACHED_AUDIO || TOKEN_CLASSES.some((token) => token === component);

const clockText = (minute: number): string =>
  [Math.floor(minute / 60), minute % 60].map((part) => String(part).padStart(2, '0')).join(':');

const encodePrice = (price: ListedPrice) => ({
  id: String(price.id),
  provider: price.provider,
  model: price.model,
  component: price.component,
  tier: price.tier,
  region: price.region === '' ? null : price.region,
  /** Decimal text. */
  ...(isOfTokens(price.component)
    ? { rate: encodeUsdPerMillion(price.ratePicoUsd), unit: 'usd_per_million_tokens' }
    : { rate: encodeUsd(price.ratePicoUsd * 1_000n), unit: 'usd_per_thousand' }),
  input_total_min: Number(price.inputTotalMin),
  input_total_max: price.inputTotalMax === null ? null : Number(price.inputTotalMax),
  quantity_from: Number(price.quantityFrom),
  quantity_to: price.quantityTo === null ? null : Number(price.quantityTo),
  /** `HH:MM` in UTC, the end exclusive and perhaps past midnight; null for all day. */
  hours:
    price.dayMinutes === null
      ? null
      : { from: clockText(price.dayMinutes.from), to: clockText(price.dayMinutes.to) },
  effective_from: new Date(price.effectiveFromMs).toISOString(),
  effective_to: price.effectiveToMs === null ? null : new Date(price.effectiveToMs).toISOString(),
  source: price.source,
  source_version: price.sourceVersion,
  source_hash: price.sourceHash,
  reference: price.reference,
});

/** `GET /api/v1/prices`: the rates in force, for any key that may read usage. */
export const registerPriceRoutes = (app: FastifyInstance, dependencies: PriceRouteDependencies): void => {
  const { authorize, clock, prices } = dependencies;

  app.get('/api/v1/prices', async (request) => {
    await authorize(request, { scope: 'usage:read' });
    const parsed = priceListQuery.safeParse(request.query);
    if (!parsed.success) throw invalidInput(parsed.error);
    const { provider, model, tier, limit, cursor } = parsed.data;
    const listed = await prices.list({
      provider,
      model,
      tier,
      atMs: clock.nowMs(),
      after: cursor === undefined ? undefined : decodeCursor(position, cursor),
      limit: limit + 1,
    });
    const page = listed.slice(0, limit);
    const last = page.at(-1);
    const hasMore = listed.length > limit;
    return {
      data: page.map(encodePrice),
      has_more: hasMore,
      next_cursor: hasMore && last !== undefined ? encodeCursor(positionOf(last)) : null,
    };
  });
};
