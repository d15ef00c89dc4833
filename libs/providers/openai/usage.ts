import { UNKNOWN_USAGE, type TokenClass, type Usage, type UsageSource } from '#contracts/usage';
import { countOf, isObject, objectOf, textOf } from '../json-fields.ts';

/** A part of a total, never more than is left of it: impossible counts must not turn into negative ones. */
const takePart = (part: unknown, left: number): number => Math.min(countOf(part) ?? 0, left);

/**
 * `usage` of the Chat Completions API. `prompt_tokens` and `completion_tokens` are totals that hold the
 * details as parts; here each token stands in one class.
 */
export const readOpenaiUsage = (
  value: unknown,
  options: { source: UsageSource; serviceTier: unknown },
): Usage => {
  const prompt = isObject(value) ? countOf(value['prompt_tokens']) : null;
  const completion = isObject(value) ? countOf(value['completion_tokens']) : null;
  if (!isObject(value) || (prompt === null && completion === null)) return UNKNOWN_USAGE;
  const tokens: Partial<Record<TokenClass, number>> = {};

  if (prompt !== null) {
    const details = objectOf(value['prompt_tokens_details']);
    let left = prompt;
    const parts = [
      ['cache_read', 'cached_tokens'],
      ['cache_write_other', 'cache_write_tokens'],
      ['input_audio', 'audio_tokens'],
    ] as const;
    for (const [component, field] of parts) {
      if (countOf(details[field]) === null) continue;
      tokens[component] = takePart(details[field], left);
      left -= tokens[component] ?? 0;
    }
    tokens.input = left;
  }

  const details = objectOf(value['completion_tokens_details']);
  if (completion !== null) {
    const audio = countOf(details['audio_tokens']);
    if (audio !== null) tokens.output_audio = takePart(audio, completion);
    tokens.output = completion - (tokens.output_audio ?? 0);
  }
  const reasoning = countOf(details['reasoning_tokens']);
  const serviceTier = textOf(options.serviceTier);
  return {
    source: options.source,
    tokens,
    ...(reasoning !== null && { reasoning: Math.min(reasoning, completion ?? 0) }),
    ...(serviceTier !== null && { serviceTier }),
    raw: value,
  };
};
