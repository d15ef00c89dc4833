/** The messages of a chat completion, as each server of OpenAI's dialect takes them. */
import type {
  AssistantMessage,
  AssistantPart,
  AudioPart,
  BinarySource,
  CacheControl,
  ChatMessage,
  DocumentPart,
  ImagePart,
  ReasoningPart,
  TextPart,
  ToolResultPart,
  UserMessage,
} from '#contracts/inference';
import type { Inexpressible } from '#domain/inexpressible';
import { objectOf, readJson } from '../json-fields.ts';
import { refusePart } from '../request-fields.ts';
import type { OpenaiDialect } from './dialect.ts';

type ContentPart = TextPart | ImagePart | DocumentPart | AudioPart;

export type MessageContext = { dialect: OpenaiDialect; inexpressible: Inexpressible };

const urlOf = (source: BinarySource): string =>
  source.kind === 'url' ? source.url : `data:${source.mediaType};base64,${source.data}`;

const encodeDocument = ({ source, title }: DocumentPart, { documents }: OpenaiDialect): object => {
  if (source.kind === 'text') return { type: 'text', text: source.text };
  if (documents === null) return refusePart('document', 'Send its text.');
  if (documents === 'document_url') {
    return {
      type: 'document_url',
      document_url: urlOf(source),
      ...(title !== undefined && { document_name: title }),
    };
  }
  if (documents === 'file' && source.kind === 'url') {
    return refusePart('document', 'Send its content instead of a URL.');
  }
  return { type: 'file', file: { filename: title ?? 'document', file_data: urlOf(source) } };
};

const encodeAudio = ({ format, data }: AudioPart, { audio }: OpenaiDialect): object => {
  if (audio === null) return refusePart('audio', 'Send its transcript.');
  return { type: 'input_audio', input_audio: audio === 'bare' ? data : { data, format } };
};

const encodeBarePart = (part: ContentPart, dialect: OpenaiDialect): object => {
  switch (part.type) {
    case 'text':
      return { type: 'text', text: part.text };
    case 'image': {
      const { source, detail } = part;
      return {
        type: 'image_url',
        image_url: { url: urlOf(source), ...(detail !== undefined && { detail }) },
      };
    }
    case 'document':
      return encodeDocument(part, dialect);
    case 'audio':
      return encodeAudio(part, dialect);
  }
};

/** What a part asks to keep in the cache, where the server can be asked. */
const cacheOf = (
  part: { cacheControl?: CacheControl },
  { dialect, inexpressible }: MessageContext,
): object => {
  if (part.cacheControl === undefined) return {};
  if (!dialect.cacheControl) {
    inexpressible.hint('cacheControl');
    return {};
  }
  const { ttl } = part.cacheControl;
  return { cache_control: { type: 'ephemeral', ...(ttl === '1h' && { ttl }) } };
};

const encodePart = (part: ContentPart, context: MessageContext): object => ({
  ...encodeBarePart(part, context.dialect),
  ...(part.type !== 'audio' && cacheOf(part, context)),
});

/** One text stays a text: not every compatible server takes a list. */
const encodeContent = (parts: readonly ContentPart[], context: MessageContext): unknown => {
  const [only, ...more] = parts;
  const encoded = parts.map((part) => encodePart(part, context));
  const isPlain = only?.type === 'text' && more.length === 0 && Object.keys(encoded[0] ?? {}).length === 2;
  return isPlain ? only.text : encoded;
};

const isAttachment = (part: ContentPart): part is ImagePart | DocumentPart => part.type !== 'text';

