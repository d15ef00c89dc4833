/**
 * List prices that genai-prices does not have, kept by hand: the tiers beside standard, a region's premium,
 * images that cost what text does, and calls that are free. Only what the providers' own public pages say, with the page and what it says.
 * Families are models as genai-prices names them; a rule holds for every name it lists a family under.
 */
import type { ProviderId } from '#contracts/vocabulary';
import { CACHED_AUDIO } from '#domain/billed-use';

/** Bumped with every change of this file. */
export const SUPPLEMENT_VERSION = '2026-11-24.2';

/** Rates that are a multiple of the listed standard ones. */
export type DerivedRates = {
  provider: ProviderId;
  /** Null for every family that has the components. */
  families: readonly string[] | null;
  /** Null for all. */
  components: readonly string[] | null;
  tier: string;
  region: string;
  multiplier: string;
  /** RFC 3339; null for as long as the standard ones. */
  since: string | null;
  reference: string;
};

/** A component that costs what another one does, at every length and time. */
export type AlikeRates = {
  provider: ProviderId;
  families: readonly string[];
  component: string;
  costsAs: string;
  reference: string;
};

/** Rates that are listed as such, in USD per million tokens: input, cached input, output. */
export type ListedRates = {
  provider: ProviderId;
  family: string;
  tier: string;
  input: string;
  cacheRead: string;
  output: string;
  reference: string;
};

/** Calls of a provider's own tool, in USD for each thousand. */
export type CallRates = {
  provider: ProviderId;
  families: readonly string[] | null;
  component: string;
  usdPerThousand: string;
  reference: string;
};

const OPENAI = 'https://platform.openai.com/docs/pricing';
const ANTHROPIC = 'https://platform.claude.com/docs/en/about-claude/pricing';

const GOOGLE = 'https://ai.google.dev/gemini-api/docs/pricing';
const GROQ = 'https://console.groq.com/docs/batch';
const MISTRAL = 'https://docs.mistral.ai/capabilities/batch';

/** Models whose page names one input price for text, images and video together. */
const GOOGLE_IMAGE_FAMILIES =
  `gemini-2.0-flash gemini-2.0-flash-lite gemini-2.5-flash gemini-2.5-flash-lite gemini-2.5-pro
  gemini-2.5-flash-image gemini-3-flash-preview gemini-3-pro-preview gemini-3-pro-image-preview
  gemini-3.1-flash-lite gemini-3.1-pro-preview gemini-3.1-flash-image-preview`.split(/\s+/);

const OPENAI_CACHED_FAMILIES = ['gpt-5', 'gpt-5-mini', 'gpt-5-nano', 'gpt-5.1'];
const OPENAI_BATCH_FAMILIES =
  `gpt-4.1 gpt-4.1-mini gpt-4.1-nano gpt-4o gpt-4o-2024-05-13 gpt-4o-mini gpt-5-pro
  o1 o1-mini o1-pro o3 o3-deep-research o3-mini o3-pro o4-mini o4-mini-deep-research
  text-embedding-3-large text-embedding-3-small text-embedding-ada-002`.split(/\s+/);

/** Models that take `inference_geo`: Opus 4.6, Sonnet 4.6 and all later ones. */
const ANTHROPIC_REGIONAL_FAMILIES =
  `claude-opus-4-6 claude-opus-4-7 claude-opus-4-8 claude-opus-5 claude-opus-5-5
  claude-sonnet-4-6 claude-sonnet-5 claude-fable-5 claude-fable-5-1`.split(/\s+/);
const ANTHROPIC_REGION_SAYS = `${ANTHROPIC}: US-only inference costs 1.1 times on all token categories`;
const ANTHROPIC_BATCH_SAYS = `${ANTHROPIC}: batches cost half, and the cache multipliers stack with it`;

const derive = (
  provider: ProviderId,
  tier: string,
  multiplier: string,
  reference: string,
  more: Partial<DerivedRates> = {},
): DerivedRates => ({
  provider,
  tier,
  multiplier,
  reference,
  families: null,
  components: null,
  region: '',
  since: null,
  ...more,
});

