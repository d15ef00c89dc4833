import { countOf, objectOf, type JsonObject } from './json-fields.ts';

const TOOLS_MAX = 16;
const COUNT = /^(.{1,40})_requests$/;

/**
 * How often tools ran on the provider's side, from the object of a usage that counts them as
 * `web_search_requests`: Anthropic's, and OpenRouter's under its own name.
 */
export const readServerToolCalls = (usage: JsonObject): { serverToolCalls?: Record<string, number> } => {
  const counted = objectOf(usage['server_tool_use'] ?? usage['server_tool_use_details']);
  const calls = Object.entries(counted).flatMap(([name, value]): [string, number][] => {
    const tool = COUNT.exec(name)?.[1];
    const count = countOf(value);
    return tool === undefined || count === null || count === 0 ? [] : [[tool, count]];
  });
  return calls.length === 0 ? {} : { serverToolCalls: Object.fromEntries(calls.slice(0, TOOLS_MAX)) };
};
