/** Options that OpenAI's endpoints for answers share. */
import {
  REASONING_EFFORTS,
  type ChatRequest,
  type Citation,
  type OutputFormat,
  type TokenLogprob,
  type ToolDefinition,
} from '#contracts/inference';
import type { Inexpressible } from '#domain/inexpressible';
import {
  findInexpressible,
  given,
  optional,
  readBoolean,
  readObject,
  readOneOf,
  readSchema,
  readText,
  refuse,
  type JsonObject,
} from '../field-reader.ts';

/** What OpenAI is told for its caches and its watch over end users; no answer depends on it. */
export const CACHE_HINTS = [
  'prompt_cache_key',
  'prompt_cache_retention',
  'prompt_cache_options',
  'safety_identifier',
] as const;

export const readEffort = readOneOf(REASONING_EFFORTS);

const readVerbosityWord = readOneOf(['low', 'medium', 'high']);

/** Medium is what every model does unasked. */
export const readVerbosity = (object: JsonObject, prefix = ''): ChatRequest['verbosity'] => {
  const word = optional(object, 'verbosity', readVerbosityWord, prefix);
  return word === 'medium' ? undefined : word;
};

/** `auto` leaves it to the provider, as saying nothing does. */
const TIERS: Readonly<Record<string, ChatRequest['serviceTier']>> = {
  auto: undefined,
  default: 'standard',
  // Groq's word for it.
  on_demand: 'standard',
  flex: 'flex',
  priority: 'priority',
};

export const readServiceTier = (
  body: JsonObject,
  inexpressible: Inexpressible,
): ChatRequest['serviceTier'] => {
  const word = optional(body, 'service_tier', readText);
  if (word === undefined) return undefined;
  if (!Object.hasOwn(TIERS, word)) inexpressible.param('service_tier');
  return TIERS[word];
};

/** The tiers of the dialect, by every provider's word for one. */
const SERVED_TIERS: Readonly<Record<string, string>> = {
  default: 'default',
  standard: 'default',
  on_demand: 'default',
  flex: 'flex',
  scale: 'scale',
  priority: 'priority',
};

export const encodeServiceTier = (served: string | undefined): string | undefined =>
  served === undefined ? undefined : SERVED_TIERS[served];

/** `schema` of a JSON Schema format stands beside the type in one endpoint and below it in the other. */
export const readJsonSchemaFormat = (format: JsonObject, prefix: string): OutputFormat => ({
  type: 'json_schema',
  schema: readSchema(format['schema'], `${prefix}schema`),
  ...given({
    name: optional(format, 'name', readText, prefix),
    description: optional(format, 'description', readText, prefix),
    strict: optional(format, 'strict', readBoolean, prefix),
  }),
});

export const readFormatType = (format: JsonObject, param: string): 'text' | 'json_object' | 'json_schema' =>
  readOneOf(['text', 'json_object', 'json_schema'])(format['type'], `${param}.type`);

const NO_PARAMETERS = { type: 'object', properties: {} };

const FUNCTION_FIELDS = new Set(['type', 'name', 'description', 'parameters', 'strict', 'cache_control']);

/** A function stands beside the tool's type in one endpoint and below it in the other. */
export const readFunctionTool = (
  fn: JsonObject,
  prefix: string,
  inexpressible: Inexpressible,
): ToolDefinition => {
  findInexpressible(fn, { expressible: FUNCTION_FIELDS, changesNothing: {}, prefix }, inexpressible);
  return given({
    name: readText(fn['name'], `${prefix}name`),
    description: optional(fn, 'description', readText, prefix),
    inputSchema: optional(fn, 'parameters', readSchema, prefix) ?? NO_PARAMETERS,
    strict: optional(fn, 'strict', readBoolean, prefix),
  });
};

/** A choice among some of the tools is the same choice among these alone. */
export const narrowTools = (
  tools: readonly ToolDefinition[],
  { mode, names, param }: { mode: unknown; names: readonly string[]; param: string },
): Pick<ChatRequest, 'tools' | 'toolChoice'> => {
  const allowed = tools.filter(({ name }) => names.includes(name));
  if (allowed.length === 0) refuse(`${param}.tools`, 'must name functions among the tools.');
  return { tools: allowed, toolChoice: { type: readOneOf(['auto', 'required'])(mode, `${param}.mode`) } };
};

export const readFunctionName = (value: unknown, param: string): string => {
  const { name, ...tool } = readObject(value, param);
  if (tool['type'] !== 'function')
    refuse(`${param}.type`, 'must be "function" for a model of this provider.');
  return readText(name, `${param}.name`);
};

type TokenInfo = { token: string; logprob: number; bytes: number[] };

const encodeToken = ({ token, logprob, bytes }: Omit<TokenLogprob, 'alternatives'>): TokenInfo => ({
  token,
  logprob,
  bytes: bytes ?? [...Buffer.from(token)],
});

export const encodeLogprobs = (tokens: readonly TokenLogprob[]) =>
  tokens.map((token) => ({ ...encodeToken(token), top_logprobs: token.alternatives.map(encodeToken) }));

/** Where a statement points to no address there is no word for it. */
export const encodeUrlCitation = ({ url, title, start, end }: Citation): object | null =>
  url === undefined ? null : { url, title: title ?? '', start_index: start ?? 0, end_index: end ?? 0 };
