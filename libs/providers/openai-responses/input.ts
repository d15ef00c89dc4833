import type {
  AssistantPart,
  AudioPart,
  ChatMessage,
  DocumentPart,
  ImagePart,
  Seal,
  TextPart,
  ToolResultPart,
  UserPart,
} from '#contracts/inference';

type ContentPart = TextPart | ImagePart | DocumentPart | AudioPart;

const DOCUMENT_NAME = 'document';

const encodeDocument = ({ source, title }: DocumentPart): object => {
  const filename = title ?? DOCUMENT_NAME;
  switch (source.kind) {
    case 'url':
      return { type: 'input_file', file_url: source.url };
    case 'base64':
      return {
        type: 'input_file',
        filename,
        file_data: `data:${source.mediaType};base64,${source.data}`,
      };
    case 'text': {
      const data = Buffer.from(source.text).toString('base64');
      return { type: 'input_file', filename, file_data: `data:text/plain;base64,${data}` };
    }
  }
};

const encodePart = (part: ContentPart): object => {
  switch (part.type) {
    case 'text':
      return { type: 'input_text', text: part.text };
    case 'image': {
      const { source, detail } = part;
      const url = source.kind === 'url' ? source.url : `data:${source.mediaType};base64,${source.data}`;
      return { type: 'input_image', image_url: url, ...(detail !== undefined && { detail }) };
    }
    case 'document':
      return encodeDocument(part);
    case 'audio':
      return { type: 'input_audio', input_audio: { data: part.data, format: part.format } };
  }
};

const encodeResult = ({ toolCallId, content, isError }: ToolResultPart): object => {
  const isText = content.every(({ type }) => type === 'text');
  const text = content.map((part) => (part.type === 'text' ? part.text : '')).join('');
  const marked: ContentPart[] = isError ? [{ type: 'text', text: 'Error:' }, ...content] : content;
  return {
    type: 'function_call_output',
    call_id: toolCallId,
    output: isText ? (isError ? `Error: ${text}` : text) : marked.map(encodePart),
  };
};

const encodeUser = (content: readonly UserPart[]): object[] => {
  const results = content.filter((part) => part.type === 'tool_result');
  const rest = content.filter((part) => part.type !== 'tool_result');
  return [
    ...results.map(encodeResult),
    ...(rest.length > 0 || results.length === 0
      ? [{ type: 'message', role: 'user', content: rest.map(encodePart) }]
      : []),
  ];
};

const encodeSaid = (part: Extract<AssistantPart, { type: 'text' | 'refusal' }>): object =>
  part.type === 'refusal'
    ? { type: 'refusal', refusal: part.text }
    : { type: 'output_text', text: part.text, annotations: [] };

/** What another's model thought is its own; what the server's thought goes on where it is proven. */
const encodeAssistant = (content: readonly AssistantPart[], sealsOf: Seal['origin'] | null): object[] => {
  const items: object[] = [];
  let message: object[] | null = null;
  for (const part of content) {
    if (part.type === 'text' || part.type === 'refusal') {
      if (message === null) {
        message = [];
        items.push({ type: 'message', role: 'assistant', content: message });
      }
      message.push(encodeSaid(part));
      continue;
    }
    message = null;
    if (part.type === 'tool_call') {
      const { id, name, argumentsJson } = part;
      items.push({ type: 'function_call', call_id: id, name, arguments: argumentsJson });
    } else if (part.seal !== undefined && part.seal.origin === sealsOf) {
      const { id, value } = part.seal;
      items.push({
        type: 'reasoning',
        ...(id !== undefined && { id }),
        summary: part.text === '' ? [] : [{ type: 'summary_text', text: part.text }],
        encrypted_content: value,
      });
    }
  }
  return items;
};

const encodeInstruction = (texts: readonly TextPart[]): object => ({
  type: 'message',
  role: 'developer',
  content: texts.map(encodePart),
});

export const encodeInput = (
  system: readonly TextPart[],
  messages: readonly ChatMessage[],
  sealsOf: Seal['origin'] | null,
): object[] => [
  ...(system.length > 0 ? [encodeInstruction(system)] : []),
  ...messages.flatMap((message): object[] => {
    switch (message.role) {
      case 'user':
        return encodeUser(message.content);
      case 'assistant':
        return encodeAssistant(message.content, sealsOf);
      case 'system':
        return [encodeInstruction(message.content)];
    }
  }),
];
