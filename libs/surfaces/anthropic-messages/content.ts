import type {
  AssistantMessage,
  ImagePart,
  BinarySource,
  TextPart,
  ToolCallPart,
  ToolResultPart,
  UserMessage,
} from '#contracts/inference';
import {
  optional,
  readBoolean,
  readList,
  readObject,
  readText,
  refuse,
  type JsonObject,
} from '../field-reader.ts';

const readSource = (value: unknown, param: string): BinarySource => {
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
      return refuse(`${param}.type`, 'must be "base64" or "url" for a model of this provider.');
  }
};

const readTextOrImage = (block: JsonObject, param: string): TextPart | ImagePart => {
  switch (block['type']) {
    case 'text':
      return { type: 'text', text: readText(block['text'], `${param}.text`) };
    case 'image':
      return { type: 'image', source: readSource(block['source'], `${param}.source`) };
    default:
      return refuse(`${param}.type`, 'must be "text" or "image" here for a model of this provider.');
  }
};

/** A text alone stands for a list with that text. */
const readBlocks = <Part>(
  value: unknown,
  param: string,
  read: (block: JsonObject, param: string) => Part[],
): (Part | TextPart)[] =>
  typeof value === 'string'
    ? [{ type: 'text', text: value }]
    : readList(value, param).flatMap((block, index) =>
        read(readObject(block, `${param}.${index}`), `${param}.${index}`),
      );

const readToolResult = (block: JsonObject, param: string): ToolResultPart => ({
  type: 'tool_result',
  toolCallId: readText(block['tool_use_id'], `${param}.tool_use_id`),
  content:
    optional(
      block,
      'content',
      (value, at) => readBlocks(value, at, (part, partParam) => [readTextOrImage(part, partParam)]),
      `${param}.`,
    ) ?? [],
  isError: optional(block, 'is_error', readBoolean, `${param}.`) ?? false,
});

const readUserBlock = (block: JsonObject, param: string): UserMessage['content'] =>
  block['type'] === 'tool_result' ? [readToolResult(block, param)] : [readTextOrImage(block, param)];

const readToolUse = (block: JsonObject, param: string): ToolCallPart => ({
  type: 'tool_call',
  id: readText(block['id'], `${param}.id`),
  name: readText(block['name'], `${param}.name`),
  argumentsJson: JSON.stringify(readObject(block['input'], `${param}.input`)),
});

const readAssistantBlock = (block: JsonObject, param: string): AssistantMessage['content'] => {
  switch (block['type']) {
    case 'text':
      return [{ type: 'text', text: readText(block['text'], `${param}.text`) }];
    case 'tool_use':
      return [readToolUse(block, param)];
    // What an earlier model thought is its own: the API, too, leaves it out in later turns.
    case 'thinking':
    case 'redacted_thinking':
      return [];
    default:
      return refuse(`${param}.type`, 'must be "text" or "tool_use" here for a model of this provider.');
  }
};

/** `cache_control`, `citations` and `caller` of blocks are let through and left out. */
export const readMessage = (value: unknown, param: string): UserMessage | AssistantMessage => {
  const message = readObject(value, param);
  const { role, content } = message;
  if (role === 'user') return { role, content: readBlocks(content, `${param}.content`, readUserBlock) };
  if (role === 'assistant') {
    return { role, content: readBlocks(content, `${param}.content`, readAssistantBlock) };
  }
  return refuse(`${param}.role`, 'must be "user" or "assistant".');
};

export const readSystem = (value: unknown, param: string): TextPart[] =>
  readBlocks(value, param, (block, blockParam): TextPart[] =>
    block['type'] === 'text'
      ? [{ type: 'text', text: readText(block['text'], `${blockParam}.text`) }]
      : refuse(`${blockParam}.type`, 'must be "text".'),
  );
