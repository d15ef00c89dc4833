import type { ChatRequest, OutputFormat, Reasoning, ToolChoice, ToolDefinition } from '#contracts/inference';
import type { Inexpressible } from '#domain/inexpressible';
import { readCacheControl } from '../cache-control.ts';
import {
  findInexpressible,
  given,
  isObject,
  optional,
  readBody,
  readBoolean,
  readInteger,
  readList,
  readMessages,
  readModel,
  readNumber,
  readObject,
  readOneOf,
  readPositiveInteger,
  readText,
  readTexts,
  refuse,
  type JsonObject,
} from '../field-reader.ts';
import { readMetadata } from '../openai/metadata.ts';
import {
  CACHE_HINTS,
  narrowTools,
  readEffort,
  readFormatType,
  readFunctionName,
  readFunctionTool,
  readJsonSchemaFormat,
  readServiceTier,
  readVerbosity,
} from '../openai/options.ts';
import type { ClientRequest, DecodeInput } from '../surface.ts';
import { decodeMessages } from './messages.ts';

const readMaxTokens = (body: JsonObject): number | undefined =>
  optional(body, 'max_completion_tokens', readPositiveInteger) ??
  optional(body, 'max_tokens', readPositiveInteger);

export const readOpenaiRequest = (value: unknown): ClientRequest => {
  const body = readBody(value);
  const model = readModel(body);
  readMessages(body).forEach((message, index) => {
    readText(readObject(message, `messages.${index}`)['role'], `messages.${index}.role`);
  });
  const streamOptions = optional(body, 'stream_options', readObject);
  if (streamOptions !== undefined) optional(streamOptions, 'include_usage', readBoolean, 'stream_options.');
  return {
    model,
    stream: optional(body, 'stream', readBoolean) ?? false,
    streamFraming: 'sse',
    maxOutputTokens: readMaxTokens(body) ?? null,
    endUser: optional(body, 'user', readText) ?? null,
    metadata: readMetadata(body),
  };
};

const readTool = (value: unknown, param: string, inexpressible: Inexpressible): ToolDefinition[] => {
  const tool = readObject(value, param);
  if (tool['type'] !== 'function') {
    inexpressible.param(param);
    return [];
  }
  const fn = readObject(tool['function'], `${param}.function`);
  return [{ ...readFunctionTool(fn, `${param}.function.`, inexpressible), ...readCacheControl(tool, param) }];
};

/** `{type: "function", function: {name}}`. */
const readNamedFunction = (value: unknown, param: string): string => {
  const choice = readObject(value, param);
  const { name } = readObject(choice['function'] ?? {}, `${param}.function`);
  if (choice['type'] !== 'function') return readFunctionName(value, param);
  return readText(name, `${param}.function.name`);
};

const readToolUse = (
  body: JsonObject,
  inexpressible: Inexpressible,
): Pick<ChatRequest, 'tools' | 'toolChoice'> => {
  const tools = (optional(body, 'tools', readList) ?? []).flatMap((tool, index) =>
    readTool(tool, `tools.${index}`, inexpressible),
  );
  const choice = body['tool_choice'];
  if (choice === undefined || choice === null) return { tools };
  if (choice === 'auto' || choice === 'none' || choice === 'required') {
    return { tools, toolChoice: { type: choice } };
  }
  // Mistral's word for it.
  if (choice === 'any') return { tools, toolChoice: { type: 'required' } };
  const object = readObject(choice, 'tool_choice');
  if (object['type'] !== 'allowed_tools') {
    const toolChoice: ToolChoice = { type: 'tool', name: readNamedFunction(choice, 'tool_choice') };
    return { tools, toolChoice };
  }
  const param = 'tool_choice.allowed_tools';
  const allowed = readObject(object['allowed_tools'], param);
  const names = readList(allowed['tools'], `${param}.tools`).map((tool, index) =>
    readNamedFunction(tool, `${param}.tools.${index}`),
  );
  return narrowTools(tools, { mode: allowed['mode'], names, param });
};

const readOutputFormat = (value: unknown, param: string): OutputFormat | null => {
  const format = readObject(value, param);
  switch (readFormatType(format, param)) {
    case 'text':
      return null;
    case 'json_object':
      return { type: 'json' };
    case 'json_schema':
      return readJsonSchemaFormat(
        readObject(format['json_schema'], `${param}.json_schema`),
        `${param}.json_schema.`,
      );
  }
};

