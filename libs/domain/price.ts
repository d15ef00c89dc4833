import type { AttemptEvent } from '#contracts/attempt-event';
import { TOKEN_CLASSES, type TokenClass, type Usage } from '#contracts/usage';
import type { PriceBook } from './price-book.ts';

/** One line of what an attempt costs. An amount is exactly its quantity times its rate. */
export type Charge = {
  /** A token class, or what is counted otherwise. */
  component: string;
  /** Who is to be paid: the provider of the key. */
  payee: string;
  quantity: bigint;
  /** What anyone pays, by the price book. */
  listRatePicoUsd: bigint;
  listAmountPicoUsd: bigint;
  /** What this tenant pays. */
  ratePicoUsd: bigint;
  amountPicoUsd: bigint;
  /** The price of the book; null where the rate comes from elsewhere. */
  priceId: bigint | null;
  /** The negotiated rate; null where none holds. */
  rateId: string | null;
  /** Where in its rule's committed volume the quantity begins; null where the rule counts none. */
  volumeFrom: bigint | null;
};

/**
 * What an attempt costs. `priced`: every used class has a rate and the cost is the sum of the charges.
 * `unpriced`: something used has no rate; the charges of the rest are kept, the cost is not known.
 * `unknown`: nobody said how much was used. `reason` says in words why there is no cost.
 */
export type Pricing = { tier: string } & (
  | { kind: 'priced'; charges: Charge[]; costPicoUsd: bigint; listCostPicoUsd: bigint; reason: null }
  | { kind: 'unpriced'; charges: Charge[]; costPicoUsd: null; listCostPicoUsd: null; reason: string }
  | { kind: 'unknown'; charges: []; costPicoUsd: null; listCostPicoUsd: null; reason: string }
);

export const STANDARD_TIER = 'standard';

const INPUT_CLASSES = TOKEN_CLASSES.filter((component) => !component.startsWith('output'));

/** All tokens that went in, which is what a rate's `inputTotal` bounds are about. */
const inputTotal = (usage: Usage): bigint => {
  let total = 0n;
  for (const component of INPUT_CLASSES) total += BigInt(usage.tokens[component] ?? 0);
  return total;
};

/** The tier under which to look for rates: the provider's own word, except for its words for standard. */
const priceTier = (event: AttemptEvent): string => {
  const tier = event.usage.serviceTier;
  if (tier === undefined || tier === '') return STANDARD_TIER;
  return event.provider === 'openai' && tier === 'default' ? STANDARD_TIER : tier;
};

const asRecord = (value: unknown): Record<string, unknown> =>
  typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};

/**
 * What the provider's usage says was charged otherwise than by the token at the listed rate, null when
 * nothing. Anthropic sells a fast mode and regional inference at a multiple, and web searches by the call.
 */
const otherCharge = (event: AttemptEvent): string | null => {
  if (event.provider !== 'anthropic') return null;
  const raw = asRecord(event.usage.raw);
  if (raw['speed'] === 'fast') return 'served in fast mode, for which there is no rate';
  if (raw['inference_geo'] === 'us') return 'served with regional inference, for which there is no rate';
  // Compaction, an advisor or a fallback ran beside the answer, each at its own model's price.
  const passes = raw['iterations'];
  if (Array.isArray(passes) && passes.length > 1) return `took ${passes.length} passes, priced apart`;
  const searches = asRecord(raw['server_tool_use'])['web_search_requests'];
  if (typeof searches === 'number' && searches > 0) return 'used web searches, for which there is no rate';
  return null;
};

/** Whether the provider turned the call down, or was never reached. */
const refused = (event: AttemptEvent): boolean =>
  event.outcome === 'failed' &&
  event.errorCode !== 'malformed_answer' &&
  (event.upstreamStatus === null || event.upstreamStatus >= 300);

/**
 * Prices one attempt, exactly, at the rates in force when it started.
 *
 * The model is the one the provider says it served where the book lists it, else the one asked for.
 * A service tier without rates is never taken for standard. Where no usage came: a provider does not
 * bill an error answer nor a call it never got, so a failed attempt costs nothing; an attempt that timed
 * out, was cut, cancelled or lost may have been billed, so its cost is unknown.
 */
export const priceAttempt = (event: AttemptEvent, book: PriceBook): Pricing => {
  const { tokens, source } = event.usage;
  const tier = priceTier(event);
  const noCost = { tier, costPicoUsd: null, listCostPicoUsd: null };
  if (source === 'none' || Object.keys(tokens).length === 0) {
    if (refused(event)) {
      return { tier, kind: 'priced', charges: [], costPicoUsd: 0n, listCostPicoUsd: 0n, reason: null };
    }
    return { ...noCost, kind: 'unknown', charges: [], reason: 'no usage was reported' };
  }

  const at = { provider: event.provider, atMs: event.startedAtMs };
  const model =
    event.servedModel !== null && book.lists(at.provider, event.servedModel, at.atMs)
      ? event.servedModel
      : event.model;
  const total = inputTotal(event.usage);

  const charges: Charge[] = [];
  const missing: TokenClass[] = [];
  for (const component of TOKEN_CLASSES) {
    const quantity = BigInt(tokens[component] ?? 0);
    if (quantity === 0n) continue;
    const rate = book.find({ ...at, model, component, tier, inputTotal: total });
    if (rate === null) {
      missing.push(component);
      continue;
    }
    charges.push({
      component,
      quantity,
      payee: event.provider,
      listRatePicoUsd: rate.ratePicoUsd,
      listAmountPicoUsd: quantity * rate.ratePicoUsd,
      ratePicoUsd: rate.ratePicoUsd,
      amountPicoUsd: quantity * rate.ratePicoUsd,
      priceId: rate.id,
      rateId: null,
      volumeFrom: null,
    });
  }

  const reason =
    missing.length > 0
      ? `no rate for ${missing.join(', ')} of ${event.provider}/${model}, tier ${tier}, ${total} tokens in`
      : otherCharge(event);
  if (reason !== null) return { ...noCost, kind: 'unpriced', charges, reason };
  const costPicoUsd = charges.reduce((sum, charge) => sum + charge.amountPicoUsd, 0n);
  const listCostPicoUsd = charges.reduce((sum, charge) => sum + charge.listAmountPicoUsd, 0n);
  return { tier, kind: 'priced', charges, costPicoUsd, listCostPicoUsd, reason: null };
};
