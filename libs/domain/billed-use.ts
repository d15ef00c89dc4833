/** What of an attempt is billed, and under which conditions, as the provider's own usage says it. */
import type { AttemptEvent } from '#contracts/attempt-event';
import { TOKEN_CLASSES, type TokenCounts } from '#contracts/usage';

export const STANDARD_TIER = 'standard';

/** Input audio that is billed by its length instead of its tokens. */
export const AUDIO_SECONDS = 'input_audio_seconds';
/** Cached audio that is read, where the provider tells it from cached text. */
export const CACHED_AUDIO = 'cache_read_audio';
/** A cost that the provider itself has said, in one piece. */
export const REPORTED_COST = 'reported_cost';

const INPUT_CLASSES = TOKEN_CLASSES.filter((component) => !component.startsWith('output'));

export type BilledQuantity = { component: string; quantity: bigint };

export type BilledUse = {
  tier: string;
  /** Empty for anywhere. */
  region: string;
  /** All tokens that went in, which is what a rate's bounds are about. */
  inputTotal: bigint;
  tokens: BilledQuantity[];
  /** Calls of the provider's tools and the like, which no tier makes cheaper. */
  calls: BilledQuantity[];
  /** Seconds of input audio, where the provider counts them; whole ones are billed. */
  audioSeconds: bigint;
  /** Why parts of it cannot be told apart, and so not be priced; null when they can. */
  unclear: string | null;
};

type Fields = Record<string, unknown>;
const asFields = (value: unknown): Fields =>
  typeof value === 'object' && value !== null ? (value as Fields) : {};

const rawOf = (event: AttemptEvent): Fields => asFields(event.usage.raw);

/** The providers' words for their standard tier. */
const STANDARD_WORDS: Readonly<Record<string, readonly string[]>> = {
  openai: ['default'],
  openai_compatible: ['default'],
  openrouter: ['default'],
  mistral: ['default'],
  groq: ['on_demand'],
};

/** The tier under which to look for rates: the provider's own word, except for its words for standard. */
const tierOf = (event: AttemptEvent): string => {
  // Anthropic sells its fast mode beside the tiers, at its own rates.
  if (event.provider === 'anthropic' && rawOf(event)['speed'] === 'fast') return 'fast';
  const tier = event.usage.serviceTier;
  if (tier === undefined || tier === '') return STANDARD_TIER;
  return STANDARD_WORDS[event.provider]?.includes(tier) === true ? STANDARD_TIER : tier;
};

/** Where Anthropic computed, for which it takes a premium; any other word of it means anywhere. */
const regionOf = (event: AttemptEvent): string => {
  const geo = event.provider === 'anthropic' ? rawOf(event)['inference_geo'] : undefined;
  return typeof geo === 'string' && geo !== 'global' && geo !== 'not_available' ? geo : '';
};

const countedCalls = (event: AttemptEvent): Readonly<Record<string, number>> => {
  if (event.usage.serverToolCalls !== undefined) return event.usage.serverToolCalls;
  if (event.provider !== 'anthropic') return {};
  const searches = asFields(rawOf(event)['server_tool_use'])['web_search_requests'];
  return typeof searches === 'number' ? { web_search: searches } : {};
};

const amountOf = (value: unknown): number | null =>
  typeof value === 'number' && Number.isFinite(value) && value >= 0 ? value : null;

const isOpenrouter = ({ provider }: { provider: string }): boolean => provider === 'openrouter';

const upstreamCostOf = (raw: Fields): number | null =>
  amountOf(asFields(raw['cost_details'])['upstream_inference_cost']);

const unclearPart = (event: AttemptEvent): string | null => {
  const raw = rawOf(event);
  if (isOpenrouter(event)) {
    const known = raw['is_byok'] !== true || upstreamCostOf(raw) !== null;
    return known ? null : 'the provider behind OpenRouter was paid apart, and how much is not said';
  }
  if (event.provider !== 'anthropic') return null;
  // Compaction, an advisor or a fallback ran beside the answer, each at its own model's price.
  const passes = raw['iterations'];
  return Array.isArray(passes) && passes.length > 1 ? `took ${passes.length} passes, priced apart` : null;
};

/** Of the cached tokens, those that are audio, as Google says it. */
const cachedAudioOf = (event: AttemptEvent): number => {
  const provider: string = event.provider;
  const details = provider === 'google' ? rawOf(event)['cacheTokensDetails'] : undefined;
  if (!Array.isArray(details)) return 0;
  const counts = details.map(asFields).filter((detail) => detail['modality'] === 'AUDIO');
  const audio = counts.reduce((sum, detail) => sum + (amountOf(detail['tokenCount']) ?? 0), 0);
  return Math.min(audio, event.usage.tokens.cache_read ?? 0);
};

const TOKEN_COMPONENTS = [...TOKEN_CLASSES, CACHED_AUDIO];

const quantitiesOf = (counts: Readonly<Partial<Record<string, number>>>, names: readonly string[]) => {
  const quantities: BilledQuantity[] = [];
  for (const component of names) {
    const count = counts[component] ?? 0;
    if (count > 0) quantities.push({ component, quantity: BigInt(Math.ceil(count)) });
  }
  return quantities;
};

const inputTotalOf = (tokens: TokenCounts): bigint => {
  let total = 0;
  for (const component of INPUT_CLASSES) total += tokens[component] ?? 0;
  if (Number.isSafeInteger(total)) return BigInt(total);
  return INPUT_CLASSES.reduce((sum, component) => sum + BigInt(tokens[component] ?? 0), 0n);
};

export const billedUseOf = (event: AttemptEvent): BilledUse => {
  const { tokens } = event.usage;
  const calls = countedCalls(event);
  const seconds = rawOf(event)['prompt_audio_seconds'];
  const cachedAudio = cachedAudioOf(event);
  const split =
    cachedAudio === 0
      ? tokens
      : { ...tokens, cache_read: (tokens.cache_read ?? 0) - cachedAudio, [CACHED_AUDIO]: cachedAudio };
  return {
    tier: tierOf(event),
    region: regionOf(event),
    inputTotal: inputTotalOf(tokens),
    tokens: quantitiesOf(split, TOKEN_COMPONENTS),
    calls: quantitiesOf(calls, Object.keys(calls).sort()),
    audioSeconds: typeof seconds === 'number' && seconds > 0 ? BigInt(Math.ceil(seconds)) : 0n,
    unclear: unclearPart(event),
  };
};

/** A provider's own statement of what an attempt costs, as decimal numbers of USD. */
export type ReportedCost = {
  /** Owed to the provider of the key. */
  costUsd: number;
  /** Owed to the provider behind it, at whom the tenant has an account of its own; null where there is none. */
  upstreamCostUsd: number | null;
};

/**
 * OpenRouter says what it takes. Under the tenant's own key at the provider behind it, that is its fee
 * alone, and the provider's price comes on top. Null where nothing is said.
 */
export const reportedCostOf = (event: AttemptEvent): ReportedCost | null => {
  if (!isOpenrouter(event)) return null;
  const raw = rawOf(event);
  const costUsd = amountOf(raw['cost']);
  if (costUsd === null) return null;
  return { costUsd, upstreamCostUsd: raw['is_byok'] === true ? upstreamCostOf(raw) : null };
};
