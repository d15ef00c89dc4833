/** `@anthropic-ai/sdk`: Messages and the count of their tokens. */
import Anthropic from '@anthropic-ai/sdk';
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

const TOOLS: Anthropic.Tool[] = [
  { name: TOOL_NAME, description: TOOL_DESCRIPTION, input_schema: TOOL_SCHEMA },
];

const textOf = ({ content }: Anthropic.Message): string =>
  content.map((block) => (block.type === 'text' ? block.text : '')).join('');

const toolUseOf = ({ content }: Anthropic.Message): Anthropic.ToolUseBlock =>
  content.find((block) => block.type === 'tool_use') ?? missing('tool use');

const MAX_TOKENS = 4_096;

export const anthropicDriver = ({ url, apiKey }: DriverOptions): SdkDriver => {
  const client = new Anthropic({ apiKey, baseURL: url, maxRetries: 0 });
  const create = (
    model: string,
    messages: Anthropic.MessageParam[],
    more: Partial<Anthropic.MessageCreateParamsNonStreaming> = {},
  ) => client.messages.create({ model, max_tokens: MAX_TOKENS, messages, ...more });
  const round = async (model: string, more: Partial<Anthropic.MessageCreateParamsNonStreaming>) => {
    const messages: Anthropic.MessageParam[] = [{ role: 'user', content: TOOL_PROMPT }];
    const first = await create(model, messages, { tools: TOOLS, ...more });
    const call = toolUseOf(first);
    const second = await create(
      model,
      [
        ...messages,
        { role: 'assistant', content: first.content },
        {
          role: 'user',
          content: [{ type: 'tool_result', tool_use_id: call.id, content: TOOL_RESULT }],
        },
      ],
      { tools: TOOLS, ...more },
    );
    return { first, round: { arguments: call.input, reply: textOf(second) } };
  };
  return {
    plain: async (model, prompt) => textOf(await create(model, [{ role: 'user', content: prompt }])),
    async *stream(model, prompt, signal) {
      const messages: Anthropic.MessageParam[] = [{ role: 'user', content: prompt }];
      const stream = client.messages.stream({ model, max_tokens: MAX_TOKENS, messages }, { signal });
      for await (const event of stream)
        if (event.type === 'content_block_delta' && event.delta.type === 'text_delta') yield event.delta.text;
    },
    callTool: async (model) => (await round(model, {})).round,
    streamTool: async (model) => {
      const stream = client.messages.stream({
        model,
        max_tokens: MAX_TOKENS,
        messages: [{ role: 'user', content: TOOL_PROMPT }],
        tools: TOOLS,
        tool_choice: { type: 'tool', name: TOOL_NAME },
      });
      return toolUseOf(await stream.finalMessage()).input;
    },
    structured: async (model) => {
      const message = await create(model, [{ role: 'user', content: STRUCTURED_PROMPT }], {
        output_config: { format: { type: 'json_schema', schema: ANSWER_SCHEMA } },
      });
      return parseJson(textOf(message));
    },
    describeImage: async (model) => {
      const message = await create(model, [
        {
          role: 'user',
          content: [
            { type: 'text', text: IMAGE_PROMPT },
            { type: 'image', source: { type: 'base64', media_type: 'image/png', data: PIXEL } },
          ],
        },
      ]);
      return textOf(message);
    },
    think: async (model) => {
      const { first, round: made } = await round(model, {
        thinking: { type: 'enabled', budget_tokens: 1_024 },
      });
      const thought = first.content
        .map((block) => (block.type === 'thinking' ? block.thinking : ''))
        .join('');
      return { thought, round: made };
    },
    countTokens: async (model) => {
      const { input_tokens: count } = await client.messages.countTokens({
        model,
        messages: [{ role: 'user', content: 'one two three' }],
      });
      return count;
    },
    isOwnError: (error, status) =>
      error instanceof Anthropic.APIError &&
      error.status === status &&
      (status !== 429 || error instanceof Anthropic.RateLimitError) &&
      (status !== 400 || error instanceof Anthropic.BadRequestError),
  };
};
