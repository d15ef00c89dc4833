import { UNKNOWN_USAGE, type TokenClass, type Usage, type UsageSource } from '#contracts/usage';
import { countOf, isObject, listOf, objectOf, textOf, type JsonObject } from '../json-fields.ts';

/** By name, or by number where the enum is written so. */
const AUDIO = new Set<unknown>(['AUDIO', 4]);
const IMAGE = new Set<unknown>(['IMAGE', 2]);

const countOfModality = (details: unknown, modality: ReadonlySet<unknown>): number =>
  listOf(details)
    .map(objectOf)
    .filter((entry) => modality.has(entry['modality']))
    .reduce((sum, entry) => sum + (countOf(entry['tokenCount']) ?? 0), 0);

/** What is left of a modality of the prompt when its cached part is taken out, never more than there is. */
const uncached = (usage: JsonObject, modality: ReadonlySet<unknown>, left: number): number => {
  const sent =
    countOfModality(usage['promptTokensDetails'], modality) +
    countOfModality(usage['toolUsePromptTokensDetails'], modality);
  const cached = countOfModality(usage['cacheTokensDetails'], modality);
  return Math.min(Math.max(0, sent - cached), left);
};

const readInput = (usage: JsonObject, prompt: number): Partial<Record<TokenClass, number>> => {
  const total = prompt + (countOf(usage['toolUsePromptTokenCount']) ?? 0);
  const told = countOf(usage['cachedContentTokenCount']);
  const cached = Math.min(told ?? 0, total);
  const audio = uncached(usage, AUDIO, total - cached);
  const image = uncached(usage, IMAGE, total - cached - audio);
  return {
    input: total - cached - audio - image,
    ...(told !== null && { cache_read: cached }),
    ...(audio > 0 && { input_audio: audio }),
    ...(image > 0 && { input_image: image }),
  };
};

const readOutput = (usage: JsonObject, total: number): Partial<Record<TokenClass, number>> => {
  const details = usage['candidatesTokensDetails'];
  const image = Math.min(countOfModality(details, IMAGE), total);
  const audio = Math.min(countOfModality(details, AUDIO), total - image);
  return {
    output: total - image - audio,
    ...(audio > 0 && { output_audio: audio }),
    ...(image > 0 && { output_image: image }),
  };
};

/**
 * `usageMetadata`. The prompt holds what was cached of it; what tools put into it is counted beside, and so
 * are thoughts beside candidates. What the modalities leave open stands under the plain class.
 */
export const readGeminiUsage = (value: unknown, source: UsageSource): Usage => {
  if (!isObject(value)) return UNKNOWN_USAGE;
  const prompt = countOf(value['promptTokenCount']);
  const candidates = countOf(value['candidatesTokenCount']);
  const thoughts = countOf(value['thoughtsTokenCount']);
  const output = candidates === null && thoughts === null ? null : (candidates ?? 0) + (thoughts ?? 0);
  if (prompt === null && output === null) return UNKNOWN_USAGE;
  const serviceTier = textOf(value['serviceTier']);
  return {
    source,
    tokens: {
      ...(prompt !== null && readInput(value, prompt)),
      ...(output !== null && readOutput(value, output)),
    },
    ...(thoughts !== null && { reasoning: thoughts }),
    ...(serviceTier !== null && { serviceTier: serviceTier.toLowerCase() }),
    raw: value,
  };
};
