import type {
  ChatMessage,
  ChatRequest,
  ImagePart,
  ImageSource,
  TextPart,
  ToolCallPart,
  ToolChoice,
  ToolDefinition,
  ToolResultPart,
} from '#contracts/inference';
import {
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
import type { ClientRequest } from '../surface.ts';

const NO_METADATA = Object.freeze({});

const readEndUser = (body: JsonObject): string | undefined => {
  const metadata = optional(body, 'metadata', readObject);
  return metadata === undefined ? undefined : optional(metadata, 'user_id', readText, 'metadata.');
};

export const readAnthropicRequest = (value: unknown): ClientRequest => {
  const body = readBody(value);
  const model = readModel(body);
  readMessages(body);
  return {
    model,
    stream: optional(body, 'stream', readBoolean) ?? false,
    maxOutputTokens: readPositiveInteger(body['max_tokens'], 'max_tokens'),
    endUser: readEndUser(body) ?? null,
    metadata: NO_METADATA,
  };
};

const readSource = (value: unknown, param: string): ImageSource => {
  const source = readObject(value, param);
  switch (source['type']) {
    case 'url':
      return { kind: 'url', url: readText(source['url'], `${param}.url`) };
    case 'base64':
      return {
        kind: 'base64',
        mediaType: readText(source['media_type'], `${param}.media_type`),
        data: readText(source['data'], `${param}.data`),
      };
    default:
      return refuse(`${param}.type`, 'must be "url" or "base64" for a model of this provider.');
  }
};

const readPart = (value: unknown, param: string): TextPart | ImagePart => {
  const block = readObject(value, param);
  switch (block['type']) {
    case 'text':
      return { type: 'text', text: readText(block['text'], `${param}.text`) };
    case 'image':
      return { type: 'image', source: readSource(block['source'], `${param}.source`) };
    default:
      return refuse(`${param}.type`, 'cannot be sent to a model of this provider.');
  }
};

const readParts = (value: unknown, param: string): (TextPart | ImagePart)[] =>
  typeof value === 'string'
    ? [{ type: 'text', text: value }]
    : readList(value, param).map((part, index) => readPart(part, `${param}.${index}`));

const readTexts = (value: unknown, param: string): TextPart[] =>
  readParts(value, param).map((part, index) =>
    part.type === 'text' ? part : refuse(`${param}.${index}.type`, 'must be "text" here.'),
  );

const readToolResult = (block: JsonObject, param: string): ToolResultPart => ({
  type: 'tool_result',
  toolCallId: readText(block['tool_use_id'], `${param}.tool_use_id`),
  content: optional(block, 'content', readParts, `${param}.`) ?? [],
  isError: optional(block, 'is_error', readBoolean, `${param}.`) ?? false,
});

const readUserPart = (value: unknown, param: string): TextPart | ImagePart | ToolResultPart => {
  const block = readObject(value, param);
  return block['type'] === 'tool_result' ? readToolResult(block, param) : readPart(block, param);
};

/** Thinking belongs to the model that thought it, and is of no use to another. */
const readAssistantPart = (value: unknown, param: string): (TextPart | ToolCallPart)[] => {
  const block = readObject(value, param);
  switch (block['type']) {
    case 'text':
      return [{ type: 'text', text: readText(block['text'], `${param}.text`) }];
    case 'tool_use':
      return [
        {
          type: 'tool_call',
          id: readText(block['id'], `${param}.id`),
          name: readText(block['name'], `${param}.name`),
          argumentsJson: JSON.stringify(readObject(block['input'], `${param}.input`)),
        },
      ];
    case 'thinking':
    case 'redacted_thinking':
      return [];
    default:
      return refuse(`${param}.type`, 'cannot be sent to a model of this provider.');
  }
};

const readMessage = (value: unknown, param: string): ChatMessage => {
  const message = readObject(value, param);
  const content = message['content'];
  const blocks = typeof content === 'string' ? [{ type: 'text', text: content }] : content;
  const list = readList(blocks, `${param}.content`);
  switch (message['role']) {
    case 'user':
      return {
        role: 'user',
        content: list.map((part, index) => readUserPart(part, `${param}.content.${index}`)),
      };
    case 'assistant':
      return {
        role: 'assistant',
        content: list.flatMap((part, index) => readAssistantPart(part, `${param}.content.${index}`)),
      };
    default:
      return refuse(`${param}.role`, 'must be "user" or "assistant".');
  }
};

const readTool = (value: unknown, param: string): ToolDefinition => {
  const tool = readObject(value, param);
  const { type } = tool;
  if (type !== undefined && type !== null && type !== 'custom') {
    refuse(`${param}.type`, 'is a tool of another provider; leave it out.');
  }
  const description = optional(tool, 'description', readText, `${param}.`);
  return {
    name: readText(tool['name'], `${param}.name`),
    ...(description !== undefined && { description }),
    inputSchema: readSchema(tool['input_schema'], `${param}.input_schema`),
  };
};

const readToolChoice = (value: unknown, param: string): { choice: ToolChoice; parallel: boolean } => {
  const given = readObject(value, param);
  const parallel = !(optional(given, 'disable_parallel_tool_use', readBoolean, `${param}.`) ?? false);
  switch (given['type']) {
    case 'auto':
      return { choice: { type: 'auto' }, parallel };
    case 'any':
      return { choice: { type: 'required' }, parallel };
    case 'none':
      return { choice: { type: 'none' }, parallel };
    case 'tool':
      return { choice: { type: 'tool', name: readText(given['name'], `${param}.name`) }, parallel };
    default:
      return refuse(`${param}.type`, 'must be auto, any, tool or none.');
  }
};

const isDisabled = (value: unknown): boolean => isObject(value) && value['type'] === 'disabled';

/** What would change the answer and has no counterpart; a value that changes nothing is let through. */
const INEXPRESSIBLE: readonly { field: string; changesNothing: (value: unknown) => boolean }[] = [
  { field: 'thinking', changesNothing: isDisabled },
  { field: 'container', changesNothing: () => false },
  { field: 'mcp_servers', changesNothing: (value) => Array.isArray(value) && value.length === 0 },
  { field: 'context_management', changesNothing: () => false },
  { field: 'output_format', changesNothing: () => false },
  { field: 'output_config', changesNothing: (value) => isObject(value) && Object.keys(value).length === 0 },
  { field: 'service_tier', changesNothing: (value) => value === 'auto' || value === 'standard_only' },
];

const readStops = (value: unknown, param: string): string[] =>
  readList(value, param).map((stop, index) => readText(stop, `${param}.${index}`));

export const decodeAnthropicRequest = (value: unknown): ChatRequest => {
  const body = readBody(value);
  for (const { field, changesNothing } of INEXPRESSIBLE) {
    const given = body[field];
    if (given !== undefined && given !== null && !changesNothing(given)) {
      refuse(field, 'cannot be asked of a model of this provider; leave it out.');
    }
  }
  const toolChoice = optional(body, 'tool_choice', readToolChoice);
  const temperature = optional(body, 'temperature', readNumber);
  const topP = optional(body, 'top_p', readNumber);
  const topK = optional(body, 'top_k', readNumber);
  const endUser = readEndUser(body);
  return {
    stream: optional(body, 'stream', readBoolean) ?? false,
    system: optional(body, 'system', readTexts) ?? [],
    messages: readMessages(body).map((message, index) => readMessage(message, `messages.${index}`)),
    tools: (optional(body, 'tools', readList) ?? []).map((tool, index) => readTool(tool, `tools.${index}`)),
    ...(toolChoice !== undefined && { toolChoice: toolChoice.choice }),
    ...(toolChoice?.parallel === false && { parallelToolCalls: false }),
    maxOutputTokens: readPositiveInteger(body['max_tokens'], 'max_tokens'),
    ...(temperature !== undefined && { temperature }),
    ...(topP !== undefined && { topP }),
    ...(topK !== undefined && { topK }),
    stop: optional(body, 'stop_sequences', readStops) ?? [],
    ...(endUser !== undefined && { endUser }),
  };
};