const readReasoningBudget = (value: unknown, param: string): Reasoning => {
  const reasoning = readObject(value, param);
  const exclude = optional(reasoning, 'exclude', readBoolean, `${param}.`);
  return given({
    effort:
      optional(reasoning, 'effort', readEffort, `${param}.`) ??
      (reasoning['enabled'] === false ? ('none' as const) : undefined),
    budgetTokens: optional(reasoning, 'max_tokens', readPositiveInteger, `${param}.`),
    shown: exclude === undefined ? undefined : !exclude,
  });
};

const readReasoningFormat = readOneOf(['parsed', 'hidden']);

/** By OpenAI's word, by OpenRouter's object, or by Groq's options. */
const readReasoning = (body: JsonObject): Reasoning | undefined => {
  const effort = optional(body, 'reasoning_effort', readEffort);
  const format = optional(body, 'reasoning_format', readReasoningFormat);
  const asked = optional(body, 'reasoning', readReasoningBudget);
  const shown =
    optional(body, 'include_reasoning', readBoolean) ??
    (format === undefined ? undefined : format === 'parsed');
  return asked === undefined && effort === undefined && shown === undefined
    ? undefined
    : { ...asked, ...given({ effort, shown }) };
};

const readStop = (value: unknown, param: string): string[] =>
  typeof value === 'string' ? [value] : readTexts(value, param);

/** Fields that are translated. */
const EXPRESSIBLE: ReadonlySet<string> = new Set([
  'model',
  'messages',
  'stream',
  'stream_options',
  'tools',
  'tool_choice',
  'parallel_tool_calls',
  'response_format',
  'reasoning_effort',
  'reasoning_format',
  'include_reasoning',
  'reasoning',
  'max_tokens',
  'max_completion_tokens',
  'temperature',
  'top_p',
  'top_k',
  'frequency_penalty',
  'presence_penalty',
  'seed',
  'random_seed',
  'logprobs',
  'top_logprobs',
  'verbosity',
  'service_tier',
  'stop',
  'user',
]);

/** Values of other fields that ask for nothing the answer would lack. */
const CHANGES_NOTHING: Readonly<Record<string, (value: unknown) => boolean>> = {
  // They are flo2's labels.
  metadata: () => true,
  store: (value) => value === false,
  safe_prompt: (value) => value === false,
  n: (value) => value === 1,
  modalities: (value) => JSON.stringify(value) === '["text"]',
  logit_bias: (value) => isObject(value) && Object.keys(value).length === 0,
};

const readLogprobs = (body: JsonObject): number | undefined => {
  const alternatives = optional(body, 'top_logprobs', readInteger) ?? 0;
  if (optional(body, 'logprobs', readBoolean) === true) return alternatives;
  return alternatives === 0 ? undefined : refuse('top_logprobs', 'must come with "logprobs": true.');
};

const HINTS = new Set(['store', ...CACHE_HINTS]);

/** A penalty of 0 is none, and every model has it. */
const readPenalty = (body: JsonObject, field: string): number | undefined =>
  optional(body, field, readNumber) || undefined;

export const decodeOpenaiRequest = ({ body: value, stream, inexpressible }: DecodeInput): ChatRequest => {
  const body = readBody(value);
  findInexpressible(
    body,
    { expressible: EXPRESSIBLE, changesNothing: CHANGES_NOTHING, hints: HINTS },
    inexpressible,
  );
  return {
    stream,
    ...decodeMessages(body, inexpressible),
    ...readToolUse(body, inexpressible),
    stop: optional(body, 'stop', readStop) ?? [],
    ...given({
      parallelToolCalls: optional(body, 'parallel_tool_calls', readBoolean),
      outputFormat: optional(body, 'response_format', readOutputFormat) ?? undefined,
      reasoning: readReasoning(body),
      maxOutputTokens: readMaxTokens(body),
      temperature: optional(body, 'temperature', readNumber),
      topP: optional(body, 'top_p', readNumber),
      topK: optional(body, 'top_k', readPositiveInteger),
      frequencyPenalty: readPenalty(body, 'frequency_penalty'),
      presencePenalty: readPenalty(body, 'presence_penalty'),
      // Mistral has a name of its own for it.
      seed: optional(body, 'seed', readInteger) ?? optional(body, 'random_seed', readInteger),
      logprobs: readLogprobs(body),
      verbosity: readVerbosity(body),
      serviceTier: readServiceTier(body, inexpressible),
      endUser: optional(body, 'user', readText),
    }),
  };
};
