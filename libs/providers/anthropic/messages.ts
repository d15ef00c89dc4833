/** The conversation as the Messages API takes it. */
import type {
  AssistantMessage,
  AssistantPart,
  BinarySource,
  CacheControl,
  DocumentPart,
  ImagePart,
  ReasoningPart,
  TextPart,
  ToolCallPart,
  UserMessage,
  UserPart,
} from '#contracts/inference';
import { FloError } from '#domain/errors';
import { isObject, readJson, type JsonObject } from '../json-fields.ts';
import { refusePart } from '../request-fields.ts';

const refuse = (param: string, message: string): never => {
  throw new FloError('invalid_request', message, { param });
};

const parseArguments = ({ name, argumentsJson }: ToolCallPart): JsonObject => {
  // A call without arguments is written with none by some models.
  const value = argumentsJson.trim() === '' ? {} : readJson(argumentsJson);
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

export const encodeCacheControl = ({ cacheControl }: { cacheControl?: CacheControl }): object =>
  cacheControl === undefined
    ? {}
    : { cache_control: { type: 'ephemeral', ...(cacheControl.ttl === '1h' && { ttl: '1h' }) } };

export const encodeContent = (part: TextPart | ImagePart | DocumentPart): object => {
  switch (part.type) {
    case 'text':
      return { type: 'text', text: part.text, ...encodeCacheControl(part) };
    case 'image':
      return { type: 'image', source: encodeSource(part.source), ...encodeCacheControl(part) };
    case 'document':
      return {
        type: 'document',
        source: encodeSource(part.source),
        ...(part.title !== undefined && { title: part.title }),
        ...encodeCacheControl(part),
      };
  }
};

/** Only what the API sealed itself: it refuses thoughts of others. */
const encodeReasoning = ({ text, seal }: ReasoningPart): object[] => {
  if (seal?.origin !== 'anthropic') return [];
  return seal.kind === 'redacted'
    ? [{ type: 'redacted_thinking', data: seal.value }]
    : [{ type: 'thinking', thinking: text, signature: seal.value }];
};

/** The API refuses empty texts, which say nothing. */
export const isNotEmpty = (part: { type: string; text?: string }): boolean =>
  part.type !== 'text' || part.text !== '';

const encodePart = (part: UserPart | AssistantPart): object[] => {
  switch (part.type) {
    case 'text':
    case 'image':
    case 'document':
      return [encodeContent(part)];
    case 'audio':
      return refusePart('audio', 'Send its transcript.');
    case 'reasoning':
      return encodeReasoning(part);
    case 'refusal':
      return [{ type: 'text', text: part.text }];
    case 'tool_call':
      return [
        {
          type: 'tool_use',
          id: part.id,
          name: part.name,
          input: parseArguments(part),
          ...encodeCacheControl(part),
        },
      ];
    case 'tool_result':
      return [
        {
          type: 'tool_result',
          tool_use_id: part.toolCallId,
          content: part.content.filter(isNotEmpty).map(encodeContent),
          ...(part.isError && { is_error: true }),
          ...encodeCacheControl(part),
        },
      ];
  }
};

type Message = UserMessage | AssistantMessage;
type Turn = { role: Message['role']; content: { isResult: boolean; block: object }[] };

/** Roles take turns, and the results of tools come first in the turn that brings them. */
const takeTurns = (messages: readonly Message[]): Turn[] => {
  const turns: Turn[] = [];
  for (const { role, content } of messages) {
    const blocks = content
      .filter(isNotEmpty)
      .flatMap((part) => encodePart(part).map((block) => ({ isResult: part.type === 'tool_result', block })));
    if (blocks.length === 0) continue;
    const last = turns.at(-1);
    if (last?.role === role) last.content.push(...blocks);
    else turns.push({ role, content: blocks });
  }
  return turns;
};

/** Throws `FloError` `invalid_request` for messages that do not begin with the user's. */
export const encodeAnthropicMessages = (messages: readonly Message[]): object[] => {
  const turns = takeTurns(messages);
  if (turns[0]?.role !== 'user') {
    refuse('messages', 'For this model messages must begin with one of the user that is not empty.');
  }
  return turns.map(({ role, content }) => ({
    role,
    content: [
      ...content.filter(({ isResult }) => isResult),
      ...content.filter(({ isResult }) => !isResult),
    ].map(({ block }) => block),
  }));
};
