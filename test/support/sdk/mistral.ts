/** `@mistralai/mistralai`: Chat Completions and embeddings as Mistral has them. */
import { Mistral } from '@mistralai/mistralai';
import type {
  AssistantMessage,
  ChatCompletionRequest,
  ChatCompletionRequestMessage,
  ContentChunk,
  Tool,
} from '@mistralai/mistralai/models/components';
import { MistralError } from '@mistralai/mistralai/models/errors';
import {
  ANSWER_SCHEMA,
  IMAGE_PROMPT,
  missing,
  parseJson,
  PIXEL,
  STRUCTURED_PROMPT,
  TOOL_DESCRIPTION,
  TOOL_NAME,
  TOOL_PROMPT,
  TOOL_RESULT,
  TOOL_SCHEMA,
  type DriverOptions,
  type SdkDriver,
} from './driver.ts';

const user = (content: string | ContentChunk[]): ChatCompletionRequestMessage => ({ role: 'user', content });

const TOOLS: (Tool & { type: 'function' })[] = [
  {
    type: 'function',
    function: { name: TOOL_NAME, description: TOOL_DESCRIPTION, parameters: TOOL_SCHEMA },
  },
];

const textOf = (content: AssistantMessage['content']): string =>
  typeof content === 'string'
    ? content
    : (content ?? []).map((chunk) => (chunk.type === 'text' ? chunk.text : '')).join('');

const thoughtOf = (content: AssistantMessage['content']): string =>
  Array.isArray(content)
    ? content
        .flatMap((chunk) => (chunk.type === 'thinking' ? chunk.thinking : []))
        .map((part) => ('text' in part ? part.text : ''))
        .join('')
    : '';

export const mistralDriver = ({ url, apiKey }: DriverOptions): SdkDriver => {
  const client = new Mistral({ apiKey, serverURL: url, retryConfig: { strategy: 'none' } });
  const ask = async (
    model: string,
    messages: ChatCompletionRequestMessage[],
    more: Partial<ChatCompletionRequest> = {},
  ): Promise<AssistantMessage> => {
    const { choices } = await client.chat.complete({ model, messages, ...more });
    return choices?.[0]?.message ?? missing('message');
  };
  const round = async (model: string, more: Partial<ChatCompletionRequest>) => {
    const messages = [user(TOOL_PROMPT)];
    const message = await ask(model, messages, { tools: TOOLS, ...more });
    const call = message.toolCalls?.[0] ?? missing('tool call');
    const args = call.function.arguments;
    const second = await ask(
      model,
      [
        ...messages,
        { ...message, role: 'assistant' },
        { role: 'tool', toolCallId: call.id ?? '', name: TOOL_NAME, content: TOOL_RESULT },
      ],
      { tools: TOOLS, ...more },
    );
    return {
      message,
      round: {
        arguments: typeof args === 'string' ? parseJson(args) : args,
        reply: textOf(second.content),
      },
    };
  };
  return {
    plain: async (model, prompt) => textOf((await ask(model, [user(prompt)])).content),
    async *stream(model, prompt, signal) {
      const stream = await client.chat.stream(
        { model, messages: [user(prompt)] },
        signal === undefined ? {} : { fetchOptions: { signal } },
      );
      for await (const { data } of stream) yield textOf(data.choices[0]?.delta.content);
    },
    callTool: async (model) => (await round(model, {})).round,
    structured: async (model) => {
      const message = await ask(model, [user(STRUCTURED_PROMPT)], {
        responseFormat: {
          type: 'json_schema',
          jsonSchema: { name: 'answer', schemaDefinition: ANSWER_SCHEMA, strict: true },
        },
      });
      return parseJson(textOf(message.content));
    },
    describeImage: async (model) => {
      const message = await ask(model, [
        user([
          { type: 'text', text: IMAGE_PROMPT },
          { type: 'image_url', imageUrl: `data:image/png;base64,${PIXEL}` },
        ]),
      ]);
      return textOf(message.content);
    },
    think: async (model) => {
      const { message, round: made } = await round(model, { reasoningEffort: 'high' });
      return { thought: thoughtOf(message.content), round: made };
    },
    embed: async (model, inputs) => {
      const { data } = await client.embeddings.create({ model, inputs, outputDimension: 8 });
      return data.map(({ embedding }) => embedding ?? []);
    },
    isOwnError: (error, status) => error instanceof MistralError && error.statusCode === status,
  };
};
