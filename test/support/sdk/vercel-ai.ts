/** The Vercel AI SDK (`ai`) with `@ai-sdk/openai`, `@ai-sdk/anthropic` and `@ai-sdk/google`. */
import { createAnthropic } from '@ai-sdk/anthropic';
import { createGoogleGenerativeAI } from '@ai-sdk/google';
import { createOpenAI } from '@ai-sdk/openai';
import {
  APICallError,
  embedMany,
  generateText,
  jsonSchema,
  Output,
  isStepCount,
  streamText,
  tool,
  type EmbeddingModel,
  type LanguageModel,
} from 'ai';
import {
  ANSWER_SCHEMA,
  IMAGE_PROMPT,
  missing,
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

type ProviderOptions = NonNullable<Parameters<typeof generateText>[0]['providerOptions']>;

type Wiring = {
  /** What every call carries. */
  always?: ProviderOptions;
  languageModel: (model: string) => LanguageModel;
  embeddingModel?: (model: string) => EmbeddingModel;
  thinking: ProviderOptions;
  embedding?: ProviderOptions;
};

const driverOf = ({ languageModel, embeddingModel, always, thinking, embedding }: Wiring): SdkDriver => {
  const round = async (model: string, providerOptions?: ProviderOptions) => {
    let called: unknown;
    const weather = tool({
      description: TOOL_DESCRIPTION,
      inputSchema: jsonSchema<{ place: string }>(TOOL_SCHEMA),
      execute: (input) => {
        called = input;
        return TOOL_RESULT;
      },
    });
    const { text, steps } = await generateText({
      model: languageModel(model),
      prompt: TOOL_PROMPT,
      tools: { [TOOL_NAME]: weather },
      stopWhen: isStepCount(2),
      maxRetries: 0,
      ...(providerOptions === undefined ? {} : { providerOptions }),
    });
    return { thought: steps[0]?.reasoningText ?? '', round: { arguments: called, reply: text } };
  };
  return {
    plain: async (model, prompt) =>
      (await generateText({ model: languageModel(model), prompt, maxRetries: 0 })).text,
    async *stream(model, prompt, signal) {
      let failure: unknown = null;
      const { textStream } = streamText({
        model: languageModel(model),
        prompt,
        maxRetries: 0,
        onError: ({ error }) => {
          failure = error;
        },
        ...(signal === undefined ? {} : { abortSignal: signal }),
      });
      yield* textStream;
      if (failure !== null) throw failure;
    },
    callTool: async (model) => (await round(model, always)).round,
    structured: async (model) => {
      const { output } = await generateText({
        model: languageModel(model),
        prompt: STRUCTURED_PROMPT,
        output: Output.object({ schema: jsonSchema(ANSWER_SCHEMA) }),
        maxRetries: 0,
      });
      return output;
    },
    describeImage: async (model) => {
      const { text } = await generateText({
        model: languageModel(model),
        maxRetries: 0,
        messages: [
          {
            role: 'user',
            content: [
              { type: 'text', text: IMAGE_PROMPT },
              { type: 'file', data: PIXEL, mediaType: 'image/png' },
            ],
          },
        ],
      });
      return text;
    },
    think: (model) => round(model, thinking),
    ...(embeddingModel === undefined
      ? {}
      : {
          embed: async (model: string, values: string[]) => {
            const { embeddings } = await embedMany({
              model: embeddingModel(model),
              values,
              maxRetries: 0,
              ...(embedding === undefined ? {} : { providerOptions: embedding }),
            });
            return embeddings.length > 0 ? embeddings : missing('embeddings');
          },
        }),
    isOwnError: (error, status) => APICallError.isInstance(error) && error.statusCode === status,
  };
};

export const vercelOpenaiChatDriver = ({ url, apiKey }: DriverOptions): SdkDriver => {
  const provider = createOpenAI({ apiKey, baseURL: `${url}/v1` });
  return driverOf({
    languageModel: (model) => provider.chat(model),
    thinking: { openai: { reasoningEffort: 'high' } },
  });
};

export const vercelOpenaiResponsesDriver = ({ url, apiKey }: DriverOptions): SdkDriver => {
  const provider = createOpenAI({ apiKey, baseURL: `${url}/v1` });
  return driverOf({
    languageModel: (model) => provider.responses(model),
    // Else it speaks of earlier items by their ids alone, which only their own provider has kept.
    always: { openai: { store: false } },
    thinking: {
      openai: { store: false, forceReasoning: true, reasoningEffort: 'medium', reasoningSummary: 'auto' },
    },
    embeddingModel: (model) => provider.embeddingModel(model),
    embedding: { openai: { dimensions: 8 } },
  });
};

export const vercelAnthropicDriver = ({ url, apiKey }: DriverOptions): SdkDriver => {
  const provider = createAnthropic({ apiKey, baseURL: `${url}/v1` });
  return driverOf({
    languageModel: (model) => provider(model),
    thinking: { anthropic: { thinking: { type: 'enabled', budgetTokens: 1_024 } } },
  });
};

export const vercelGoogleDriver = ({ url, apiKey }: DriverOptions): SdkDriver => {
  const provider = createGoogleGenerativeAI({ apiKey, baseURL: `${url}/v1beta` });
  return driverOf({
    languageModel: (model) => provider(model),
    embeddingModel: (model) => provider.embeddingModel(model),
    thinking: { google: { thinkingConfig: { includeThoughts: true, thinkingBudget: 1_024 } } },
    embedding: { google: { outputDimensionality: 8 } },
  });
};
