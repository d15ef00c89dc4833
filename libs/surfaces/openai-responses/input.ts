import type {
  AssistantPart,
  ChatMessage,
  DocumentPart,
  ImagePart,
  Seal,
  TextPart,
  ToolResultPart,
  UserPart,
} from '#contracts/inference';
import type { Inexpressible } from '#domain/inexpressible';
import {
  findInexpressible,
  optional,
  readList,
  readObject,
  readText,
  refuse,
  type JsonObject,
} from '../field-reader.ts';
import { readFile, readImage, readInputAudio } from '../openai/media.ts';
import { unwrapSeal } from '../seal-text.ts';

const ELSEWHERE = 'for a model of this provider.';

const readInputPart = (value: unknown, param: string): Exclude<UserPart, ToolResultPart> => {
  const part = readObject(value, param);
  switch (part['type']) {
    case 'input_text':
    case 'output_text':
    case 'text':
      return { type: 'text', text: readText(part['text'], `${param}.text`) };
    case 'input_image':
      return readImage(
        optional(part, 'image_url', readText, `${param}.`) ??
          refuse(`${param}.image_url`, `must hold the image’s URL ${ELSEWHERE}`),
        part['detail'],
        `${param}.image_url`,
      );
    case 'input_file':
      return readFile(part, `${param}.`);
    case 'input_audio':
      return readInputAudio(part['input_audio'], `${param}.input_audio`);
    default:
      return refuse(
        `${param}.type`,
        `must be input_text, input_image, input_file or input_audio ${ELSEWHERE}`,
      );
  }
};

const readInputParts = (value: unknown, param: string): Exclude<UserPart, ToolResultPart>[] =>
  typeof value === 'string'
    ? [{ type: 'text', text: value }]
    : readList(value, param).map((part, index) => readInputPart(part, `${param}.${index}`));

const readTextParts = (value: unknown, param: string): TextPart[] =>
  readInputParts(value, param).map((part, index) =>
    part.type === 'text' ? part : refuse(`${param}.${index}.type`, 'must be a text in this message.'),
  );

const readOutputPart = (value: unknown, param: string): AssistantPart => {
  const part = readObject(value, param);
  switch (part['type']) {
    case 'output_text':
    case 'input_text':
    case 'text':
      return { type: 'text', text: readText(part['text'], `${param}.text`) };
    case 'refusal':
      return { type: 'refusal', text: readText(part['refusal'], `${param}.refusal`) };
    default:
      return refuse(`${param}.type`, 'must be output_text or refusal in a message of the assistant.');
  }
};

const readOutputParts = (value: unknown, param: string): AssistantPart[] =>
  typeof value === 'string'
    ? [{ type: 'text', text: value }]
    : readList(value, param).map((part, index) => readOutputPart(part, `${param}.${index}`));

const textsOf = (item: JsonObject, field: string, param: string): string[] =>
  (optional(item, field, readList, `${param}.`) ?? []).map((part, index) =>
    readText(readObject(part, `${param}.${field}.${index}`)['text'], `${param}.${field}.${index}.text`),
  );

const readToolOutput = (value: unknown, param: string): (TextPart | ImagePart | DocumentPart)[] =>
  readInputParts(value, param).map((part, index) =>
    part.type === 'audio' ? refuse(`${param}.${index}.type`, 'must be a text, an image or a file.') : part,
  );

/** Fields of items that are read; `status` and `phase` have been said in the answer they come from. */
const ITEM_FIELDS = new Set([
  'type',
  'id',
  'role',
  'content',
  'status',
  'phase',
  'summary',
  'encrypted_content',
  'call_id',
  'name',
  'arguments',
  'output',
]);

/** Reads items in order: what the model gave piece by piece is one message of its. */
class InputReader {
  readonly system: TextPart[] = [];
  readonly messages: ChatMessage[] = [];
  /** Seals of calls that are still to come; the dialect has no place for them beside a call. */
  readonly #callSeals = new Map<string, Seal>();
  readonly #inexpressible: Inexpressible;

