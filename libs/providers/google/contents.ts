/** The conversation as Gemini's API takes it: https://ai.google.dev/api/caching#Content */
import type {
  AssistantMessage,
  AudioPart,
  CacheControl,
  DocumentPart,
  ImagePart,
  ReasoningPart,
  TextPart,
  ToolCallPart,
  ToolResultPart,
  UserMessage,
} from '#contracts/inference';
import { FloError } from '#domain/errors';
import type { Inexpressible } from '#domain/inexpressible';
import { isObject, readJson, type JsonObject } from '../json-fields.ts';

/**
 * From its third generation on a model refuses calls in its history that carry no signature of its own;
 * for calls that another model made the API has this word:
 * https://ai.google.dev/gemini-api/docs/thought-signatures
 */
const FOREIGN_CALL_SIGNATURE = 'skip_thought_signature_validator';
const NEEDS_SIGNATURES = /^(?:models\/)?gemini-[3-9]/;

const MEDIA_TYPES: Readonly<Record<string, string>> = {
  png: 'image/png',
  jpg: 'image/jpeg',
  jpeg: 'image/jpeg',
  webp: 'image/webp',
  gif: 'image/gif',
  heic: 'image/heic',
};

const mediaTypeOf = (url: string): string | undefined =>
  MEDIA_TYPES[/\.(\w{3,4})(?:[?#]|$)/.exec(url)?.[1]?.toLowerCase() ?? ''];

const inlineData = (mimeType: string, data: string): object => ({ inlineData: { mimeType, data } });

const encodeImage = ({ source }: ImagePart): object => {
  if (source.kind === 'base64') return inlineData(source.mediaType, source.data);
  const mimeType = mediaTypeOf(source.url);
  return { fileData: { ...(mimeType !== undefined && { mimeType }), fileUri: source.url } };
};

const encodeDocument = ({ source }: DocumentPart): object => {
  switch (source.kind) {
    case 'text':
      return inlineData('text/plain', Buffer.from(source.text).toString('base64'));
    case 'base64':
      return inlineData(source.mediaType, source.data);
    case 'url':
      return { fileData: { mimeType: 'application/pdf', fileUri: source.url } };
  }
};

const encodeMedia = (part: ImagePart | DocumentPart | AudioPart): object => {
  switch (part.type) {
    case 'image':
      return encodeImage(part);
    case 'document':
      return encodeDocument(part);
    case 'audio':
      return inlineData(`audio/${part.format}`, part.data);
  }
};

const encodeResult = (result: ToolResultPart, nameOf: (id: string) => string): object => {
  const { toolCallId, content, isError } = result;
  const texts = content.map((part) => (part.type === 'text' ? part.text : '')).join('');
  const attached = content.filter((part) => part.type !== 'text').map(encodeMedia);
  return {
    functionResponse: {
      id: toolCallId,
      name: nameOf(toolCallId),
      response: { [isError ? 'error' : 'output']: texts },
      ...(attached.length > 0 && { parts: attached }),
    },
  };
};

const parseArguments = ({ name, argumentsJson }: ToolCallPart): JsonObject => {
  const value = argumentsJson.trim() === '' ? {} : readJson(argumentsJson);
  if (isObject(value)) return value;
  throw new FloError(
    'invalid_request',
    `The arguments of the call of the tool "${name}" in messages are no JSON object. Send them as the text of one.`,
    { param: 'messages' },
  );
};

/** What was thought is given back only with the API's own seal; a seal without a text is not a thought's. */
const encodeReasoning = ({ text, seal }: ReasoningPart): object[] =>
  seal?.origin === 'google'
    ? [{ text, ...(text !== '' && { thought: true }), thoughtSignature: seal.value }]
    : [];

type Turn = { role: 'user' | 'model'; parts: object[] };

/** Writes one conversation: it remembers which call each result is of. */
export class ContentsWriter {
  readonly #names = new Map<string, string>();
  readonly #signsForeignCalls: boolean;
  readonly #inexpressible: Inexpressible;

  constructor(model: string, inexpressible: Inexpressible) {
    this.#signsForeignCalls = NEEDS_SIGNATURES.test(model);
    this.#inexpressible = inexpressible;
  }

  write(messages: readonly (UserMessage | AssistantMessage)[]): Turn[] {
    const turns: Turn[] = [];
    for (const message of messages) {
      const role = message.role === 'user' ? 'user' : 'model';
      const parts = message.role === 'user' ? this.#writeUser(message) : this.#writeAssistant(message);
      if (parts.length === 0) continue;
      const last = turns.at(-1);
      if (last?.role === role) last.parts.push(...parts);
      else turns.push({ role, parts });
    }
    return turns;
  }

  writeText(part: TextPart): object[] {
    this.#hint(part);
    return part.text === '' ? [] : [{ text: part.text }];
  }

  #writeUser({ content }: UserMessage): object[] {
    const results = content.filter((part) => part.type === 'tool_result');
    const rest = content.filter((part) => part.type !== 'tool_result');
    for (const result of results) this.#hint(result);
    return [
      ...results.map((result) => encodeResult(result, (id) => this.#nameOf(id))),
      ...rest.flatMap((part) => {
        if (part.type === 'text') return this.writeText(part);
        if (part.type !== 'audio') this.#hint(part);
        return [encodeMedia(part)];
      }),
    ];
  }

  #writeAssistant({ content }: AssistantMessage): object[] {
    let hasCall = false;
    return content.flatMap((part): object[] => {
      switch (part.type) {
        case 'text':
          return this.writeText(part);
        case 'refusal':
          return [{ text: part.text }];
        case 'reasoning':
          return encodeReasoning(part);
        case 'tool_call': {
          const call = this.#writeCall(part, hasCall);
          hasCall = true;
          return [call];
        }
      }
    });
  }

  /** Of several calls at once only the first is signed. */
  #writeCall(part: ToolCallPart, isLater: boolean): object {
    this.#hint(part);
    this.#names.set(part.id, part.name);
    const own = part.seal?.origin === 'google' ? part.seal.value : null;
    const signature = own ?? (this.#signsForeignCalls && !isLater ? FOREIGN_CALL_SIGNATURE : null);
    return {
      functionCall: { id: part.id, name: part.name, args: parseArguments(part) },
      ...(signature !== null && { thoughtSignature: signature }),
    };
  }

  /** A result of no call before it is the API's to refuse. */
  #nameOf(id: string): string {
    return this.#names.get(id) ?? id;
  }

  /** The API keeps prompts in its cache by itself. */
  #hint({ cacheControl }: { cacheControl?: CacheControl }): void {
    if (cacheControl !== undefined) this.#inexpressible.hint('cacheControl');
  }
}
