import { UNKNOWN_USAGE, type Usage, type UsageSource } from '#contracts/usage';
import { countOf, isObject, listOf, objectOf, textOf, type JsonObject } from '../json-fields.ts';
import { readOpenaiUsage } from '../openai/usage.ts';

/** Tools that ran on the provider's side, by the type of their items. */
const CALL = /^(web_search|file_search|code_interpreter|image_generation|mcp|computer)_call$/;

const countCalls = (output: unknown): Record<string, number> => {
  const counts: Record<string, number> = {};
  for (const item of listOf(output)) {
    const tool = CALL.exec(textOf(objectOf(item)['type']) ?? '')?.[1];
    if (tool !== undefined) counts[tool] = (counts[tool] ?? 0) + 1;
  }
  return counts;
};

/** The same totals as a chat completion's, under other names. */
const asChatUsage = (usage: JsonObject): JsonObject => ({
  ...usage,
  prompt_tokens: usage['input_tokens'],
  completion_tokens: usage['output_tokens'],
  prompt_tokens_details: usage['input_tokens_details'],
  completion_tokens_details: usage['output_tokens_details'],
});

/** Zeros beside an answer that was written are no count of it. */
const saysNothing = (usage: JsonObject, output: unknown): boolean =>
  countOf(usage['input_tokens']) === 0 && countOf(usage['output_tokens']) === 0 && listOf(output).length > 0;

/** The usage of a response object; what its tools did is counted from its items. */
export const readResponsesUsage = (response: JsonObject, source: UsageSource): Usage => {
  const { usage, output } = response;
  if (!isObject(usage) || saysNothing(usage, output)) return UNKNOWN_USAGE;
  const read = readOpenaiUsage(asChatUsage(usage), { source, serviceTier: response['service_tier'] });
  if (read.source === 'none') return read;
  const calls = countCalls(output);
  return {
    ...read,
    ...(Object.keys(calls).length > 0 && { serverToolCalls: calls }),
    raw: usage,
  };
};
