import type { ChatRequest, OutputFormat, Reasoning, ToolChoice, ToolDefinition } from '#contracts/inference';
import { REASONING_EFFORTS } from '#contracts/inference';
import type { Inexpressible } from '#domain/inexpressible';
import { readCacheControl } from '../cache-control.ts';
import {
  findInexpressible,
  given,
  isObject,
  optional,
  readBody,
  readBoolean,
  readList,
  readMessages,
  readModel,
  readNumber,
  readObject,
  readOneOf,
  readPositiveInteger,
  readSchema,
  readText,
  readTexts,
  refuse,
  type JsonObject,
} from '../field-reader.ts';
import type { ClientRequest, DecodeInput } from '../surface.ts';
import { MessagesReader } from './content.ts';

const NO_METADATA = Object.freeze({});

const checkMessage = (value: unknown, param: string): void => {
  const { role, content } = readObject(value, param);
  readText(role, `${param}.role`);
  if (typeof content !== 'string' && !Array.isArray(content)) {
    refuse(`${param}.content`, 'must be a string or a list of content blocks.');
  }
};

const readEndUser = (body: JsonObject): string | undefined => {
  const metadata = optional(body, 'metadata', readObject);
  return metadata && optional(metadata, 'user_id', readText, 'metadata.');
};

/** What every request of the dialect has, one for a count included. */
export const readMessagesRequest = (body: JsonObject): ClientRequest => {
  const model = readModel(body);
  readMessages(body).forEach((message, index) => checkMessage(message, `messages.${index}`));
  return {
    model,
    stream: optional(body, 'stream', readBoolean) ?? false,
    streamFraming: 'sse',
    maxOutputTokens: null,
    endUser: readEndUser(body) ?? null,
    metadata: NO_METADATA,
  };
};

/** Runs for every request; fields it does not know are for the provider. */
export const readAnthropicRequest = (value: unknown): ClientRequest => {
  const body = readBody(value);
  readModel(body);
  const maxOutputTokens = readPositiveInteger(body['max_tokens'], 'max_tokens');
  return { ...readMessagesRequest(body), maxOutputTokens };
};

const TOOL_FIELDS = new Set(['type', 'name', 'description', 'input_schema', 'strict', 'cache_control']);

const readTool = (value: unknown, param: string, inexpressible: Inexpressible): ToolDefinition[] => {
  const tool = readObject(value, param);
  if ((tool['type'] ?? 'custom') !== 'custom') {
    // It runs on the provider's side, or is known to its models alone.
    inexpressible.param(param);
    return [];
  }
  findInexpressible(
    tool,
    { expressible: TOOL_FIELDS, changesNothing: {}, prefix: `${param}.` },
    inexpressible,
  );
  return [
    {
      ...given({
        name: readText(tool['name'], `${param}.name`),
        description: optional(tool, 'description', readText, `${param}.`),
        inputSchema: readSchema(tool['input_schema'], `${param}.input_schema`),
        strict: optional(tool, 'strict', readBoolean, `${param}.`),
      }),
      ...readCacheControl(tool, param),
    },
  ];
};

const readToolChoice = (value: unknown, param: string): ToolChoice => {
  const choice = readObject(value, param);
  switch (choice['type']) {
    case 'auto':
    case 'none':
      return { type: choice['type'] };
    case 'any':
      return { type: 'required' };
    case 'tool':
      return { type: 'tool', name: readText(choice['name'], `${param}.name`) };
    default:
      return refuse(`${param}.type`, 'must be "auto", "any", "tool" or "none".');
  }
};

const readToolUse = (
  body: JsonObject,
  inexpressible: Inexpressible,
): Pick<ChatRequest, 'tools' | 'toolChoice' | 'parallelToolCalls'> => {
  const choice = optional(body, 'tool_choice', readObject) ?? {};
  const oneCallOnly = optional(choice, 'disable_parallel_tool_use', readBoolean, 'tool_choice.');
  return given({
    tools: (optional(body, 'tools', readList) ?? []).flatMap((tool, index) =>
      readTool(tool, `tools.${index}`, inexpressible),
    ),
    toolChoice: optional(body, 'tool_choice', readToolChoice),
    parallelToolCalls: oneCallOnly === undefined ? undefined : !oneCallOnly,
  });
};

