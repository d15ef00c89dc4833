import type {
  AssistantPart,
  BinarySource,
  ChatMessage,
  ChatRequest,
  DocumentPart,
  ImagePart,
  TextPart,
  ToolCallPart,
  UserPart,
} from '#contracts/inference';
import { FloError } from '#domain/errors';
import { isObject, type JsonObject } from '../json-fields.ts';
import type { TranslatedInput } from '../provider.ts';
import { findUnwritten, refusePart } from '../request-fields.ts';

/** The API wants a bound on every answer; this one stands for a client that gave none. */
export const DEFAULT_MAX_OUTPUT_TOKENS = 4_096;

const refuse = (param: string, message: string): never => {
  throw new FloError('invalid_request', message, { param });
};

const parseArguments = ({ name, argumentsJson }: ToolCallPart): JsonObject => {
  // A call without arguments is written with none by some models.
  if (argumentsJson.trim() === '') return {};
  let value: unknown = null;
  try {
    value = JSON.parse(argumentsJson);
  } catch {
    // Refused below, like every other text that is no object.
  }
  if (isObject(value)) return value;
  return refuse(
    'messages',
    `The arguments of the call of the tool "${name}" in messages are no JSON object. Send them as the text of one.`,
  );
};

const encodeSource = (source: BinarySource | { kind: 'text'; text: string }) => {
  switch (source.kind) {
    case 'url':
      return { type: 'url', url: source.url };
    case 'base64':
      return { type: 'base64', media_type: source.mediaType, data: source.data };
    case 'text':
      return { type: 'text', media_type: 'text/plain', data: source.text };
  }
};

const encodeContent = (part: TextPart | ImagePart | DocumentPart) => {
  switch (part.type) {
    case 'text':
      return { type: 'text', text: part.text };
    case 'image':
      return { type: 'image', source: encodeSource(part.source) };
    case 'document':
      return {
        type: 'document',
        source: encodeSource(part.source),
        ...(part.title !== undefined && { title: part.title }),
      };
  }
};

/** The API refuses empty texts, which say nothing. */
const isNotEmpty = (part: { type: string; text?: string }): boolean =>
  part.type !== 'text' || part.text !== '';

type Part = UserPart | Exclude<AssistantPart, { type: 'reasoning' }>;

const encodePart = (part: Part): object => {
  switch (part.type) {
    case 'text':
    case 'image':
    case 'document':
      return encodeContent(part);
    case 'audio':
      return refusePart('audio', 'Send its transcript.');
    case 'refusal':
      return { type: 'text', text: part.text };
    case 'tool_call':
      return { type: 'tool_use', id: part.id, name: part.name, input: parseArguments(part) };
    case 'tool_result':
      return {
        type: 'tool_result',
        tool_use_id: part.toolCallId,
        content: part.content.filter(isNotEmpty).map(encodeContent),
        ...(part.isError && { is_error: true }),
      };
  }
};

type Turn = { role: ChatMessage['role']; content: Part[] };

/** Roles take turns, and the results of tools come first in the turn that brings them. */
const takeTurns = (messages: readonly ChatMessage[]): Turn[] => {
  const turns: Turn[] = [];
  for (const { role, content } of messages) {
    const parts = content.filter((part) => part.type !== 'reasoning').filter(isNotEmpty);
    if (parts.length === 0) continue;
    const last = turns.at(-1);
    if (last?.role === role) last.content.push(...parts);
    else turns.push({ role, content: parts });
  }
  return turns.map(({ role, content }) => ({
    role,
    content: [
      ...content.filter(({ type }) => type === 'tool_result'),
      ...content.filter(({ type }) => type !== 'tool_result'),
    ],
  }));
};

const encodeMessages = (messages: readonly ChatMessage[]): object[] => {
  const turns = takeTurns(messages);
  if (turns[0]?.role !== 'user') {
    refuse('messages', 'For this model messages must begin with one of the user that is not empty.');
  }
  return turns.map(({ role, content }) => ({ role, content: content.map(encodePart) }));
};

const CHOICE_TYPES = { auto: 'auto', none: 'none', required: 'any', tool: 'tool' } as const;

/** Whether calls may be parallel is a part of the tool choice here. */
const encodeToolChoice = ({ tools, toolChoice, parallelToolCalls }: ChatRequest): object | null => {
  if (tools.length === 0 || (toolChoice === undefined && parallelToolCalls !== false)) return null;
  const choice = toolChoice ?? { type: 'auto' };
  return {
    type: CHOICE_TYPES[choice.type],
    ...(choice.type === 'tool' && { name: choice.name }),
    ...(choice.type !== 'none' &&
      parallelToolCalls !== undefined && { disable_parallel_tool_use: !parallelToolCalls }),
  };
};

const WRITTEN: ReadonlySet<keyof ChatRequest> = new Set<keyof ChatRequest>([
  'parallelToolCalls',
  'maxOutputTokens',
  'temperature',
  'topP',
  'topK',
  'endUser',
]);

const encodeTemperature = (temperature: number): number =>
  temperature <= 1
    ? temperature
    : refuse('temperature', 'For this model temperature must be between 0 and 1.');

/**
 * The body of `POST /v1/messages`. Throws `FloError` `invalid_request` for a temperature over 1, for
 * arguments of a tool call that are no JSON object, and for messages that do not begin with the user's.
 */
export const encodeAnthropicRequest = ({
  request,
  model,
  inexpressible,
}: TranslatedInput<ChatRequest>): object => {
  findUnwritten(request, WRITTEN, inexpressible);
  const system = request.system.filter(isNotEmpty);
  const toolChoice = encodeToolChoice(request);
  return {
    model,
    max_tokens: request.maxOutputTokens ?? DEFAULT_MAX_OUTPUT_TOKENS,
    ...(system.length > 0 && { system: system.map(encodeContent) }),
    messages: encodeMessages(request.messages),
    ...(request.tools.length > 0 && {
      tools: request.tools.map(({ name, description, inputSchema }) => ({
        name,
        ...(description !== undefined && { description }),
        // A tool without parameters may come with an empty schema; the API wants the type.
        input_schema: { type: 'object', ...inputSchema },
      })),
    }),
    ...(toolChoice !== null && { tool_choice: toolChoice }),
    ...(request.temperature !== undefined && { temperature: encodeTemperature(request.temperature) }),
    ...(request.topP !== undefined && { top_p: request.topP }),
    ...(request.topK !== undefined && { top_k: request.topK }),
    ...(request.stop.length > 0 && { stop_sequences: request.stop }),
    ...(request.endUser !== undefined && { metadata: { user_id: request.endUser } }),
    ...(request.stream && { stream: true }),
  };
};
