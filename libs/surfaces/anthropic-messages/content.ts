import type {
  AssistantPart,
  BinarySource,
  ChatMessage,
  DocumentPart,
  ImagePart,
  ReasoningPart,
  Seal,
  TextPart,
  ToolCallPart,
  ToolResultPart,
  UserPart,
} from '#contracts/inference';
import type { Inexpressible } from '#domain/inexpressible';
import { readCacheControl } from '../cache-control.ts';
import {
  findInexpressible,
  given,
  isObject,
  optional,
  readBoolean,
  readList,
  readObject,
  readText,
  refuse,
  type JsonObject,
} from '../field-reader.ts';
import { readSeal, unwrapSeal } from '../seal-text.ts';

const ELSEWHERE = 'for a model of this provider.';

const readBase64 = (source: JsonObject, param: string): BinarySource => ({
  kind: 'base64',
  mediaType: readText(source['media_type'], `${param}.media_type`),
  data: readText(source['data'], `${param}.data`),
});

const readImageSource = (value: unknown, param: string): BinarySource => {
  const source = readObject(value, param);
  switch (source['type']) {
    case 'url':
      return { kind: 'url', url: readText(source['url'], `${param}.url`) };
    case 'base64':
      return readBase64(source, param);
    default:
      return refuse(`${param}.type`, `must be "base64" or "url" ${ELSEWHERE}`);
  }
};

const readDocumentSource = (value: unknown, param: string): DocumentPart['source'] => {
  const source = readObject(value, param);
  switch (source['type']) {
    case 'url':
      return { kind: 'url', url: readText(source['url'], `${param}.url`) };
    case 'base64':
      return readBase64(source, param);
    case 'text':
      return { kind: 'text', text: readText(source['data'], `${param}.data`) };
    default:
      return refuse(`${param}.type`, `must be "base64", "url" or "text" ${ELSEWHERE}`);
  }
};

type Reader<Part> = (block: JsonObject, param: string) => Part[];

/** A text alone stands for a list with that text. */
const readBlocks = <Part>(value: unknown, param: string, read: Reader<Part>): (Part | TextPart)[] =>
  typeof value === 'string'
    ? [{ type: 'text', text: value }]
    : readList(value, param).flatMap((block, index) =>
        read(readObject(block, `${param}.${index}`), `${param}.${index}`),
      );

const readTextBlock = (block: JsonObject, param: string): TextPart => ({
  type: 'text',
  text: readText(block['text'], `${param}.text`),
  ...readCacheControl(block, param),
});

/** Fields of blocks that are read, those that an answer has among them. */
const EXPRESSIBLE = new Set([
  'type',
  'text',
  'source',
  'title',
  'citations',
  'cache_control',
  'tool_use_id',
  'content',
  'is_error',
  'id',
  'name',
  'input',
  'thinking',
  'signature',
  'data',
]);

/** Who made a call has been said in the answer that is given back. */
const CHANGES_NOTHING = { caller: () => true };

/** Reads a conversation in order. */
export class MessagesReader {
  readonly #inexpressible: Inexpressible;
  /** Seals of calls that are still to come; the dialect has no place for them beside a call. */
  readonly #callSeals = new Map<string, Seal>();

  constructor(inexpressible: Inexpressible) {
    this.#inexpressible = inexpressible;
  }

