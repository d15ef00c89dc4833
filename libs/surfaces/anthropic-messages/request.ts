import type { ChatRequest, ToolChoice, ToolDefinition } from '#contracts/inference';
import {
  findInexpressible,
  isObject,
  optional,
  readBody,
  readBoolean,
  readList,
  readMessages,
  readModel,
  readNumber,
  readObject,
  readPositiveInteger,
  readSchema,
  readText,
  refuse,
  type JsonObject,
} from '../field-reader.ts';
import type { ClientRequest, DecodeInput } from '../surface.ts';
import { readMessage, readSystem } from './content.ts';

const NO_METADATA = Object.freeze({});

const checkMessage = (value: unknown, param: string): void => {
  const { role, content } = readObject(value, param);
  readText(role, `${param}.role`);
  if (typeof content !== 'string' && !Array.isArray(content)) {
    refuse(`${param}.content`, 'must be a string or a list of content blocks.');
  }
};

const readEndUser = (body: JsonObject): string | null => {
  const metadata = optional(body, 'metadata', readObject);
  return (metadata && optional(metadata, 'user_id', readText, 'metadata.')) ?? null;
};

/** Runs for every request; fields it does not know are for the provider. */
export const readAnthropicRequest = (value: unknown): ClientRequest => {
  const body = readBody(value);
  const model = readModel(body);
  const maxOutputTokens = readPositiveInteger(body['max_tokens'], 'max_tokens');
  readMessages(body).forEach((message, index) => checkMessage(message, `messages.${index}`));
  return {
    model,
    stream: optional(body, 'stream', readBoolean) ?? false,
    streamFraming: 'sse',
    maxOutputTokens,
    endUser: readEndUser(body),
    metadata: NO_METADATA,
  };
};

const readTool = (value: unknown, param: string): ToolDefinition => {
  const tool = readObject(value, param);
  const type = tool['type'] ?? 'custom';
  if (type !== 'custom') refuse(`${param}.type`, 'must be "custom" for a model of this provider.');
  const description = optional(tool, 'description', readText, `${param}.`);
  return {
    name: readText(tool['name'], `${param}.name`),
    ...(description !== undefined && { description }),
    inputSchema: readSchema(tool['input_schema'], `${param}.input_schema`),
  };
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
]);

/** Values of other fields that ask for nothing the answer would lack. */
const CHANGES_NOTHING: Readonly<Record<string, (value: unknown) => boolean>> = {
  cache_control: () => true,
  service_tier: (value) => value === 'auto' || value === 'standard_only',
  mcp_servers: (value) => Array.isArray(value) && value.length === 0,
  output_config: (value) => isObject(value) && Object.keys(value).length === 0,
  speed: (value) => value === 'standard',
  thinking: (value) => isObject(value) && value['type'] === 'disabled',
};

/** Throws `FloError` `invalid_request` that names what the canonical form cannot hold. */
export const decodeAnthropicRequest = ({ body: value, stream, inexpressible }: DecodeInput): ChatRequest => {
  const { maxOutputTokens, endUser } = readAnthropicRequest(value);
  const body = readBody(value);
  findInexpressible(body, { expressible: EXPRESSIBLE, changesNothing: CHANGES_NOTHING }, inexpressible);
  const toolChoice = optional(body, 'tool_choice', readToolChoice);
  const oneCallOnly = optional(
    optional(body, 'tool_choice', readObject) ?? {},
    'disable_parallel_tool_use',
    readBoolean,
    'tool_choice.',
  );
  const temperature = optional(body, 'temperature', readNumber);
  const topP = optional(body, 'top_p', readNumber);
  const topK = optional(body, 'top_k', readNumber);
  return {
    stream,
    system: optional(body, 'system', readSystem) ?? [],
    messages: readMessages(body).map((message, index) => readMessage(message, `messages.${index}`)),
    tools: (optional(body, 'tools', readList) ?? []).map((tool, index) => readTool(tool, `tools.${index}`)),
    ...(toolChoice !== undefined && { toolChoice }),
    ...(oneCallOnly !== undefined && { parallelToolCalls: !oneCallOnly }),
    ...(maxOutputTokens !== null && { maxOutputTokens }),
    ...(temperature !== undefined && { temperature }),
    ...(topP !== undefined && { topP }),
    ...(topK !== undefined && { topK }),
    stop: (optional(body, 'stop_sequences', readList) ?? []).map((text, index) =>
      readText(text, `stop_sequences.${index}`),
    ),
    ...(endUser !== null && { endUser }),
  };
};
