import type {
  AssistantMessage,
  ChatMessage,
  ChatRequest,
  ImagePart,
  BinarySource,
  TextPart,
  ToolCallPart,
  ToolChoice,
  ToolDefinition,
} from '#contracts/inference';
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

const NO_METADATA = Object.freeze({});

const readMetadata = (value: unknown): Readonly<Record<string, string>> => {
  const metadata = readObject(value, 'metadata');
  for (const [key, text] of Object.entries(metadata)) readText(text, `metadata.${key.slice(0, 64)}`);
  return metadata as Readonly<Record<string, string>>;
};

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
    metadata: optional(body, 'metadata', readMetadata) ?? NO_METADATA,
  };
};

const DATA_URL = /^data:([a-z0-9.+/-]+);base64,/i;

const readImageUrl = (url: string, param: string): BinarySource => {
  const match = DATA_URL.exec(url.slice(0, 200));
  if (match?.[1] !== undefined) {
    return { kind: 'base64', mediaType: match[1].toLowerCase(), data: url.slice(match[0].length) };
  }
  if (/^https?:\/\//i.test(url)) return { kind: 'url', url };
  return refuse(param, 'must be an http(s) URL or a base64 data URL.');
};

const readPart = (value: unknown, param: string): TextPart | ImagePart => {
  const part = readObject(value, param);
  switch (part['type']) {
    case 'text':
      return { type: 'text', text: readText(part['text'], `${param}.text`) };
    case 'refusal':
      return { type: 'text', text: readText(part['refusal'], `${param}.refusal`) };
    case 'image_url': {
      const image = readObject(part['image_url'], `${param}.image_url`);
      const url = readText(image['url'], `${param}.image_url.url`);
      return { type: 'image', source: readImageUrl(url, `${param}.image_url.url`) };
    }
    default:
      return refuse(`${param}.type`, 'must be "text" or "image_url" for a model of this provider.');
  }
};

const readContent = (value: unknown, param: string): (TextPart | ImagePart)[] => {
  if (typeof value === 'string') return [{ type: 'text', text: value }];
  return readList(value, param).map((part, index) => readPart(part, `${param}.${index}`));
};

const readTexts = (value: unknown, param: string): TextPart[] =>
  readContent(value, param).map((part, index) =>
    part.type === 'text' ? part : refuse(`${param}.${index}.type`, 'must be "text" in this message.'),
  );

const readToolCall = (value: unknown, param: string): ToolCallPart => {
  const call = readObject(value, param);
  if (call['type'] !== 'function')
    refuse(`${param}.type`, 'must be "function" for a model of this provider.');
  const fn = readObject(call['function'], `${param}.function`);
  return {
    type: 'tool_call',
    id: readText(call['id'], `${param}.id`),
    name: readText(fn['name'], `${param}.function.name`),
    argumentsJson: readText(fn['arguments'], `${param}.function.arguments`),
  };
};

const readAssistant = (message: JsonObject, param: string): AssistantMessage => {
  if (message['function_call'] !== undefined && message['function_call'] !== null) {
    refuse(`${param}.function_call`, 'use tool_calls instead.');
  }
  if (isObject(message['audio'])) refuse(`${param}.audio`, 'cannot be sent to a model of this provider.');
  const texts = optional(message, 'content', readTexts, `${param}.`) ?? [];
  const refusal = optional(message, 'refusal', readText, `${param}.`);
  const calls = optional(message, 'tool_calls', readList, `${param}.`) ?? [];
  return {
    role: 'assistant',
    content: [
      ...texts.filter(({ text }) => text !== ''),
      ...(refusal === undefined ? [] : [{ type: 'refusal' as const, text: refusal }]),
      ...calls.map((call, index) => readToolCall(call, `${param}.tool_calls.${index}`)),
    ],
  };
};

type Decoded = { system: TextPart[]; messages: ChatMessage[] };

const addMessage = (decoded: Decoded, value: unknown, param: string): void => {
  const message = readObject(value, param);
  switch (message['role']) {
    case 'system':
    case 'developer': {
      const texts = readTexts(message['content'], `${param}.content`);
      // Only before the conversation is there a place of its own for it in every dialect.
      if (decoded.messages.length === 0) decoded.system.push(...texts);
      else decoded.messages.push({ role: 'user', content: texts });
      return;
    }
    case 'user':
      decoded.messages.push({ role: 'user', content: readContent(message['content'], `${param}.content`) });
      return;
    case 'assistant':
      decoded.messages.push(readAssistant(message, param));
      return;
    case 'tool': {
      const result = {
        type: 'tool_result' as const,
        toolCallId: readText(message['tool_call_id'], `${param}.tool_call_id`),
        content: readContent(message['content'], `${param}.content`),
        isError: false,
      };
      const last = decoded.messages.at(-1);
      if (last?.role === 'user' && last.content.every((part) => part.type === 'tool_result')) {
        last.content.push(result);
      } else decoded.messages.push({ role: 'user', content: [result] });
      return;
    }
    default:
      refuse(`${param}.role`, 'must be system, developer, user, assistant or tool.');
  }
};

const readTool = (value: unknown, param: string): ToolDefinition => {
  const tool = readObject(value, param);
  if (tool['type'] !== 'function')
    refuse(`${param}.type`, 'must be "function" for a model of this provider.');
  const fn = readObject(tool['function'], `${param}.function`);
  const description = optional(fn, 'description', readText, `${param}.function.`);
  return {
    name: readText(fn['name'], `${param}.function.name`),
    ...(description !== undefined && { description }),
    inputSchema: optional(fn, 'parameters', readSchema, `${param}.function.`) ?? {
      type: 'object',
      properties: {},
    },
  };
};

const readToolChoice = (value: unknown, param: string): ToolChoice => {
  if (value === 'auto' || value === 'none' || value === 'required') return { type: value };
  const choice = readObject(value, param);
  if (choice['type'] !== 'function')
    refuse(`${param}.type`, 'must be "function" for a model of this provider.');
  const name = readText(
    readObject(choice['function'], `${param}.function`)['name'],
    `${param}.function.name`,
  );
  return { type: 'tool', name };
};

/** Fields that are translated. */
const EXPRESSIBLE: ReadonlySet<string> = new Set([
  'model',
  'messages',
  'stream',
  'stream_options',
  'tools',
  'tool_choice',
  'parallel_tool_calls',
  'max_tokens',
  'max_completion_tokens',
  'temperature',
  'top_p',
  'stop',
  'user',
]);

const always = (): boolean => true;

/** Values of other fields that ask for nothing the answer would lack. */
const CHANGES_NOTHING: Readonly<Record<string, (value: unknown) => boolean>> = {
  metadata: always,
  store: always,
  seed: always,
  prompt_cache_key: always,
  prompt_cache_retention: always,
  safety_identifier: always,
  n: (value) => value === 1,
  modalities: (value) => JSON.stringify(value) === '["text"]',
  response_format: (value) => isObject(value) && value['type'] === 'text',
  logprobs: (value) => value === false,
  top_logprobs: (value) => value === 0,
  logit_bias: (value) => isObject(value) && Object.keys(value).length === 0,
  frequency_penalty: (value) => value === 0,
  presence_penalty: (value) => value === 0,
  verbosity: (value) => value === 'medium',
  service_tier: (value) => value === 'auto' || value === 'default',
};

const readStop = (value: unknown, param: string): string[] =>
  typeof value === 'string'
    ? [value]
    : readList(value, param).map((stop, index) => readText(stop, `${param}.${index}`));

export const decodeOpenaiRequest = ({ body: value, stream, inexpressible }: DecodeInput): ChatRequest => {
  const body = readBody(value);
  findInexpressible(body, { expressible: EXPRESSIBLE, changesNothing: CHANGES_NOTHING }, inexpressible);
  const decoded: Decoded = { system: [], messages: [] };
  readMessages(body).forEach((message, index) => addMessage(decoded, message, `messages.${index}`));
  if (decoded.messages.length === 0) refuse('messages', 'must hold a message of the user.');
  const tools = optional(body, 'tools', readList) ?? [];
  const toolChoice = optional(body, 'tool_choice', readToolChoice);
  const parallelToolCalls = optional(body, 'parallel_tool_calls', readBoolean);
  const maxOutputTokens = readMaxTokens(body);
  const temperature = optional(body, 'temperature', readNumber);
  const topP = optional(body, 'top_p', readNumber);
  const endUser = optional(body, 'user', readText);
  return {
    stream,
    ...decoded,
    tools: tools.map((tool, index) => readTool(tool, `tools.${index}`)),
    ...(toolChoice !== undefined && { toolChoice }),
    ...(parallelToolCalls !== undefined && { parallelToolCalls }),
    ...(maxOutputTokens !== undefined && { maxOutputTokens }),
    ...(temperature !== undefined && { temperature }),
    ...(topP !== undefined && { topP }),
    stop: optional(body, 'stop', readStop) ?? [],
    ...(endUser !== undefined && { endUser }),
  };
};