  read(value: unknown, param: string): ChatMessage {
    const { role, content } = readObject(value, param);
    const at = `${param}.content`;
    if (role === 'user') {
      return {
        role,
        content: readBlocks<UserPart>(content, at, (block, of) => [this.#readUserBlock(block, of)]),
      };
    }
    if (role === 'assistant') {
      return {
        role,
        content: readBlocks<AssistantPart>(content, at, (block, of) => this.#readAssistantBlock(block, of)),
      };
    }
    return refuse(`${param}.role`, 'must be "user" or "assistant".');
  }

  readSystem(value: unknown, param: string): TextPart[] {
    return readBlocks(value, param, (block, of): TextPart[] => {
      this.#check(block, of);
      return block['type'] === 'text' ? [readTextBlock(block, of)] : refuse(`${of}.type`, 'must be "text".');
    });
  }

  #check(block: JsonObject, param: string): void {
    const translated = { expressible: EXPRESSIBLE, changesNothing: CHANGES_NOTHING, prefix: `${param}.` };
    findInexpressible(block, translated, this.#inexpressible);
  }

  #readContent(block: JsonObject, param: string): TextPart | ImagePart | DocumentPart {
    this.#check(block, param);
    switch (block['type']) {
      case 'text':
        return readTextBlock(block, param);
      case 'image':
        return {
          type: 'image',
          source: readImageSource(block['source'], `${param}.source`),
          ...readCacheControl(block, param),
        };
      case 'document':
        return this.#readDocument(block, param);
      default:
        return refuse(`${param}.type`, `must be "text", "image" or "document" here ${ELSEWHERE}`);
    }
  }

  #readDocument(block: JsonObject, param: string): DocumentPart {
    const { citations } = block;
    if (isObject(citations) && citations['enabled'] === true) this.#inexpressible.param(`${param}.citations`);
    return {
      type: 'document',
      source: readDocumentSource(block['source'], `${param}.source`),
      ...given({ title: optional(block, 'title', readText, `${param}.`) }),
      ...readCacheControl(block, param),
    };
  }

  #readUserBlock(block: JsonObject, param: string): UserPart {
    return block['type'] === 'tool_result'
      ? this.#readToolResult(block, param)
      : this.#readContent(block, param);
  }

  #readToolResult(block: JsonObject, param: string): ToolResultPart {
    this.#check(block, param);
    const { content = [] } = block;
    return {
      type: 'tool_result',
      toolCallId: readText(block['tool_use_id'], `${param}.tool_use_id`),
      content:
        content === null
          ? []
          : readBlocks(content, `${param}.content`, (part, at) => [this.#readContent(part, at)]),
      isError: optional(block, 'is_error', readBoolean, `${param}.`) ?? false,
      ...readCacheControl(block, param),
    };
  }

  #readAssistantBlock(block: JsonObject, param: string): AssistantPart[] {
    this.#check(block, param);
    switch (block['type']) {
      case 'text':
        return [readTextBlock(block, param)];
      case 'tool_use':
        return [this.#readToolUse(block, param)];
      case 'thinking':
        return this.#readThinking(block, param);
      case 'redacted_thinking':
        return this.#readRedacted(readText(block['data'], `${param}.data`));
      default:
        return refuse(`${param}.type`, `must be "text", "tool_use" or thinking here ${ELSEWHERE}`);
    }
  }

  #readThinking(block: JsonObject, param: string): ReasoningPart[] {
    const text = readText(block['thinking'], `${param}.thinking`);
    const signature = optional(block, 'signature', readText, `${param}.`) ?? '';
    const seal = readSeal(signature, { origin: 'anthropic', kind: 'signature' });
    if (text === '' && seal === undefined) return [];
    return [{ type: 'reasoning', text, ...(seal !== undefined && { seal }) }];
  }

  #readRedacted(data: string): ReasoningPart[] {
    const carried = unwrapSeal(data);
    if (carried !== null && carried.toolCallId !== null) {
      this.#callSeals.set(carried.toolCallId, carried.seal);
      return [];
    }
    const own: Seal = { origin: 'anthropic', kind: 'redacted', value: data };
    return [{ type: 'reasoning', text: '', seal: carried?.seal ?? own }];
  }

  #readToolUse(block: JsonObject, param: string): ToolCallPart {
    const id = readText(block['id'], `${param}.id`);
    const seal = this.#callSeals.get(id);
    return {
      type: 'tool_call',
      id,
      name: readText(block['name'], `${param}.name`),
      argumentsJson: JSON.stringify(readObject(block['input'], `${param}.input`)),
      ...(seal !== undefined && { seal }),
      ...readCacheControl(block, param),
    };
  }
}
