import type {
  AssistantMessage,
  ChatMessage,
  ChatRequest,
  ImagePart,
  TextPart,
  ToolCallPart,
  ToolChoice,
  ToolResultPart,
  UserMessage,
} from '#contracts/inference';
import { FloError } from '#domain/errors';
import { isObject } from '../json-fields.ts';

/** The API demands a bound, and other dialects' clients may leave it open. */
export const MAX_TOKENS_DEFAULT = 4_096;
const TEMPERATURE_MAX = 1;

type Block = { type: string; [field: string]: unknown };
type EncodedMessage = { role: 'user' | 'assistant'; content: Block[] };

const encodePart = (part: TextPart | ImagePart): Block => {
  if (part.type === 'text') return { type: 'text', text: part.text };
  const { source } = part;
  return {
    type: 'image',
    source:
      source.kind === 'url'
        ? { type: 'url', url: source.url }
        : { type: 'base64', media_type: source.mediaType, data: source.data },
  };
};

/** Empty texts are refused there. */
const isSomething = (part: TextPart | ImagePart): boolean => part.type !== 'text' || part.text !== '';

const encodeToolResult = ({ toolCallId, content, isError }: ToolResultPart): Block => ({
  type: 'tool_result',
  tool_use_id: toolCallId,
  content: content.filter(isSomething).map(encodePart),
  ...(isError && { is_error: true }),
});

/** Results of tools come before anything else of the message. */
const encodeUser = ({ content }: UserMessage): Block[] => [
  ...content.filter((part) => part.type === 'tool_result').map(encodeToolResult),
  ...content
    .filter((part) => part.type !== 'tool_result')
    .filter(isSomething)
    .map(encodePart),
];

const encodeToolCall = ({ id, name, argumentsJson }: ToolCallPart): Block => {
  let input: unknown;
  try {
    input = JSON.parse(argumentsJson === '' ? '{}' : argumentsJson);
  } catch {
    input = null;
  }
  if (!isObject(input)) {
    throw new FloError('invalid_request', `The arguments of the tool call ${id} must be a JSON object.`, {
      param: 'messages',
    });
  }
  return { type: 'tool_use', id, name, input };
};

const encodeAssistant = ({ content }: AssistantMessage): Block[] =>
  content
    .filter((part) => part.type !== 'text' || part.text !== '')
    .map((part) => (part.type === 'text' ? { type: 'text', text: part.text } : encodeToolCall(part)));

const encodeMessage = (message: ChatMessage): EncodedMessage =>
  message.role === 'user'
    ? { role: 'user', content: encodeUser(message) }
    : { role: 'assistant', content: encodeAssistant(message) };

/** Roles have to alternate: neighbours of one role become one message. */
const encodeMessages = (messages: readonly ChatMessage[]): EncodedMessage[] => {
  const encoded: EncodedMessage[] = [];
  for (const message of messages.map(encodeMessage)) {
    if (message.content.length === 0) continue;
    const last = encoded.at(-1);
    if (last?.role === message.role) last.content.push(...message.content);
    else encoded.push(message);
  }
  return encoded;
};

const encodeToolChoice = (choice: ToolChoice | undefined, parallel: boolean | undefined) => {
  const disable = parallel === false && choice?.type !== 'none' && { disable_parallel_tool_use: true };
  switch (choice?.type) {
    case undefined:
      return disable === false ? undefined : { type: 'auto', ...disable };
    case 'auto':
      return { type: 'auto', ...disable };
    case 'required':
      return { type: 'any', ...disable };
    case 'tool':
      return { type: 'tool', name: choice.name, ...disable };
    case 'none':
      return { type: 'none' };
  }
};

/** The body of `POST /v1/messages`. Throws `FloError` `invalid_request` for what the API cannot be asked. */
export const encodeAnthropicRequest = (request: ChatRequest, model: string): object => {
  if (request.temperature !== undefined && request.temperature > TEMPERATURE_MAX) {
    throw new FloError('invalid_request', `temperature must be at most ${TEMPERATURE_MAX} for this model.`, {
      param: 'temperature',
    });
  }
  const toolChoice =
    request.tools.length === 0 ? undefined : encodeToolChoice(request.toolChoice, request.parallelToolCalls);
  return {
    model,
    max_tokens: request.maxOutputTokens ?? MAX_TOKENS_DEFAULT,
    ...(request.system.length > 0 && { system: request.system.filter(isSomething).map(encodePart) }),
    messages: encodeMessages(request.messages),
    ...(request.tools.length > 0 && {
      tools: request.tools.map(({ name, description, inputSchema }) => ({
        name,
        ...(description !== undefined && { description }),
        input_schema: inputSchema,
      })),
    }),
    ...(toolChoice !== undefined && { tool_choice: toolChoice }),
    ...(request.temperature !== undefined && { temperature: request.temperature }),
    ...(request.topP !== undefined && { top_p: request.topP }),
    ...(request.topK !== undefined && { top_k: request.topK }),
    ...(request.stop.length > 0 && { stop_sequences: request.stop }),
    ...(request.endUser !== undefined && { metadata: { user_id: request.endUser } }),
    ...(request.stream && { stream: true }),
  };
};
