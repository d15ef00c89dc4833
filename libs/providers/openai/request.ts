import type {
  AssistantMessage,
  AssistantPart,
  AudioPart,
  ChatMessage,
  ChatRequest,
  DocumentPart,
  ImagePart,
  TextPart,
  ToolChoice,
  ToolResultPart,
  UserMessage,
} from '#contracts/inference';
import type { TranslatedInput } from '../provider.ts';
import { findUnwritten, refusePart } from '../request-fields.ts';

type ContentPart = TextPart | ImagePart | DocumentPart | AudioPart;

const encodeDocument = ({ source, title }: DocumentPart) => {
  if (source.kind === 'text') return { type: 'text', text: source.text };
  if (source.kind === 'url') return refusePart('document', 'Send its content instead of a URL.');
  const data = `data:${source.mediaType};base64,${source.data}`;
  return { type: 'file', file: { filename: title ?? 'document', file_data: data } };
};

const encodePart = (part: ContentPart) => {
  switch (part.type) {
    case 'text':
      return { type: 'text', text: part.text };
    case 'image': {
      const { source, detail } = part;
      const url = source.kind === 'url' ? source.url : `data:${source.mediaType};base64,${source.data}`;
      return { type: 'image_url', image_url: { url, ...(detail !== undefined && { detail }) } };
    }
    case 'document':
      return encodeDocument(part);
    case 'audio':
      return { type: 'input_audio', input_audio: { data: part.data, format: part.format } };
  }
};

/** One text stays a text: not every compatible server takes a list. */
const encodeContent = (parts: readonly ContentPart[]) => {
  const [only, ...more] = parts;
  return only?.type === 'text' && more.length === 0 ? only.text : parts.map(encodePart);
};

const isAttachment = (part: ContentPart): part is ImagePart | DocumentPart => part.type !== 'text';

/** A tool message holds text only: what else results hold follows in a message of the user. */
const encodeToolResults = (results: readonly ToolResultPart[]): object[] => [
  ...results.map(({ toolCallId, content, isError }) => {
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
        ...content.filter(isAttachment).map(encodePart),
      ],
    })),
];

const encodeUserMessage = ({ content }: UserMessage): object[] => {
  const results = content.filter((part) => part.type === 'tool_result');
  const rest = content.filter((part) => part.type !== 'tool_result');
  return [
    ...encodeToolResults(results),
    ...(rest.length > 0 || results.length === 0 ? [{ role: 'user', content: encodeContent(rest) }] : []),
  ];
};

const textOf = (parts: readonly AssistantPart[], type: 'text' | 'refusal'): string =>
  parts.map((part) => (part.type === type ? part.text : '')).join('');

/** What the model thought has no place here: the API leaves it out of later turns, too. */
const encodeAssistantMessage = ({ content }: AssistantMessage): object => {
  const text = textOf(content, 'text');
  const refusal = textOf(content, 'refusal');
  const calls = content.filter((part) => part.type === 'tool_call');
  return {
    role: 'assistant',
    content: text === '' && (calls.length > 0 || refusal !== '') ? null : text,
    ...(refusal !== '' && { refusal }),
    ...(calls.length > 0 && {
      tool_calls: calls.map(({ id, name, argumentsJson }) => ({
        id,
        type: 'function',
        function: { name, arguments: argumentsJson },
      })),
    }),
  };
};

const encodeMessage = (message: ChatMessage): object[] =>
  message.role === 'user' ? encodeUserMessage(message) : [encodeAssistantMessage(message)];

const encodeToolChoice = (choice: ToolChoice) =>
  choice.type === 'tool' ? { type: 'function', function: { name: choice.name } } : choice.type;

const WRITTEN: ReadonlySet<keyof ChatRequest> = new Set<keyof ChatRequest>([
  'parallelToolCalls',
  'maxOutputTokens',
  'temperature',
  'topP',
  'endUser',
]);

/** The body of `POST /chat/completions`. */
export const encodeOpenaiRequest = ({
  request,
  model,
  inexpressible,
}: TranslatedInput<ChatRequest>): object => {
  findUnwritten(request, WRITTEN, inexpressible);
  return encodeBody(request, model);
};

const encodeBody = (request: ChatRequest, model: string): object => ({
  model,
  messages: [
    ...(request.system.length > 0 ? [{ role: 'system', content: encodeContent(request.system) }] : []),
    ...request.messages.flatMap(encodeMessage),
  ],
  // The API refuses both options of tools where there are none.
  ...(request.tools.length > 0 && {
    tools: request.tools.map(({ name, description, inputSchema }) => ({
      type: 'function',
      function: { name, ...(description !== undefined && { description }), parameters: inputSchema },
    })),
  }),
  ...(request.toolChoice !== undefined &&
    request.tools.length > 0 && { tool_choice: encodeToolChoice(request.toolChoice) }),
  ...(request.parallelToolCalls !== undefined &&
    request.tools.length > 0 && { parallel_tool_calls: request.parallelToolCalls }),
  ...(request.maxOutputTokens !== undefined && { max_completion_tokens: request.maxOutputTokens }),
  ...(request.temperature !== undefined && { temperature: request.temperature }),
  ...(request.topP !== undefined && { top_p: request.topP }),
  ...(request.stop.length > 0 && { stop: request.stop }),
  ...(request.endUser !== undefined && { user: request.endUser }),
  ...(request.stream && { stream: true, stream_options: { include_usage: true } }),
});
