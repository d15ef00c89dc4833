/** `groq-sdk`: Chat Completions below `/openai/v1`. */
import Groq from 'groq-sdk';
import type { ChatCompletionCreateParamsNonStreaming } from 'groq-sdk/resources/chat/completions';
import { replyOf } from './openai.ts';
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

type Message = Groq.Chat.ChatCompletionMessageParam;
const user = (content: string): Message => ({ role: 'user', content });

const TOOLS: Groq.Chat.ChatCompletionTool[] = [
  {
    type: 'function',
    function: { name: TOOL_NAME, description: TOOL_DESCRIPTION, parameters: TOOL_SCHEMA },
  },
];

export const groqDriver = ({ url, apiKey }: DriverOptions): SdkDriver => {
  const client = new Groq({ apiKey, baseURL: url, maxRetries: 0 });
  const ask = async (
    model: string,
    messages: Message[],
    more: Partial<ChatCompletionCreateParamsNonStreaming> = {},
  ) => {
    const answer = await client.chat.completions.create({ model, messages, ...more });
    return answer.choices[0]?.message ?? missing('message');
  };
  const round = async (model: string, more: Partial<ChatCompletionCreateParamsNonStreaming>) => {
    const messages = [user(TOOL_PROMPT)];
    const message = await ask(model, messages, { tools: TOOLS, ...more });
    const call = message.tool_calls?.[0] ?? missing('tool call');
    const result: Message = { role: 'tool', tool_call_id: call.id, content: TOOL_RESULT };
    const second = await ask(model, [...messages, message, result], { tools: TOOLS, ...more });
    return {
      message,
      round: { arguments: parseJson(call.function.arguments), reply: replyOf(second.content) },
    };
  };
  return {
    plain: async (model, prompt) => (await ask(model, [user(prompt)])).content ?? '',
    async *stream(model, prompt, signal) {
      const stream = await client.chat.completions.create(
        { model, messages: [user(prompt)], stream: true },
        { signal },
      );
      for await (const chunk of stream) yield chunk.choices[0]?.delta.content ?? '';
    },
    callTool: async (model) => (await round(model, {})).round,
    structured: async (model) => {
      const message = await ask(model, [user(STRUCTURED_PROMPT)], {
        response_format: {
          type: 'json_schema',
          json_schema: { name: 'answer', schema: ANSWER_SCHEMA, strict: true },
        },
      });
      return parseJson(message.content ?? '');
    },
    describeImage: async (model) => {
      const message = await ask(model, [
        {
          role: 'user',
          content: [
            { type: 'text', text: IMAGE_PROMPT },
            { type: 'image_url', image_url: { url: `data:image/png;base64,${PIXEL}` } },
          ],
        },
      ]);
      return message.content ?? '';
    },
    think: async (model) => {
      const { message, round: made } = await round(model, { reasoning_effort: 'high' });
      return { thought: message.reasoning ?? '', round: made };
    },
    isOwnError: (error, status) =>
      error instanceof Groq.APIError &&
      error.status === status &&
      (status !== 429 || error instanceof Groq.RateLimitError) &&
      (status !== 400 || error instanceof Groq.BadRequestError),
  };
};
