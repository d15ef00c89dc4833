import type {
  AssistantPart,
  AudioPart,
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
import {
  findInexpressible,
  isObject,
  optional,
  readList,
  readObject,
  readText,
  refuse,
  type JsonObject,
} from '../field-reader.ts';
import { readSeal } from '../seal-text.ts';
import { readApiMessage } from './message.ts';

const ELSEWHERE = 'for a model of this provider.';

/** Formats by the media type's second half, where they are not called the same. */
const AUDIO_FORMATS: Readonly<Record<string, string>> = { mpeg: 'mp3', 'x-wav': 'wav', wave: 'wav' };

type Media = ImagePart | DocumentPart | AudioPart;

const mediaOf = (mediaType: string, source: BinarySource, param: string): Media => {
  const [kind = '', format = ''] = mediaType.toLowerCase().split(';', 1)[0]?.split('/') ?? [];
  if (kind === 'image') return { type: 'image', source };
  if (mediaType === 'application/pdf') return { type: 'document', source };
  if (source.kind === 'base64' && kind === 'audio') {
    return { type: 'audio', format: AUDIO_FORMATS[format] ?? format, data: source.data };
  }
  if (source.kind === 'base64' && kind === 'text') {
    const text = Buffer.from(source.data, 'base64').toString('utf8');
    return { type: 'document', source: { kind: 'text', text } };
  }
  return refuse(param, `must be an image, a PDF, a text or, inline, audio ${ELSEWHERE}`);
};

const readInlineData = (value: unknown, param: string): Media => {
  const blob = readApiMessage(value, param);
  const mediaType = readText(blob['mimeType'], `${param}.mimeType`);
  // The API takes both alphabets of base64.
  const data = readText(blob['data'], `${param}.data`).replaceAll('-', '+').replaceAll('_', '/');
  return mediaOf(mediaType, { kind: 'base64', mediaType, data }, `${param}.mimeType`);
};

const FILES_API = /^https:\/\/generativelanguage\.googleapis\.com\//i;

const readFileData = (value: unknown, param: string): Media => {
  const file = readApiMessage(value, param);
  const url = readText(file['fileUri'], `${param}.fileUri`);
  if (!/^https?:\/\//i.test(url) || FILES_API.test(url)) {
    refuse(`${param}.fileUri`, `must be a public http(s) URL, and no uploaded file, ${ELSEWHERE}`);
  }
  const mediaType = optional(file, 'mimeType', readText, `${param}.`) ?? 'image/*';
  return mediaOf(mediaType, { kind: 'url', url }, `${param}.mimeType`);
};

const textOfResponse = (response: JsonObject): { text: string; isError: boolean } => {
  const [[name, value] = [], ...more] = Object.entries(response);
  const isAlone = more.length === 0 && (name === 'output' || name === 'result' || name === 'error');
  if (!isAlone) return { text: JSON.stringify(response), isError: false };
  return {
    text: typeof value === 'string' ? value : JSON.stringify(value),
    isError: name === 'error',
  };
};

const sealOf = (part: JsonObject, param: string): Seal | undefined => {
  const signature = optional(part, 'thoughtSignature', readText, `${param}.`) ?? '';
  return readSeal(signature, { origin: 'google', kind: 'signature' });
};

/** The pieces of one thought, which a streamed answer leaves in many parts, as one. */
const addPart = (parts: AssistantPart[], part: AssistantPart): void => {
  const last = parts.at(-1);
  if (part.type === 'reasoning' && last?.type === 'reasoning' && last.seal === undefined) {
    parts[parts.length - 1] = { ...last, ...part, text: last.text + part.text };
  } else parts.push(part);
};

/** What a part may be. */
const KINDS = [
  'text',
  'inlineData',
  'fileData',
  'functionCall',
  'functionResponse',
  'executableCode',
  'codeExecutionResult',
  'toolCall',
  'toolResponse',
];

/** What else is said of a part is the provider's alone. */
const PART_FIELDS = new Set([...KINDS, 'thought', 'thoughtSignature']);

const kindOf = (part: JsonObject, param: string): string =>
  KINDS.find((kind) => part[kind] !== undefined && part[kind] !== null) ??
  refuse(param, 'must hold text, inlineData, fileData, functionCall or functionResponse.');

/** Reads a conversation in order: the API lets calls and their responses go without ids. */
class ContentsReader {
  readonly #inexpressible: Inexpressible;
  #calls = 0;
  readonly #unanswered: { id: string; name: string }[] = [];

  constructor(inexpressible: Inexpressible) {
    this.#inexpressible = inexpressible;
  }

  readMessage(value: unknown, param: string): ChatMessage {
    const content = readApiMessage(value, param);
    const role = content['role'] ?? 'user';
    const parts = readList(content['parts'], `${param}.parts`).map((part, index) => ({
      part: readApiMessage(part, `${param}.parts.${index}`),
      at: `${param}.parts.${index}`,
    }));
    for (const { part, at } of parts) {
      const translated = { expressible: PART_FIELDS, changesNothing: {}, prefix: `${at}.` };
      findInexpressible(part, translated, this.#inexpressible);
    }
    if (role === 'model') {
      const said: AssistantPart[] = [];
      for (const { part, at } of parts) {
        for (const read of this.#readModelPart(part, at)) addPart(said, read);
      }
      return { role: 'assistant', content: said };
    }
    if (role !== 'user' && role !== 'function') return refuse(`${param}.role`, 'must be "user" or "model".');
    return { role: 'user', content: parts.map(({ part, at }) => this.#readUserPart(part, at)) };
  }

  #readUserPart(part: JsonObject, param: string): UserPart {
    const kind = kindOf(part, param);
    switch (kind) {
      case 'text':
        return { type: 'text', text: readText(part['text'], `${param}.text`) };
      case 'inlineData':
        return readInlineData(part['inlineData'], `${param}.inlineData`);
      case 'fileData':
        return readFileData(part['fileData'], `${param}.fileData`);
      case 'functionResponse':
        return this.#readFunctionResponse(part['functionResponse'], `${param}.functionResponse`);
      default:
        return refuse(`${param}.${kind}`, `cannot be sent in a message of the user ${ELSEWHERE}`);
    }
  }

  #readModelPart(part: JsonObject, param: string): (TextPart | ReasoningPart | ToolCallPart)[] {
    const kind = kindOf(part, param);
    const seal = sealOf(part, param);
    if (kind === 'functionCall') {
      const call = this.#readFunctionCall(part['functionCall'], `${param}.functionCall`);
      return [{ ...call, ...(seal !== undefined && { seal }) }];
    }
    if (kind !== 'text')
      return refuse(`${param}.${kind}`, `cannot be sent in a message of the model ${ELSEWHERE}`);
    const text = readText(part['text'], `${param}.text`);
    const sealed = seal !== undefined && { seal };
    if (part['thought'] === true) return [{ type: 'reasoning', text, ...sealed }];
    return [
      ...(text === '' ? [] : [{ type: 'text' as const, text }]),
      ...(seal === undefined ? [] : [{ type: 'reasoning' as const, text: '', seal }]),
    ];
  }

  #readFunctionCall(value: unknown, param: string): ToolCallPart {
    const call = readApiMessage(value, param);
    const name = readText(call['name'], `${param}.name`);
    const id = optional(call, 'id', readText, `${param}.`) || `call_${this.#calls}`;
    this.#calls += 1;
    this.#unanswered.push({ id, name });
    const args = optional(call, 'args', readObject, `${param}.`) ?? {};
    return { type: 'tool_call', id, name, argumentsJson: JSON.stringify(args) };
  }

  /** Without an id it answers the oldest call of its name. */
  #readFunctionResponse(value: unknown, param: string): ToolResultPart {
    const answer = readApiMessage(value, param);
    const name = readText(answer['name'], `${param}.name`);
    const id = optional(answer, 'id', readText, `${param}.`) || null;
    const position = this.#unanswered.findIndex((call) =>
      id === null ? call.name === name : call.id === id,
    );
    const [call] = position < 0 ? [] : this.#unanswered.splice(position, 1);
    const toolCallId =
      id ?? call?.id ?? refuse(`${param}.name`, 'must name a call before it that has no response.');
    const { text, isError } = textOfResponse(optional(answer, 'response', readObject, `${param}.`) ?? {});
    const attachments = optional(answer, 'parts', readList, `${param}.`) ?? [];
    return {
      type: 'tool_result',
      toolCallId,
      content: [
        { type: 'text', text },
        ...attachments.map((part, index) => readAttachment(part, `${param}.parts.${index}`)),
      ],
      isError,
    };
  }
}

const readAttachment = (value: unknown, param: string): ImagePart | DocumentPart => {
  const part = readApiMessage(value, param);
  const media = isObject(part['inlineData'])
    ? readInlineData(part['inlineData'], `${param}.inlineData`)
    : readFileData(part['fileData'], `${param}.fileData`);
  return media.type === 'audio' ? refuse(param, `must be an image or a document ${ELSEWHERE}`) : media;
};

export const readContents = (value: unknown, param: string, inexpressible: Inexpressible): ChatMessage[] => {
  const reader = new ContentsReader(inexpressible);
  return readList(value, param).map((content, index) => reader.readMessage(content, `${param}.${index}`));
};

/** The texts of a content that may hold nothing else. */
export const readTextContent = (value: unknown, param: string): TextPart[] => {
  const content = readApiMessage(value, param);
  return readList(content['parts'], `${param}.parts`).map((part, index) => {
    const at = `${param}.parts.${index}`;
    const { text } = readApiMessage(part, at);
    return { type: 'text', text: readText(text, `${at}.text`) };
  });
};
