import type { ProviderKeyId, TenantId } from '#contracts/ids';
import type { ProviderId } from '#contracts/vocabulary';
import { matchesGlob } from './glob.ts';
import { multiplyRate } from './money.ts';

/** From so many units of a period on, another value holds. */
export type VolumeTier = { from: bigint; value: bigint };

/** What a tenant has agreed with a provider. */
export type NegotiatedRate = {
  id: string;
  tenantId: TenantId;
  provider: ProviderId;
  /** A glob over the model's name. */
  model: string;
  /** Null for every component. */
  component: string | null;
  /** Null for every key. */
  providerKeyId: ProviderKeyId | null;
  /** `absolute`: pico-dollars per unit. `discount`: millionths of a percent off the list rate. */
  kind: 'absolute' | 'discount';
  /** Holds from the first unit on. */
  value: bigint;
  /** Ascending; empty where no volume is counted. */
  volumeTiers: readonly VolumeTier[];
  /** After what a counted volume begins anew; null where none is counted. */
  volumePeriod: 'month' | 'term' | null;
  /** Unix milliseconds, the end exclusive. */
  effectiveFromMs: number;
  effectiveToMs: number | null;
};

export type NegotiatedRateQuery = {
  tenantId: TenantId;
  provider: ProviderId;
  providerKeyId: ProviderKeyId;
  /** The names it goes by: as it was asked for, and as the provider says it served it. */
  models: readonly string[];
  component: string;
  /** Unix milliseconds. */
  atMs: number;
};

/** The characters of a glob that are not stars: the more, the less else it can mean. */
const literalLength = (glob: string): number => glob.replaceAll('*', '').length;

/**
 * Which of two rules that both hold is the more specific: one for a certain key before one for all keys;
 * then one for an exact model name, then the glob with more characters that are not stars; then one for a
 * certain component. Between equals the one that began later, then the one with the greater id.
 */
const isMoreSpecific = (rule: NegotiatedRate, other: NegotiatedRate): boolean => {
  const ranks = (each: NegotiatedRate): (number | string)[] => [
    each.providerKeyId === null ? 0 : 1,
    each.model.includes('*') ? 0 : 1,
    literalLength(each.model),
    each.component === null ? 0 : 1,
    each.effectiveFromMs,
    each.id,
  ];
  const theirs = ranks(other);
  for (const [index, rank] of ranks(rule).entries()) {
    const their = theirs[index] ?? 0;
    if (rank !== their) return rank > their;
  }
  return false;
};

const isInForce = (rule: NegotiatedRate, atMs: number): boolean =>
  rule.effectiveFromMs <= atMs && (rule.effectiveToMs === null || atMs < rule.effectiveToMs);

/** All rules at one moment of the store, in memory; never changed once built. */
export class NegotiatedRates {
  readonly #rules = new Map<TenantId, Map<ProviderId, NegotiatedRate[]>>();

  constructor(rules: readonly NegotiatedRate[]) {
    for (const rule of rules) {
      let providers = this.#rules.get(rule.tenantId);
      if (providers === undefined) this.#rules.set(rule.tenantId, (providers = new Map()));
      const known = providers.get(rule.provider);
      if (known === undefined) providers.set(rule.provider, [rule]);
      else known.push(rule);
    }
  }

  /** The most specific rule that holds; null when none does. */
  find(query: NegotiatedRateQuery): NegotiatedRate | null {
    const rules = this.#rules.get(query.tenantId)?.get(query.provider);
    if (rules === undefined) return null;
    let found: NegotiatedRate | null = null;
    for (const rule of rules) {
      const holds =
        isInForce(rule, query.atMs) &&
        (rule.component === null || rule.component === query.component) &&
        (rule.providerKeyId === null || rule.providerKeyId === query.providerKeyId) &&
        query.models.some((model) => matchesGlob(rule.model, model));
      if (holds && (found === null || isMoreSpecific(rule, found))) found = rule;
    }
    return found;
  }

  /** The rules that could hold for something of a call to this target, whichever key it takes. */
  aimedAt(target: {
    tenantId: TenantId;
    provider: ProviderId;
    model: string;
    atMs: number;
  }): NegotiatedRate[] {
    const rules = this.#rules.get(target.tenantId)?.get(target.provider);
    if (rules === undefined) return [];
    return rules.filter((rule) => isInForce(rule, target.atMs) && matchesGlob(rule.model, target.model));
  }

  /** The rules that count a volume and could hold for something of this attempt. */
  counting(attempt: { tenantId: TenantId; provider: ProviderId; startedAtMs: number }): NegotiatedRate[] {
    const rules = this.#rules.get(attempt.tenantId)?.get(attempt.provider);
    if (rules === undefined) return [];
    return rules.filter((rule) => rule.volumeTiers.length > 0 && isInForce(rule, attempt.startedAtMs));
  }
}

/** When the volume counted at this moment began to be counted, in Unix milliseconds. */
export const volumePeriodStartMs = (rule: NegotiatedRate, atMs: number): number => {
  if (rule.volumePeriod !== 'month') return rule.effectiveFromMs;
  const at = new Date(atMs);
  return Math.max(rule.effectiveFromMs, Date.UTC(at.getUTCFullYear(), at.getUTCMonth(), 1));
};

const PERCENT_MILLIONTHS = 100_000_000n;

/**
 * The rate that a value of the rule makes of a list rate, rounded half to even to a whole pico-dollar. Null
 * for a discount on a rate nobody lists.
 */
const rateOf = (rule: NegotiatedRate, value: bigint, listRatePicoUsd: bigint | null): bigint | null => {
  if (rule.kind === 'absolute') return value;
  if (listRatePicoUsd === null) return null;
  const remaining = PERCENT_MILLIONTHS - value;
  const share = remaining.toString().padStart(9, '0');
  return multiplyRate(listRatePicoUsd, `${share.slice(0, -8)}.${share.slice(-8)}`);
};

export type NegotiatedPart = { quantity: bigint; ratePicoUsd: bigint; volumeFrom: bigint | null };

/**
 * The quantity in parts, each with the rate that holds for it. `volumeFrom`: how many units the rule has
 * priced before these; of no account where it counts none. Null for a discount on a rate nobody lists.
 */
export const negotiatedParts = (
  rule: NegotiatedRate,
  quantity: bigint,
  volumeFrom: bigint,
  listRatePicoUsd: bigint | null,
): NegotiatedPart[] | null => {
  if (rule.volumeTiers.length === 0) {
    const ratePicoUsd = rateOf(rule, rule.value, listRatePicoUsd);
    return ratePicoUsd === null ? null : [{ quantity, ratePicoUsd, volumeFrom: null }];
  }
  const steps = [{ from: 0n, value: rule.value }, ...rule.volumeTiers];
  const parts: NegotiatedPart[] = [];
  const end = volumeFrom + quantity;
  for (const [index, step] of steps.entries()) {
    const next = steps[index + 1]?.from ?? null;
    const from = step.from > volumeFrom ? step.from : volumeFrom;
    const to = next === null || next > end ? end : next;
    if (to <= from) continue;
    const ratePicoUsd = rateOf(rule, step.value, listRatePicoUsd);
    if (ratePicoUsd === null) return null;
    parts.push({ quantity: to - from, ratePicoUsd, volumeFrom: from });
  }
  return parts;
};