/** A tool message holds text only: what else results hold follows in a message of the user. */
const encodeToolResults = (results: readonly ToolResultPart[], context: MessageContext): object[] => [
  ...results.map((result) => {
    const { toolCallId, content, isError } = result;
    cacheOf(result, context);
    const texts = content.map((part) => (part.type === 'text' ? part.text : '')).join('');
    const text = texts === '' && content.some(isAttachment) ? 'What it holds follows.' : texts;
    return { role: 'tool', tool_call_id: toolCallId, content: isError ? `Error: ${text}` : text };
  }),
  ...results
    .filter(({ content }) => content.some(isAttachment))
    .map(({ toolCallId, content }) => ({
      role: 'user',
      content: [
        { type: 'text', text: `What the result of ${toolCallId} holds:` },
        ...content.filter(isAttachment).map((part) => encodePart(part, context)),
      ],
    })),
];

const encodeUserMessage = ({ content }: UserMessage, context: MessageContext): object[] => {
  const results = content.filter((part) => part.type === 'tool_result');
  const rest = content.filter((part) => part.type !== 'tool_result');
  return [
    ...encodeToolResults(results, context),
    ...(rest.length > 0 || results.length === 0
      ? [{ role: 'user', content: encodeContent(rest, context) }]
      : []),
  ];
};

const textOf = (parts: readonly AssistantPart[], type: 'text' | 'refusal'): string =>
  parts.map((part) => (part.type === type ? part.text : '')).join('');

/** An item of OpenRouter's `reasoning_details`: its seal is that item without the text. */
const detailOf = ({ text, seal }: ReasoningPart): object =>
  seal === undefined
    ? { type: 'reasoning.text', text }
    : { ...objectOf(readJson(seal.value)), ...(seal.kind === 'signature' && { text }) };

/**
 * What was thought in earlier turns. Thoughts sealed by others mean nothing to this server, and the rest
 * only goes to one that wants it.
 */
const encodeReasoning = (content: readonly AssistantPart[], { dialect }: MessageContext) => {
  const { givenBack, sealsOf } = dialect.reasoning;
  const parts = content
    .filter((part) => part.type === 'reasoning')
    .filter(({ seal }) => seal === undefined || seal.origin === sealsOf);
  if (givenBack === null || parts.length === 0) return { members: {}, inContent: [] };
  const text = parts.map((part) => part.text).join('');
  switch (givenBack) {
    case 'reasoning':
      return { members: { reasoning: text }, inContent: [] };
    case 'reasoning_content':
      return { members: { reasoning_content: text }, inContent: [] };
    case 'reasoning_details':
      return { members: { reasoning_details: parts.map(detailOf) }, inContent: [] };
    case 'thinking_part':
      return { members: {}, inContent: [{ type: 'thinking', thinking: [{ type: 'text', text }] }] };
  }
};

const encodeAssistantMessage = ({ content }: AssistantMessage, context: MessageContext): object => {
  const text = textOf(content, 'text');
  const refusal = textOf(content, 'refusal');
  const calls = content.filter((part) => part.type === 'tool_call');
  const { members, inContent } = encodeReasoning(content, context);
  for (const part of content) if (part.type === 'text' || part.type === 'tool_call') cacheOf(part, context);
  const said = text === '' && (calls.length > 0 || refusal !== '') ? null : text;
  return {
    role: 'assistant',
    content: inContent.length === 0 ? said : [...inContent, ...(text === '' ? [] : [{ type: 'text', text }])],
    ...(refusal !== '' && { refusal }),
    ...members,
    ...(calls.length > 0 && {
      tool_calls: calls.map(({ id, name, argumentsJson }) => ({
        id,
        type: 'function',
        function: { name, arguments: argumentsJson },
      })),
    }),
  };
};

export const encodeOpenaiMessages = (
  system: readonly TextPart[],
  messages: readonly ChatMessage[],
  context: MessageContext,
): object[] => [
  ...(system.length > 0 ? [{ role: 'system', content: encodeContent(system, context) }] : []),
  ...messages.flatMap((message): object[] => {
    switch (message.role) {
      case 'user':
        return encodeUserMessage(message, context);
      case 'assistant':
        return [encodeAssistantMessage(message, context)];
      case 'system':
        return [{ role: 'system', content: encodeContent(message.content, context) }];
    }
  }),
];
