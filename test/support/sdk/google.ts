/** `@google/genai`: generateContent, streamGenerateContent, embedContent and countTokens. */
import { ApiError, GoogleGenAI, type Content, type GenerateContentConfig } from '@google/genai';
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

const TOOLS = [
  {
    functionDeclarations: [
      { name: TOOL_NAME, description: TOOL_DESCRIPTION, parametersJsonSchema: TOOL_SCHEMA },
    ],
  },
];

export const googleDriver = ({ url, apiKey }: DriverOptions): SdkDriver => {
  const { models } = new GoogleGenAI({ apiKey, httpOptions: { baseUrl: url } });
  const round = async (model: string, more: GenerateContentConfig) => {
    const config = { tools: TOOLS, ...more };
    const contents: Content[] = [{ role: 'user', parts: [{ text: TOOL_PROMPT }] }];
    const first = await models.generateContent({ model, contents, config });
    const call = first.functionCalls?.[0] ?? missing('function call');
    const turn = first.candidates?.[0]?.content ?? missing('content');
    const functionResponse = {
      ...(call.id === undefined ? {} : { id: call.id }),
      name: call.name ?? '',
      response: { output: TOOL_RESULT },
    };
    const second = await models.generateContent({
      model,
      contents: [...contents, turn, { role: 'user', parts: [{ functionResponse }] }],
      config,
    });
    return { first, round: { arguments: call.args, reply: second.text ?? '' } };
  };
  return {
    plain: async (model, prompt) => (await models.generateContent({ model, contents: prompt })).text ?? '',
    async *stream(model, prompt, signal) {
      const stream = await models.generateContentStream({
        model,
        contents: prompt,
        config: signal === undefined ? {} : { abortSignal: signal },
      });
      for await (const chunk of stream) yield chunk.text ?? '';
    },
    callTool: async (model) => (await round(model, {})).round,
    streamTool: async (model) => {
      const stream = await models.generateContentStream({
        model,
        contents: TOOL_PROMPT,
        config: {
          tools: TOOLS,
          toolConfig: { functionCallingConfig: { mode: 'ANY' as never, allowedFunctionNames: [TOOL_NAME] } },
        },
      });
      let args: unknown;
      for await (const chunk of stream) args = chunk.functionCalls?.[0]?.args ?? args;
      return args;
    },
    structured: async (model) => {
      const answer = await models.generateContent({
        model,
        contents: STRUCTURED_PROMPT,
        config: { responseMimeType: 'application/json', responseJsonSchema: ANSWER_SCHEMA },
      });
      return parseJson(answer.text ?? '');
    },
    describeImage: async (model) => {
      const contents: Content[] = [
        {
          role: 'user',
          parts: [{ text: IMAGE_PROMPT }, { inlineData: { mimeType: 'image/png', data: PIXEL } }],
        },
      ];
      return (await models.generateContent({ model, contents })).text ?? '';
    },
    think: async (model) => {
      const { first, round: made } = await round(model, {
        thinkingConfig: { includeThoughts: true, thinkingBudget: 1_024 },
      });
      const parts = first.candidates?.[0]?.content?.parts ?? [];
      const thought = parts.map((part) => (part.thought === true ? part.text : '')).join('');
      return { thought, round: made };
    },
    embed: async (model, texts) => {
      const { embeddings } = await models.embedContent({
        model,
        contents: texts,
        config: { outputDimensionality: 8 },
      });
      return (embeddings ?? []).map(({ values }) => values ?? []);
    },
    countTokens: async (model) =>
      (await models.countTokens({ model, contents: 'one two three' })).totalTokens ?? missing('count'),
    isOwnError: (error, status) => error instanceof ApiError && error.status === status,
  };
};
