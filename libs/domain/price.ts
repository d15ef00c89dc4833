import type { AttemptEvent } from '#contracts/attempt-event';
import type { ProviderId } from '#contracts/vocabulary';
import {
  AUDIO_SECONDS,
  billedUseOf,
  REPORTED_COST,
  reportedCostOf,
  STANDARD_TIER,
  type BilledQuantity,
  type BilledUse,
} from './billed-use.ts';
import { picoUsdOfNumber } from './money.ts';
import {
  negotiatedParts,
  volumePeriodStartMs,
  type NegotiatedRate,
  type NegotiatedRates,
} from './negotiated-rate.ts';
import { selectRates, type PriceBook, type PriceRate } from './price-book.ts';

/** One line of what an attempt costs. An amount is exactly its quantity times its rate. */
export type Charge = {
  /** A token class, or what is counted otherwise (see `billed-use.ts`). */
  component: string;
  /** Who is to be paid: the provider of the key, or `upstream`, the one behind it. */
  payee: ProviderId | 'upstream';
  quantity: bigint;
  /** What anyone pays, by the price book; where the book lists nothing, what the tenant pays. */
  listRatePicoUsd: bigint;
  listAmountPicoUsd: bigint;
  /** What this tenant pays. */
  ratePicoUsd: bigint;
  amountPicoUsd: bigint;
  /** The price of the book; null where it lists none. */
  priceId: bigint | null;
  /** The negotiated rate; null where none holds. */
  rateId: string | null;
  /** How many units its rule had priced before these; null where the rule counts none. */
  volumeFrom: bigint | null;
};

/**
 * What an attempt costs. `priced`: every used component has a rate and the cost is the sum of the charges.
 * `unpriced`: something used has no rate; the charges of the rest are kept, the cost is not known.
 * `unknown`: nobody said how much was used. `reason` says in words why there is no cost.
 */
export type Pricing = { tier: string } & (
  | { kind: 'priced'; charges: Charge[]; costPicoUsd: bigint; listCostPicoUsd: bigint; reason: null }
  | { kind: 'unpriced'; charges: Charge[]; costPicoUsd: null; listCostPicoUsd: null; reason: string }
  | { kind: 'unknown'; charges: []; costPicoUsd: null; listCostPicoUsd: null; reason: string }
);

/** Takes units of a rule's volume in a period that began then; returns how many were taken before. */
export type TakeVolume = (
  rule: NegotiatedRate,
  periodStartMs: number,
  quantity: bigint,
  component: string,
) => bigint;

/** What holds beside the price book. */
export type Agreements = { rates: NegotiatedRates; takeVolume: TakeVolume };

/** Whether the provider turned the call down, or was never reached. */
const refused = (event: AttemptEvent): boolean =>
  event.outcome === 'failed' &&
  event.errorCode !== 'malformed_answer' &&
  (event.upstreamStatus === null || event.upstreamStatus >= 300);

type Part = { quantity: bigint; price: PriceRate | null };

/** The quantity by the listed rates that price its units one after the other; null when they leave some out. */
const listedParts = (rates: readonly PriceRate[], quantity: bigint): Part[] | null => {
  const parts: Part[] = [];
  let priced = 0n;
  for (const price of rates) {
    if (priced >= quantity || price.quantityFrom > priced) break;
    const end = price.quantityTo === null || price.quantityTo > quantity ? quantity : price.quantityTo;
    if (end <= priced) continue;
    parts.push({ quantity: end - priced, price });
    priced = end;
  }
  return priced === quantity ? parts : null;
};

const chargeOf = (
  base: Pick<Charge, 'component' | 'payee' | 'rateId'>,
  part: { quantity: bigint; ratePicoUsd: bigint; volumeFrom: bigint | null },
  list: { ratePicoUsd: bigint; priceId: bigint | null },
): Charge => {
  const amountPicoUsd = part.quantity * part.ratePicoUsd;
  const isListRate = list.ratePicoUsd === part.ratePicoUsd;
  return {
    component: base.component,
    payee: base.payee,
    quantity: part.quantity,
    listRatePicoUsd: list.ratePicoUsd,
    listAmountPicoUsd: isListRate ? amountPicoUsd : part.quantity * list.ratePicoUsd,
    ratePicoUsd: part.ratePicoUsd,
    amountPicoUsd,
    priceId: list.priceId,
    rateId: base.rateId,
    volumeFrom: part.volumeFrom,
  };
};

/** One attempt on its way to its charges. */
class Pricer {
  readonly #event: AttemptEvent;
  readonly #use: BilledUse;
  readonly #agreements: Agreements | null;
  readonly #rates: readonly PriceRate[];
  readonly model: string;

  constructor(event: AttemptEvent, use: BilledUse, book: PriceBook, agreements: Agreements | null) {
    this.#event = event;
    this.#use = use;
    this.#agreements = agreements;
    const { provider, startedAtMs, servedModel, model } = event;
    const served = servedModel === null ? [] : book.ratesOf(provider, servedModel, startedAtMs);
    this.model = servedModel !== null && served.length > 0 ? servedModel : model;
    this.#rates = served.length > 0 ? served : book.ratesOf(provider, model, startedAtMs);
  }

  #rule(component: string): NegotiatedRate | null {
    const { tenantId, provider, providerKeyId, startedAtMs: atMs } = this.#event;
    if (this.#agreements === null) return null;
    const { model: asked, servedModel } = this.#event;
    const models = servedModel === null ? [asked] : [asked, servedModel];
    return this.#agreements.rates.find({ tenantId, provider, providerKeyId, models, component, atMs });
  }

