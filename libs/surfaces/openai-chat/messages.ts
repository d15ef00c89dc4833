import type {
  AssistantMessage,
  ChatMessage,
  ReasoningPart,
  TextPart,
  ToolCallPart,
  ToolResultPart,
  UserPart,
} from '#contracts/inference';
import type { Inexpressible } from '#domain/inexpressible';
import { readCacheControl } from '../cache-control.ts';
import {
  findInexpressible,
  isObject,
  optional,
  readList,
  readMessages,
  readObject,
  readText,
  refuse,
  type JsonObject,
} from '../field-reader.ts';
import { readFile, readImage, readInputAudio } from '../openai/media.ts';
import { readSeal } from '../seal-text.ts';
import { readReasoning } from './reasoning.ts';

const ELSEWHERE = 'for a model of this provider.';

type ContentPart = Exclude<UserPart, ToolResultPart>;

const readPart = (value: unknown, param: string): ContentPart => {
  const part = readObject(value, param);
  switch (part['type']) {
    case 'text':
      return {
        type: 'text',
        text: readText(part['text'], `${param}.text`),
        ...readCacheControl(part, param),
      };
    case 'image_url': {
      // Mistral takes the URL alone, too.
      const alone = part['image_url'];
      const image = typeof alone === 'string' ? { url: alone } : readObject(alone, `${param}.image_url`);
      const url = readText(image['url'], `${param}.image_url.url`);
      return {
        ...readImage(url, image['detail'], `${param}.image_url.url`),
        ...readCacheControl(part, param),
      };
    }
    case 'file':
      return {
        ...readFile(readObject(part['file'], `${param}.file`), `${param}.file.`),
        ...readCacheControl(part, param),
      };
    case 'input_audio':
      return readInputAudio(part['input_audio'], `${param}.input_audio`);
    default:
      return refuse(`${param}.type`, `must be text, image_url, file or input_audio ${ELSEWHERE}`);
  }
};

const readContent = (value: unknown, param: string): ContentPart[] => {
  if (typeof value === 'string') return [{ type: 'text', text: value }];
  return readList(value, param).map((part, index) => readPart(part, `${param}.${index}`));
};

const readTextParts = (value: unknown, param: string): TextPart[] =>
  readContent(value, param).map((part, index) =>
    part.type === 'text' ? part : refuse(`${param}.${index}.type`, 'must be "text" in this message.'),
  );

const readSaid = (value: unknown, param: string): AssistantMessage['content'] => {
  if (typeof value === 'string') return value === '' ? [] : [{ type: 'text', text: value }];
  return readList(value, param).map((part, index) => {
    const at = `${param}.${index}`;
    const object = readObject(part, at);
    if (object['type'] === 'refusal') {
      return { type: 'refusal', text: readText(object['refusal'], `${at}.refusal`) };
    }
    if (object['type'] !== 'text')
      return refuse(`${at}.type`, 'must be "text" or "refusal" in this message.');
    return { type: 'text', text: readText(object['text'], `${at}.text`), ...readCacheControl(object, at) };
  });
};

/** Where Google's own endpoint of this dialect puts the signature of a call. */
const sealOfCall = (call: JsonObject): Pick<ToolCallPart, 'seal'> => {
  const extra = isObject(call['extra_content']) ? call['extra_content']['google'] : null;
  const signature = isObject(extra) ? extra['thought_signature'] : null;
  const seal =
    typeof signature === 'string' ? readSeal(signature, { origin: 'google', kind: 'signature' }) : undefined;
  return seal === undefined ? {} : { seal };
};

const readToolCall = (value: unknown, param: string): ToolCallPart => {
  const call = readObject(value, param);
  if ((call['type'] ?? 'function') !== 'function') {
    refuse(`${param}.type`, `must be "function" ${ELSEWHERE}`);
  }
  const fn = readObject(call['function'], `${param}.function`);
  return {
    type: 'tool_call',
    id: readText(call['id'], `${param}.id`),
    name: readText(fn['name'], `${param}.function.name`),
    argumentsJson: readText(fn['arguments'], `${param}.function.arguments`),
    ...sealOfCall(call),
  };
};

const readAssistant = (message: JsonObject, param: string): AssistantMessage => {
  if (message['function_call'] !== undefined && message['function_call'] !== null) {
    refuse(`${param}.function_call`, 'use tool_calls instead.');
  }
  if (isObject(message['audio'])) refuse(`${param}.audio`, 'cannot be sent to a model of this provider.');
  const refusal = optional(message, 'refusal', readText, `${param}.`);
  const calls = optional(message, 'tool_calls', readList, `${param}.`) ?? [];
  const reasoning: ReasoningPart[] = readReasoning(message, param);
  return {
    role: 'assistant',
    content: [
      ...reasoning,
      ...(optional(message, 'content', readSaid, `${param}.`) ?? []),
      ...(refusal === undefined ? [] : [{ type: 'refusal' as const, text: refusal }]),
      ...calls.map((call, index) => readToolCall(call, `${param}.tool_calls.${index}`)),
    ],
  };
};

const readToolResult = (message: JsonObject, param: string): ToolResultPart => ({
  type: 'tool_result',
  toolCallId: readText(message['tool_call_id'], `${param}.tool_call_id`),
  content: readContent(message['content'], `${param}.content`).map((part, index) =>
    part.type === 'audio'
      ? refuse(`${param}.content.${index}.type`, 'must not be audio in this message.')
      : part,
  ),
  isError: false,
});

/** Fields of messages that are read, those that an answer has among them. */
const EXPRESSIBLE = new Set([
  'role',
  'content',
  'refusal',
  'tool_calls',
  'function_call',
  'audio',
  'tool_call_id',
  'reasoning',
  'reasoning_content',
  'reasoning_details',
]);

/** What an answer tells of itself has been said when it comes back. */
const CHANGES_NOTHING = {
  annotations: () => true,
  id: () => true,
  prefix: (value: unknown) => value === false,
};

type Decoded = { system: TextPart[]; messages: ChatMessage[] };

const addMessage = (
  decoded: Decoded,
  { value, param, inexpressible }: { value: unknown; param: string; inexpressible: Inexpressible },
): void => {
  const message = readObject(value, param);
  const translated = { expressible: EXPRESSIBLE, changesNothing: CHANGES_NOTHING, prefix: `${param}.` };
  findInexpressible(message, translated, inexpressible);
  switch (message['role']) {
    case 'system':
    case 'developer': {
      const texts = readTextParts(message['content'], `${param}.content`);
      if (decoded.messages.length === 0) decoded.system.push(...texts);
      else decoded.messages.push({ role: 'system', content: texts });
      return;
    }
    case 'user':
      decoded.messages.push({ role: 'user', content: readContent(message['content'], `${param}.content`) });
      return;
    case 'assistant':
      decoded.messages.push(readAssistant(message, param));
      return;
    case 'tool': {
      const result = readToolResult(message, param);
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

export const decodeMessages = (body: JsonObject, inexpressible: Inexpressible): Decoded => {
  const decoded: Decoded = { system: [], messages: [] };
  readMessages(body).forEach((value, index) => {
    addMessage(decoded, { value, param: `messages.${index}`, inexpressible });
  });
  if (decoded.messages.length === 0) refuse('messages', 'must hold a message of the user.');
  return decoded;
};
