import { UNKNOWN_USAGE, type TokenClass, type Usage, type UsageSource } from '#contracts/usage';
import { countOf, isObject, objectOf, textOf, type JsonObject } from '../json-fields.ts';
import { readServerToolCalls } from '../server-tool-calls.ts';

/** A part of a total, never more than is left of it: impossible counts must not turn into negative ones. */
const takePart = (part: number, left: number): number => Math.min(part, left);

/** The names that each part of the prompt has among the servers; the first that is there counts. */
const INPUT_PARTS = [
  ['cache_read', ['cached_tokens']],
  ['cache_write_other', ['cache_write_tokens', 'cache_creation_tokens']],
  ['input_audio', ['audio_tokens']],
] as const;

const firstCount = (source: JsonObject, names: readonly string[]): number | null => {
  for (const name of names) {
    const count = countOf(source[name]);
    if (count !== null) return count;
  }
  return null;
};

/** Cached tokens beside the details: DeepSeek's and Mistral's own fields. */
const CACHED_BESIDE = ['prompt_cache_hit_tokens', 'num_cached_tokens'];

type Totals = { prompt: number | null; completion: number | null };

/**
 * Totals that hold their parts. xAI counts reasoning, and Mistral sound, beside them: where the grand
 * total only comes out with the part added, it was not in.
 */
const totalsOf = (usage: JsonObject): Totals => {
  const prompt = countOf(usage['prompt_tokens']);
  const completion = countOf(usage['completion_tokens']);
  const total = countOf(usage['total_tokens']);
  if (prompt === null || completion === null || total === null) return { prompt, completion };
  const beyond = total - prompt - completion;
  const reasoning = countOf(objectOf(usage['completion_tokens_details'])['reasoning_tokens']) ?? 0;
  if (beyond > 0 && beyond === reasoning) return { prompt, completion: completion + reasoning };
  const audio = countOf(objectOf(usage['prompt_tokens_details'])['audio_tokens']) ?? 0;
  if (beyond > 0 && beyond === audio) return { prompt: prompt + audio, completion };
  return { prompt, completion };
};

const readInput = (usage: JsonObject, prompt: number): Partial<Record<TokenClass, number>> => {
  const details = objectOf(usage['prompt_tokens_details']);
  const tokens: Partial<Record<TokenClass, number>> = {};
  let left = prompt;
  for (const [component, names] of INPUT_PARTS) {
    const beside = component === 'cache_read' ? firstCount(usage, CACHED_BESIDE) : null;
    const count = firstCount(details, names) ?? beside;
    if (count === null) continue;
    tokens[component] = takePart(count, left);
    left -= tokens[component] ?? 0;
  }
  return { ...tokens, input: left };
};

/**
 * `usage` of the Chat Completions API and of what speaks like it. `prompt_tokens` and `completion_tokens`
 * are totals that hold the details as parts; here each token stands in one class.
 */
export const readOpenaiUsage = (
  value: unknown,
  options: { source: UsageSource; serviceTier?: unknown },
): Usage => {
  if (!isObject(value)) return UNKNOWN_USAGE;
  const { prompt, completion } = totalsOf(value);
  if (prompt === null && completion === null) return UNKNOWN_USAGE;
  const tokens: Partial<Record<TokenClass, number>> = prompt === null ? {} : readInput(value, prompt);
  const details = objectOf(value['completion_tokens_details']);
  if (completion !== null) {
    const audio = countOf(details['audio_tokens']);
    if (audio !== null) tokens.output_audio = takePart(audio, completion);
    tokens.output = completion - (tokens.output_audio ?? 0);
  }
  const reasoning = countOf(details['reasoning_tokens']);
  // Mistral tells the tier here.
  const serviceTier = textOf(options.serviceTier) ?? textOf(value['service_tier']);
  return {
    source: options.source,
    tokens,
    ...(reasoning !== null && { reasoning: Math.min(reasoning, completion ?? 0) }),
    ...(serviceTier !== null && { serviceTier }),
    ...readServerToolCalls(value),
    raw: value,
  };
};