  #listed(component: string, isCall: boolean): PriceRate[] {
    return selectRates(this.#rates, {
      provider: this.#event.provider,
      model: this.model,
      component,
      tier: isCall ? STANDARD_TIER : this.#use.tier,
      region: isCall ? '' : this.#use.region,
      inputTotal: this.#use.inputTotal,
      atMs: this.#event.startedAtMs,
    });
  }

  /** Whether anything prices this component. */
  prices(component: string): boolean {
    return this.#listed(component, true).length > 0 || this.#rule(component) !== null;
  }

  /** The charges of one component; null when some of it has no rate. */
  charge({ component, quantity }: BilledQuantity, isCall: boolean): Charge[] | null {
    const rule = this.#rule(component);
    const rates = this.#listed(component, isCall);
    const base = { component, payee: this.#event.provider, rateId: rule?.id ?? null };
    const [only] = rates;
    if (rule === null && rates.length === 1 && only?.quantityFrom === 0n && only.quantityTo === null) {
      // As nearly every component of nearly every attempt.
      const { id: priceId, ratePicoUsd } = only;
      const part = { quantity, ratePicoUsd, volumeFrom: null };
      return [chargeOf(base, part, { ratePicoUsd, priceId })];
    }
    const listed = listedParts(rates, quantity);
    const parts = listed ?? (rule === null ? null : [{ quantity, price: null }]);
    if (parts === null) return null;
    const charges: Charge[] = [];
    for (const { quantity: units, price } of parts) {
      const list = price?.ratePicoUsd ?? null;
      const negotiated =
        rule === null
          ? list === null
            ? null
            : [{ quantity: units, ratePicoUsd: list, volumeFrom: null }]
          : negotiatedParts(rule, units, this.#takeVolume(rule, units, component), list);
      if (negotiated === null) return null;
      for (const part of negotiated) {
        const listRate = { ratePicoUsd: list ?? part.ratePicoUsd, priceId: price?.id ?? null };
        charges.push(chargeOf(base, part, listRate));
      }
    }
    return charges;
  }

  #takeVolume(rule: NegotiatedRate, quantity: bigint, component: string): bigint {
    if (rule.volumeTiers.length === 0) return 0n;
    const startMs = volumePeriodStartMs(rule, this.#event.startedAtMs);
    return this.#agreements?.takeVolume(rule, startMs, quantity, component) ?? 0n;
  }
}

const priced = (tier: string, charges: Charge[]): Pricing => ({
  tier,
  kind: 'priced',
  charges,
  costPicoUsd: charges.reduce((sum, charge) => sum + charge.amountPicoUsd, 0n),
  listCostPicoUsd: charges.reduce((sum, charge) => sum + charge.listAmountPicoUsd, 0n),
  reason: null,
});

/** What the provider itself says it takes, and the one behind it; null where it says nothing. */
const reportedCharges = (event: AttemptEvent): Charge[] | null => {
  const reported = reportedCostOf(event);
  if (reported === null) return null;
  const chargeFor = (payee: Charge['payee'], usd: number): Charge => {
    const ratePicoUsd = picoUsdOfNumber(usd);
    return chargeOf(
      { component: REPORTED_COST, payee, rateId: null },
      { quantity: 1n, ratePicoUsd, volumeFrom: null },
      { ratePicoUsd, priceId: null },
    );
  };
  const charges = [chargeFor(event.provider, reported.costUsd)];
  if (reported.upstreamCostUsd !== null) charges.push(chargeFor('upstream', reported.upstreamCostUsd));
  return charges;
};

/**
 * Prices one attempt, exactly, at the rates in force when it started.
 *
 * The model is the one the provider says it served where the book lists it, else the one asked for. A
 * service tier without rates is never taken for standard, nor a region for any other. A negotiated rate
 * goes before the listed one, which stays beside it. Where no usage came: a provider does not bill an
 * error answer nor a call it never got, so a failed attempt costs nothing; an attempt that timed out, was
 * cut, cancelled or lost may have been billed, so its cost is unknown.
 */
export const priceAttempt = (
  event: AttemptEvent,
  book: PriceBook,
  agreements: Agreements | null = null,
): Pricing => {
  const use = billedUseOf(event);
  const { tier } = use;
  const noCost = { tier, costPicoUsd: null, listCostPicoUsd: null };
  const { source, tokens } = event.usage;
  if (source === 'none' || (Object.keys(tokens).length === 0 && use.audioSeconds === 0n)) {
    if (refused(event)) return priced(tier, []);
    return { ...noCost, kind: 'unknown', charges: [], reason: 'no usage was reported' };
  }
  if (use.unclear !== null) return { ...noCost, kind: 'unpriced', charges: [], reason: use.unclear };
  const reported = reportedCharges(event);
  if (reported !== null) return priced(tier, reported);

  const pricer = new Pricer(event, use, book, agreements);
  const bySeconds =
    use.audioSeconds > 0n && (tokens.input_audio === undefined || pricer.prices(AUDIO_SECONDS));
  const used = [
    ...use.tokens.filter(({ component }) => !(bySeconds && component === 'input_audio')),
    ...use.calls,
    ...(bySeconds ? [{ component: AUDIO_SECONDS, quantity: use.audioSeconds }] : []),
  ];
  const charges: Charge[] = [];
  const missing: string[] = [];
  for (const each of used) {
    const found = pricer.charge(each, !use.tokens.includes(each));
    if (found === null) missing.push(each.component);
    else charges.push(...found);
  }
  if (missing.length === 0) return priced(tier, charges);
  const where = use.region === '' ? '' : `, region ${use.region}`;
  const reason = `no rate for ${missing.join(', ')} of ${event.provider}/${pricer.model}, tier ${tier}${where}, ${use.inputTotal} tokens in`;
  return { ...noCost, kind: 'unpriced', charges, reason };
};
