import type {
  AssistantMessage,
  ChatMessage,
  ChatRequest,
  ImagePart,
  TextPart,
  ToolChoice,
  ToolResultPart,
  UserMessage,
} from '#contracts/inference';

const encodePart = (part: TextPart | ImagePart) => {
  if (part.type === 'text') return { type: 'text', text: part.text };
  const { source } = part;
  const url = source.kind === 'url' ? source.url : `data:${source.mediaType};base64,${source.data}`;
  return { type: 'image_url', image_url: { url } };
};

/** One text stays a text: not every compatible server takes a list. */
const encodeContent = (parts: readonly (TextPart | ImagePart)[]) => {
  const [only, ...more] = parts;
  return only?.type === 'text' && more.length === 0 ? only.text : parts.map(encodePart);
};

const isImage = (part: TextPart | ImagePart): part is ImagePart => part.type === 'image';

/** A tool message holds text only: images of results follow in a message of the user. */
const encodeToolResults = (results: readonly ToolResultPart[]): object[] => [
  ...results.map(({ toolCallId, content, isError }) => {
    const texts = content.map((part) => (part.type === 'text' ? part.text : '')).join('');
    const text = texts === '' && content.some(isImage) ? 'The images follow.' : texts;
    return { role: 'tool', tool_call_id: toolCallId, content: isError ? `Error: ${text}` : text };
  }),
  ...results
    .filter(({ content }) => content.some(isImage))
    .map(({ toolCallId, content }) => ({
      role: 'user',
      content: [
        { type: 'text', text: `Images of the result of ${toolCallId}:` },
        ...content.filter(isImage).map(encodePart),
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

const encodeAssistantMessage = ({ content }: AssistantMessage): object => {
  const text = content.map((part) => (part.type === 'text' ? part.text : '')).join('');
  const calls = content.filter((part) => part.type === 'tool_call');
  return {
    role: 'assistant',
    content: text === '' && calls.length > 0 ? null : text,
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

/** The body of `POST /chat/completions`. `topK` has no field there and is left out. */
export const encodeOpenaiRequest = (request: ChatRequest, model: string): object => ({
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