const readDisplay = readOneOf(['summarized', 'full', 'omitted']);

/** Null where it is off, which is what a model does unasked. What is thought is shown unless it is omitted. */
const readThinking = (value: unknown, param: string): Reasoning | null => {
  const thinking = readObject(value, param);
  const shown = optional(thinking, 'display', readDisplay, `${param}.`) !== 'omitted';
  switch (thinking['type']) {
    case 'disabled':
      return null;
    case 'adaptive':
      return { shown };
    case 'enabled':
      return {
        budgetTokens: readPositiveInteger(thinking['budget_tokens'], `${param}.budget_tokens`),
        shown,
      };
    default:
      return refuse(`${param}.type`, 'must be "enabled", "adaptive" or "disabled".');
  }
};

const readEffort = readOneOf(REASONING_EFFORTS);

const readFormat = (value: unknown, param: string): OutputFormat => {
  const format = readObject(value, param);
  if (format['type'] !== 'json_schema') refuse(`${param}.type`, 'must be "json_schema".');
  return { type: 'json_schema', schema: readSchema(format['schema'], `${param}.schema`), strict: true };
};

const OUTPUT_FIELDS = new Set(['effort', 'format']);

/** `output_format` is the name from before it was one of several options. */
const readOutput = (
  body: JsonObject,
  inexpressible: Inexpressible,
): Pick<ChatRequest, 'outputFormat' | 'reasoning'> => {
  const config = optional(body, 'output_config', readObject) ?? {};
  findInexpressible(
    config,
    { expressible: OUTPUT_FIELDS, changesNothing: {}, prefix: 'output_config.' },
    inexpressible,
  );
  const effort = optional(config, 'effort', readEffort, 'output_config.');
  const thinking = optional(body, 'thinking', readThinking) ?? undefined;
  return given({
    outputFormat:
      optional(config, 'format', readFormat, 'output_config.') ?? optional(body, 'output_format', readFormat),
    reasoning: effort === undefined ? thinking : { ...thinking, effort },
  });
};

const EXPRESSIBLE = new Set([
  'model',
  'max_tokens',
  'messages',
  'system',
  'stream',
  'tools',
  'tool_choice',
  'temperature',
  'top_p',
  'top_k',
  'stop_sequences',
  'metadata',
  'thinking',
  'output_config',
  'output_format',
]);

/** Values of other fields that ask for nothing the answer would lack. */
const CHANGES_NOTHING: Readonly<Record<string, (value: unknown) => boolean>> = {
  service_tier: (value) => value === 'auto' || value === 'standard_only',
  mcp_servers: (value) => Array.isArray(value) && value.length === 0,
  context_management: (value) => isObject(value) && Object.keys(value).length === 0,
  speed: (value) => value === 'standard',
};

/** The mark on the request as a whole: what to keep is left to the provider. */
const HINTS = new Set(['cache_control']);

/** Throws `FloError` `invalid_request` that names what the canonical form cannot hold. */
export const decodeMessagesRequest = (
  body: JsonObject,
  { stream, inexpressible }: Pick<DecodeInput, 'stream' | 'inexpressible'>,
): ChatRequest => {
  findInexpressible(
    body,
    { expressible: EXPRESSIBLE, changesNothing: CHANGES_NOTHING, hints: HINTS },
    inexpressible,
  );
  const reader = new MessagesReader(inexpressible);
  return {
    stream,
    system: optional(body, 'system', (value, param) => reader.readSystem(value, param)) ?? [],
    messages: readMessages(body).map((message, index) => reader.read(message, `messages.${index}`)),
    ...readToolUse(body, inexpressible),
    ...readOutput(body, inexpressible),
    stop: optional(body, 'stop_sequences', readTexts) ?? [],
    ...given({
      maxOutputTokens: optional(body, 'max_tokens', readPositiveInteger),
      temperature: optional(body, 'temperature', readNumber),
      topP: optional(body, 'top_p', readNumber),
      topK: optional(body, 'top_k', readNumber),
      serviceTier: body['service_tier'] === 'standard_only' ? ('standard' as const) : undefined,
      endUser: readEndUser(body),
    }),
  };
};

export const decodeAnthropicRequest = ({ body, ...input }: DecodeInput): ChatRequest => {
  readAnthropicRequest(body);
  return decodeMessagesRequest(readBody(body), input);
};