export const ALIKE_RATES: readonly AlikeRates[] = [
  {
    provider: 'google',
    families: GOOGLE_IMAGE_FAMILIES,
    component: 'input_image',
    costsAs: 'input',
    reference: `${GOOGLE}: one input price for text, image and video`,
  },
];

export const DERIVED_RATES: readonly DerivedRates[] = [
  derive('openai', 'batch', '0.5', `${OPENAI}: table Batch, half of Standard`, {
    families: OPENAI_CACHED_FAMILIES,
    components: ['input', 'cache_read', 'output'],
  }),
  derive('openai', 'batch', '0.5', `${OPENAI}: table Batch, half of Standard, none for cached input`, {
    families: OPENAI_BATCH_FAMILIES,
    components: ['input', 'output'],
  }),
  derive('openai', 'flex', '0.5', `${OPENAI}: table Flex, half of Standard`, {
    families: [...OPENAI_CACHED_FAMILIES, 'o3', 'o4-mini'],
    components: ['input', 'cache_read', 'output'],
  }),
  derive('anthropic', 'batch', '0.5', ANTHROPIC_BATCH_SAYS),
  derive('anthropic', 'standard', '1.1', ANTHROPIC_REGION_SAYS, {
    families: ANTHROPIC_REGIONAL_FAMILIES,
    region: 'us',
  }),
  derive('anthropic', 'batch', '0.55', `${ANTHROPIC_REGION_SAYS}; ${ANTHROPIC_BATCH_SAYS}`, {
    families: ANTHROPIC_REGIONAL_FAMILIES,
    region: 'us',
  }),
  derive('google', 'batch', '0.5', `${GOOGLE}: batches cost half`, {
    components: ['input', 'input_audio', 'input_image', 'output', 'output_audio', 'output_image'],
  }),
  derive('google', 'batch', '1', `${GOOGLE}: cached tokens cost the same in a batch`, {
    components: ['cache_read', CACHED_AUDIO],
  }),
  derive('groq', 'batch', '0.5', `${GROQ}: batches cost half`, { components: ['input', 'output'] }),
  derive(
    'groq',
    'batch',
    '1',
    `${GROQ}: the discount for cached tokens, also half, does not add up with it`,
    {
      components: ['cache_read'],
    },
  ),
  derive('mistral', 'batch', '0.5', `${MISTRAL}: batches cost half`, { components: ['input', 'output'] }),
  derive('anthropic', 'fast', '6', `${ANTHROPIC}: fast mode of Opus 4.6 costs 6 times, caches too`, {
    families: ['claude-opus-4-6'],
    since: '2026-03-13T00:00:00Z',
  }),
];

const PRIORITY: readonly [family: string, input: string, cacheRead: string, output: string][] = [
  ['gpt-5.1', '2.5', '0.25', '20'],
  ['gpt-5', '2.5', '0.25', '20'],
  ['gpt-5-mini', '0.45', '0.045', '3.6'],
  ['gpt-4.1', '3.5', '0.875', '14'],
  ['gpt-4.1-mini', '0.7', '0.175', '2.8'],
  ['gpt-4.1-nano', '0.2', '0.05', '0.8'],
  ['gpt-4o', '4.25', '2.125', '17'],
  ['gpt-4o-mini', '0.25', '0.125', '1'],
  ['o3', '3.5', '0.875', '14'],
  ['o4-mini', '2', '0.5', '8'],
];

export const LISTED_RATES: readonly ListedRates[] = PRIORITY.map(([family, input, cacheRead, output]) => ({
  provider: 'openai',
  family,
  tier: 'priority',
  input,
  cacheRead,
  output,
  reference: `${OPENAI}: table Priority`,
}));

export const CALL_RATES: readonly CallRates[] = [
  {
    provider: 'anthropic',
    families: null,
    component: 'web_fetch',
    usdPerThousand: '0',
    reference: `${ANTHROPIC}: web fetch costs nothing beyond its tokens`,
  },
];