  constructor(inexpressible: Inexpressible) {
    this.#inexpressible = inexpressible;
  }

  read(value: unknown, param: string): void {
    const item = readObject(value, param);
    const translated = { expressible: ITEM_FIELDS, changesNothing: {}, prefix: `${param}.` };
    findInexpressible(item, translated, this.#inexpressible);
    switch (item['type'] ?? 'message') {
      case 'message':
        return this.#readMessage(item, param);
      case 'reasoning':
        return this.#readReasoning(item, param);
      case 'function_call': {
        const id = readText(item['call_id'], `${param}.call_id`);
        const seal = this.#callSeals.get(id);
        return this.#say({
          type: 'tool_call',
          id,
          name: readText(item['name'], `${param}.name`),
          argumentsJson: readText(item['arguments'], `${param}.arguments`),
          ...(seal !== undefined && { seal }),
        });
      }
      case 'function_call_output':
        return this.#answer({
          type: 'tool_result',
          toolCallId: readText(item['call_id'], `${param}.call_id`),
          content: readToolOutput(item['output'], `${param}.output`),
          isError: false,
        });
      default:
        return refuse(
          `${param}.type`,
          `must be message, reasoning, function_call or function_call_output ${ELSEWHERE}`,
        );
    }
  }

  #readMessage(item: JsonObject, param: string): void {
    const { role, content } = item;
    const at = `${param}.content`;
    switch (role) {
      case 'user':
        this.messages.push({ role, content: readInputParts(content, at) });
        return;
      case 'assistant':
        this.#say(...readOutputParts(content, at));
        return;
      case 'system':
      case 'developer': {
        const texts = readTextParts(content, at);
        if (this.messages.length === 0) this.system.push(...texts);
        else this.messages.push({ role: 'system', content: texts });
        return;
      }
      default:
        refuse(`${param}.role`, 'must be user, assistant, system or developer.');
    }
  }

  #readReasoning(item: JsonObject, param: string): void {
    const shown = [...textsOf(item, 'summary', param), ...textsOf(item, 'content', param)];
    const text = shown.join('\n\n');
    const sealed = optional(item, 'encrypted_content', readText, `${param}.`) || null;
    const id = optional(item, 'id', readText, `${param}.`);
    if (sealed === null) {
      if (text !== '') this.#say({ type: 'reasoning', text });
      return;
    }
    const carried = unwrapSeal(sealed);
    if (carried !== null && carried.toolCallId !== null) {
      this.#callSeals.set(carried.toolCallId, carried.seal);
      return;
    }
    const own: Seal = { origin: 'openai', kind: 'encrypted', value: sealed, ...(id !== undefined && { id }) };
    this.#say({ type: 'reasoning', text, seal: carried?.seal ?? own });
  }

  #say(...parts: AssistantPart[]): void {
    const last = this.messages.at(-1);
    if (last?.role === 'assistant') last.content.push(...parts);
    else this.messages.push({ role: 'assistant', content: parts });
  }

  #answer(result: ToolResultPart): void {
    const last = this.messages.at(-1);
    if (last?.role === 'user' && last.content.every(({ type }) => type === 'tool_result')) {
      last.content.push(result);
    } else this.messages.push({ role: 'user', content: [result] });
  }
}

/** A text alone stands for one message of the user. */
export const readInput = (
  value: unknown,
  inexpressible: Inexpressible,
): { system: TextPart[]; messages: ChatMessage[] } => {
  if (typeof value === 'string') {
    return { system: [], messages: [{ role: 'user', content: [{ type: 'text', text: value }] }] };
  }
  const reader = new InputReader(inexpressible);
  readList(value, 'input').forEach((item, index) => reader.read(item, `input.${index}`));
  const { system, messages } = reader;
  if (messages.length === 0) refuse('input', 'must hold a message of the user.');
  return { system, messages };
};
