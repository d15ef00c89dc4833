/** `openai`: Chat Completions and Responses. */
import OpenAI from 'openai';
import type { ChatCompletionMessageParam, ChatCompletionTool } from 'openai/resources/chat/completions';
import type {
  FunctionTool,
  ResponseInputItem,
  ResponseOutputItem,
} from 'openai/resources/responses/responses';
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

const clientOf = ({ url, apiKey }: DriverOptions): OpenAI =>
  new OpenAI({ apiKey, baseURL: `${url}/v1`, maxRetries: 0 });

const isOwnError = (error: unknown, status: number): boolean =>
  error instanceof OpenAI.APIError &&
  error.status === status &&
  (status !== 429 || error instanceof OpenAI.RateLimitError) &&
  (status !== 400 || error instanceof OpenAI.BadRequestError);

/** Mistral's content is a list of pieces where it has thought; texts alone are the reply. */
export const replyOf = (content: unknown): string =>
  typeof content === 'string'
    ? content
    : (Array.isArray(content) ? content : [])
        .map((part: unknown) => String(Reflect.get(Object(part), 'text') ?? ''))
        .join('');

const user = (content: string): ChatCompletionMessageParam => ({ role: 'user', content });

const CHAT_TOOLS: ChatCompletionTool[] = [
  {
    type: 'function',
    function: { name: TOOL_NAME, description: TOOL_DESCRIPTION, parameters: TOOL_SCHEMA },
  },
];

export const openaiChatDriver = (options: DriverOptions): SdkDriver => {
  const client = clientOf(options);
  const ask = async (
    model: string,
    messages: ChatCompletionMessageParam[],
    more: Partial<OpenAI.ChatCompletionCreateParamsNonStreaming> = {},
  ) => {
    const answer = await client.chat.completions.create({ model, messages, ...more });
    return answer.choices[0]?.message ?? missing('message');
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
    callTool: async (model) => {
      const messages = [user(TOOL_PROMPT)];
      const message = await ask(model, messages, { tools: CHAT_TOOLS });
      const call = message.tool_calls?.[0];
      if (call?.type !== 'function') return missing('tool call');
      const result = { role: 'tool' as const, tool_call_id: call.id, content: TOOL_RESULT };
      const second = await ask(model, [...messages, message, result], { tools: CHAT_TOOLS });
      return { arguments: parseJson(call.function.arguments), reply: replyOf(second.content) };
    },
    streamTool: async (model) => {
      const runner = client.chat.completions.stream({
        model,
        messages: [user(TOOL_PROMPT)],
        tools: CHAT_TOOLS,
        tool_choice: 'required',
      });
      const call = (await runner.finalChatCompletion()).choices[0]?.message.tool_calls?.[0];
      return call?.type === 'function' ? parseJson(call.function.arguments) : missing('tool call');
    },
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
      const url = `data:image/png;base64,${PIXEL}`;
      const message = await ask(model, [
        {
          role: 'user',
          content: [
            { type: 'text', text: IMAGE_PROMPT },
            { type: 'image_url', image_url: { url } },
          ],
        },
      ]);
      return message.content ?? '';
    },
    // OpenAI's own dialect shows no thought; others show it in a field of their own.
    think: async (model) => {
      const messages = [user(TOOL_PROMPT)];
      const effort = { reasoning_effort: 'high' as const, tools: CHAT_TOOLS };
      const message = await ask(model, messages, effort);
      const call = message.tool_calls?.[0];
      if (call?.type !== 'function') return missing('tool call');
      const result = { role: 'tool' as const, tool_call_id: call.id, content: TOOL_RESULT };
      const second = await ask(model, [...messages, message, result], effort);
      const thought: unknown = Reflect.get(message, 'reasoning_content') ?? Reflect.get(message, 'reasoning');
      return {
        thought: typeof thought === 'string' ? thought : '',
        round: { arguments: parseJson(call.function.arguments), reply: replyOf(second.content) },
      };
    },
    embed: async (model, input) => {
      const { data } = await client.embeddings.create({ model, input, dimensions: 8 });
      return data.map(({ embedding }) => embedding);
    },
    isOwnError,
  };
};

const RESPONSES_TOOLS: FunctionTool[] = [
  { type: 'function', name: TOOL_NAME, description: TOOL_DESCRIPTION, parameters: TOOL_SCHEMA, strict: true },
];

const functionCallOf = (output: ResponseOutputItem[]) => {
  const call = output.find((item) => item.type === 'function_call');
  return call?.type === 'function_call' ? call : missing('function call');
};

export const openaiResponsesDriver = (options: DriverOptions): SdkDriver => {
  const client = clientOf(options);
  const create = (
    model: string,
    input: string | ResponseInputItem[],
    more: Partial<OpenAI.Responses.ResponseCreateParamsNonStreaming> = {},
  ) => client.responses.create({ model, input, store: false, ...more });
  const round = async (model: string, more: Partial<OpenAI.Responses.ResponseCreateParamsNonStreaming>) => {
    const input: ResponseInputItem[] = [{ role: 'user', content: TOOL_PROMPT }];
    const first = await create(model, input, { tools: RESPONSES_TOOLS, ...more });
    const call = functionCallOf(first.output);
    const second = await create(
      model,
      [
        ...input,
        ...(first.output as ResponseInputItem[]),
        { type: 'function_call_output', call_id: call.call_id, output: TOOL_RESULT },
      ],
      { tools: RESPONSES_TOOLS, ...more },
    );
    return { first, round: { arguments: parseJson(call.arguments), reply: second.output_text } };
  };
  return {
    plain: async (model, prompt) => (await create(model, prompt)).output_text,
    async *stream(model, prompt, signal) {
      const stream = await client.responses.create(
        { model, input: prompt, store: false, stream: true },
        { signal },
      );
      for await (const event of stream) if (event.type === 'response.output_text.delta') yield event.delta;
    },
    callTool: async (model) => (await round(model, {})).round,
    streamTool: async (model) => {
      const runner = client.responses.stream({
        model,
        input: TOOL_PROMPT,
        store: false,
        tools: RESPONSES_TOOLS,
        tool_choice: { type: 'function', name: TOOL_NAME },
      });
      const { output } = await runner.finalResponse();
      return parseJson(functionCallOf(output).arguments);
    },
    structured: async (model) => {
      const { output_text: text } = await create(model, STRUCTURED_PROMPT, {
        text: { format: { type: 'json_schema', name: 'answer', schema: ANSWER_SCHEMA, strict: true } },
      });
      return parseJson(text);
    },
    describeImage: async (model) => {
      const { output_text: text } = await create(model, [
        {
          role: 'user',
          content: [
            { type: 'input_text', text: IMAGE_PROMPT },
            { type: 'input_image', image_url: `data:image/png;base64,${PIXEL}`, detail: 'auto' },
          ],
        },
      ]);
      return text;
    },
    think: async (model) => {
      const { first, round: made } = await round(model, {
        reasoning: { effort: 'medium', summary: 'auto' },
        include: ['reasoning.encrypted_content'],
      });
      const thought = first.output
        .flatMap((item) => (item.type === 'reasoning' ? item.summary.map(({ text }) => text) : []))
        .join('');
      return { thought, round: made };
    },
    countTokens: async (model) => {
      const { input_tokens: count } = await client.responses.inputTokens.count({
        model,
        input: 'one two three',
      });
      return count;
    },
    isOwnError,
  };
};
