/** What clients can ask for, a request of each in every dialect that has a word for it. */
import type { SurfaceId } from '#contracts/vocabulary';

type Json = Record<string, unknown>;
export type ChatDialect = Extract<
  SurfaceId,
  'openai-chat' | 'openai-responses' | 'anthropic-messages' | 'gemini-generate-content'
>;

export const CHAT_DIALECTS: readonly ChatDialect[] = [
  'openai-chat',
  'openai-responses',
  'anthropic-messages',
  'gemini-generate-content',
];

/** The smallest request of a dialect; features are laid over it. */
export const BASE: Readonly<Record<ChatDialect, Json>> = {
  'openai-chat': { model: 'm', messages: [{ role: 'user', content: 'hello' }] },
  'openai-responses': { model: 'm', input: [{ role: 'user', content: 'hello' }] },
  'anthropic-messages': { model: 'm', max_tokens: 4_096, messages: [{ role: 'user', content: 'hello' }] },
  'gemini-generate-content': { contents: [{ role: 'user', parts: [{ text: 'hello' }] }] },
};

/** Fields that replace those of the smallest request; absent where the dialect has no word for it. */
export type ChatFeature = {
  name: string;
  /** What it is more than; more than the smallest request, where absent. */
  beyond?: Readonly<Record<ChatDialect, Json>>;
  /** Whether it asks for what some providers do anyway, and then nothing needs to be said. */
  mayBeUsual?: boolean;
} & Partial<Record<ChatDialect, Json>>;

const PIXEL =
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';
const PDF = 'JVBERi0xLjQK';
const SOUND = 'UklGRgAAAABXQVZF';
const IMAGE_URL = 'https://example.com/picture.jpg';
const DOCUMENT_URL = 'https://example.com/paper.pdf';
const SCHEMA = {
  type: 'object',
  properties: { place: { type: 'string' } },
  required: ['place'],
  additionalProperties: false,
};

const userParts = {
  'openai-chat': (...content: Json[]): Json => ({ messages: [{ role: 'user', content }] }),
  'openai-responses': (...content: Json[]): Json => ({ input: [{ role: 'user', content }] }),
  'anthropic-messages': (...content: Json[]): Json => ({ messages: [{ role: 'user', content }] }),
  'gemini-generate-content': (...parts: Json[]): Json => ({ contents: [{ role: 'user', parts }] }),
};

const config = (generationConfig: Json): Json => ({ generationConfig });

const TOOLS = {
  'openai-chat': { tools: [{ type: 'function', function: { name: 'f', parameters: SCHEMA } }] },
  'openai-responses': { tools: [{ type: 'function', name: 'f', parameters: SCHEMA, strict: false }] },
  'anthropic-messages': { tools: [{ name: 'f', input_schema: SCHEMA }] },
  'gemini-generate-content': {
    tools: [{ functionDeclarations: [{ name: 'f', parametersJsonSchema: SCHEMA }] }],
  },
};

const ARGUMENTS = { place: 'Köln' };

/** A call and what came of it. */
const round = (isError: boolean) => ({
  'anthropic-messages': {
    ...TOOLS['anthropic-messages'],
    messages: [
      { role: 'user', content: 'hello' },
      {
        role: 'assistant',
        content: [{ type: 'tool_use', id: 't1', name: 'f', input: ARGUMENTS }],
      },
      {
        role: 'user',
        content: [
          { type: 'tool_result', tool_use_id: 't1', content: 'sunny', ...(isError && { is_error: true }) },
        ],
      },
    ],
  },
  'openai-chat': {
    ...TOOLS['openai-chat'],
    messages: [
      { role: 'user', content: 'hello' },
      {
        role: 'assistant',
        content: null,
        tool_calls: [
          { id: 't1', type: 'function', function: { name: 'f', arguments: JSON.stringify(ARGUMENTS) } },
        ],
      },
      { role: 'tool', tool_call_id: 't1', content: 'sunny' },
    ],
  },
  'openai-responses': {
    ...TOOLS['openai-responses'],
    store: false,
    input: [
      { role: 'user', content: 'hello' },
      {
        type: 'function_call',
        id: 'fc_1',
        call_id: 't1',
        name: 'f',
        arguments: JSON.stringify(ARGUMENTS),
      },
      { type: 'function_call_output', call_id: 't1', output: 'sunny' },
    ],
  },
  'gemini-generate-content': {
    ...TOOLS['gemini-generate-content'],
    contents: [
      { role: 'user', parts: [{ text: 'hello' }] },
      {
        role: 'model',
        parts: [{ functionCall: { name: 'f', args: ARGUMENTS } }],
      },
      {
        role: 'user',
        parts: [{ functionResponse: { name: 'f', response: { [isError ? 'error' : 'output']: 'sunny' } } }],
      },
    ],
  },
});

export const CHAT_FEATURES: readonly ChatFeature[] = [
  {
    name: 'system prompt',
    'openai-chat': {
      messages: [
        { role: 'system', content: 'Be brief.' },
        { role: 'user', content: 'hello' },
      ],
    },
    'openai-responses': { instructions: 'Be brief.' },
    'anthropic-messages': { system: 'Be brief.' },
    'gemini-generate-content': { systemInstruction: { parts: [{ text: 'Be brief.' }] } },
  },
  {
    name: 'several turns',
    'openai-chat': {
      messages: [
        { role: 'user', content: 'hello' },
        { role: 'assistant', content: 'hi' },
        { role: 'user', content: 'and?' },
      ],
    },
    'openai-responses': {
      input: [
        { role: 'user', content: 'hello' },
        { role: 'assistant', content: 'hi' },
        { role: 'user', content: 'and?' },
      ],
    },
    'anthropic-messages': {
      messages: [
        { role: 'user', content: 'hello' },
        { role: 'assistant', content: 'hi' },
        { role: 'user', content: 'and?' },
      ],
    },
    'gemini-generate-content': {
      contents: [
        { role: 'user', parts: [{ text: 'hello' }] },
        { role: 'model', parts: [{ text: 'hi' }] },
        { role: 'user', parts: [{ text: 'and?' }] },
      ],
    },
  },
  {
    name: 'a later instruction',
    'openai-chat': {
      messages: [
        { role: 'user', content: 'hello' },
        { role: 'system', content: 'Be brief.' },
      ],
    },
    'openai-responses': {
      input: [
        { role: 'user', content: 'hello' },
        { role: 'developer', content: 'Be brief.' },
      ],
    },
  },
  {
    name: 'streaming',
    'openai-chat': { stream: true },
    'openai-responses': { stream: true },
    'anthropic-messages': { stream: true },
  },
  {
    name: 'image by value',
    'openai-chat': userParts['openai-chat']({
      type: 'image_url',
      image_url: { url: `data:image/png;base64,${PIXEL}` },
    }),
    'openai-responses': userParts['openai-responses']({
      type: 'input_image',
      image_url: `data:image/png;base64,${PIXEL}`,
    }),
    'anthropic-messages': userParts['anthropic-messages']({
      type: 'image',
      source: { type: 'base64', media_type: 'image/png', data: PIXEL },
    }),
    'gemini-generate-content': userParts['gemini-generate-content']({
      inlineData: { mimeType: 'image/png', data: PIXEL },
    }),
  },
  {
    name: 'image by address',
    'openai-chat': userParts['openai-chat']({ type: 'image_url', image_url: { url: IMAGE_URL } }),
    'openai-responses': userParts['openai-responses']({ type: 'input_image', image_url: IMAGE_URL }),
    'anthropic-messages': userParts['anthropic-messages']({
      type: 'image',
      source: { type: 'url', url: IMAGE_URL },
    }),
    'gemini-generate-content': userParts['gemini-generate-content']({
      fileData: { mimeType: 'image/jpeg', fileUri: IMAGE_URL },
    }),
  },
  {
    name: 'document by value',
    'openai-chat': userParts['openai-chat']({
      type: 'file',
      file: { filename: 'a.pdf', file_data: `data:application/pdf;base64,${PDF}` },
    }),
    'openai-responses': userParts['openai-responses']({
      type: 'input_file',
      filename: 'a.pdf',
      file_data: `data:application/pdf;base64,${PDF}`,
    }),
    'anthropic-messages': userParts['anthropic-messages']({
      type: 'document',
      source: { type: 'base64', media_type: 'application/pdf', data: PDF },
    }),
    'gemini-generate-content': userParts['gemini-generate-content']({
      inlineData: { mimeType: 'application/pdf', data: PDF },
    }),
  },
  {
    name: 'document by address',
    'openai-responses': userParts['openai-responses']({ type: 'input_file', file_url: DOCUMENT_URL }),
    'anthropic-messages': userParts['anthropic-messages']({
      type: 'document',
      source: { type: 'url', url: DOCUMENT_URL },
    }),
    'gemini-generate-content': userParts['gemini-generate-content']({
      fileData: { mimeType: 'application/pdf', fileUri: DOCUMENT_URL },
    }),
  },
  {
    name: 'sound',
    'openai-chat': userParts['openai-chat']({
      type: 'input_audio',
      input_audio: { format: 'wav', data: SOUND },
    }),
    'gemini-generate-content': userParts['gemini-generate-content']({
      inlineData: { mimeType: 'audio/wav', data: SOUND },
    }),
  },
  { name: 'tools', ...TOOLS },
  {
    name: 'a forced tool',
    beyond: TOOLS,
    'openai-chat': { ...TOOLS['openai-chat'], tool_choice: { type: 'function', function: { name: 'f' } } },
    'openai-responses': { ...TOOLS['openai-responses'], tool_choice: { type: 'function', name: 'f' } },
    'anthropic-messages': { ...TOOLS['anthropic-messages'], tool_choice: { type: 'tool', name: 'f' } },
    'gemini-generate-content': {
      ...TOOLS['gemini-generate-content'],
      toolConfig: { functionCallingConfig: { mode: 'ANY', allowedFunctionNames: ['f'] } },
    },
  },
  {
    name: 'one call at a time',
    beyond: TOOLS,
    'openai-chat': { ...TOOLS['openai-chat'], parallel_tool_calls: false },
    'openai-responses': { ...TOOLS['openai-responses'], parallel_tool_calls: false },
    'anthropic-messages': {
      ...TOOLS['anthropic-messages'],
      tool_choice: { type: 'auto', disable_parallel_tool_use: true },
    },
  },
  { name: 'the result of a tool', ...round(false) },
  {
    name: 'the failure of a tool',
    beyond: round(false),
    'anthropic-messages': round(true)['anthropic-messages'],
    'gemini-generate-content': round(true)['gemini-generate-content'],
  },
  {
    name: 'any JSON',
    'openai-chat': { response_format: { type: 'json_object' } },
    'openai-responses': { text: { format: { type: 'json_object' } } },
    'gemini-generate-content': config({ responseMimeType: 'application/json' }),
  },
  {
    name: 'JSON by a schema',
    'openai-chat': {
      response_format: { type: 'json_schema', json_schema: { name: 'answer', schema: SCHEMA, strict: true } },
    },
    'openai-responses': {
      text: { format: { type: 'json_schema', name: 'answer', schema: SCHEMA, strict: true } },
    },
    'anthropic-messages': { output_config: { format: { type: 'json_schema', schema: SCHEMA } } },
    'gemini-generate-content': config({
      responseMimeType: 'application/json',
      responseJsonSchema: SCHEMA,
    }),
  },
  {
    name: 'thinking, by effort',
    'openai-chat': { reasoning_effort: 'high' },
    'openai-responses': { reasoning: { effort: 'high' } },
    'anthropic-messages': { output_config: { effort: 'high' } },
    'gemini-generate-content': config({ thinkingConfig: { thinkingLevel: 'HIGH' } }),
  },
  {
    name: 'thinking, by a budget',
    'anthropic-messages': { thinking: { type: 'enabled', budget_tokens: 1_024 } },
    'gemini-generate-content': config({ thinkingConfig: { thinkingBudget: 1_024 } }),
  },
  {
    name: 'thoughts shown',
    mayBeUsual: true,
    'openai-responses': { reasoning: { effort: 'high', summary: 'auto' } },
    'gemini-generate-content': config({ thinkingConfig: { includeThoughts: true } }),
  },
  {
    name: 'a bound on the answer',
    'openai-chat': { max_completion_tokens: 100 },
    'openai-responses': { max_output_tokens: 100 },
    'anthropic-messages': { max_tokens: 100 },
    'gemini-generate-content': config({ maxOutputTokens: 100 }),
  },
  {
    name: 'stop sequences',
    'openai-chat': { stop: ['END'] },
    'anthropic-messages': { stop_sequences: ['END'] },
    'gemini-generate-content': config({ stopSequences: ['END'] }),
  },
  {
    name: 'temperature',
    'openai-chat': { temperature: 0.5 },
    'openai-responses': { temperature: 0.5 },
    'anthropic-messages': { temperature: 0.5 },
    'gemini-generate-content': config({ temperature: 0.5 }),
  },
  {
    name: 'top-p',
    'openai-chat': { top_p: 0.5 },
    'openai-responses': { top_p: 0.5 },
    'anthropic-messages': { top_p: 0.5 },
    'gemini-generate-content': config({ topP: 0.5 }),
  },
  {
    name: 'top-k',
    'anthropic-messages': { top_k: 5 },
    'gemini-generate-content': config({ topK: 5 }),
  },
  {
    name: 'penalties',
    'openai-chat': { frequency_penalty: 0.5, presence_penalty: 0.5 },
    'gemini-generate-content': config({ frequencyPenalty: 0.5, presencePenalty: 0.5 }),
  },
  { name: 'seed', 'openai-chat': { seed: 7 }, 'gemini-generate-content': config({ seed: 7 }) },
  {
    name: 'log probabilities',
    'openai-chat': { logprobs: true, top_logprobs: 2 },
    'gemini-generate-content': config({ responseLogprobs: true, logprobs: 2 }),
  },
  {
    name: 'verbosity',
    'openai-chat': { verbosity: 'low' },
    'openai-responses': { text: { verbosity: 'low' } },
  },
  {
    name: 'service tier',
    mayBeUsual: true,
    'openai-chat': { service_tier: 'flex' },
    'openai-responses': { service_tier: 'flex' },
    'anthropic-messages': { service_tier: 'standard_only' },
    'gemini-generate-content': { serviceTier: 'flex' },
  },
  {
    name: 'cache control',
    'anthropic-messages': {
      system: [{ type: 'text', text: 'Be brief.', cache_control: { type: 'ephemeral' } }],
    },
  },
  {
    name: 'the end user',
    'openai-chat': { user: 'u-1' },
    'openai-responses': { user: 'u-1' },
    'anthropic-messages': { metadata: { user_id: 'u-1' } },
  },
  {
    name: 'several answers',
    'openai-chat': { n: 2 },
    'gemini-generate-content': config({ candidateCount: 2 }),
  },
  {
    name: 'a tool of the provider',
    'openai-responses': { tools: [{ type: 'web_search' }] },
    'anthropic-messages': { tools: [{ type: 'web_search_20250305', name: 'web_search' }] },
    'gemini-generate-content': { tools: [{ googleSearch: {} }] },
  },
  {
    name: 'a field nobody knows',
    'openai-chat': { field_of_tomorrow: 1 },
    'openai-responses': { field_of_tomorrow: 1 },
    'anthropic-messages': { field_of_tomorrow: 1 },
    'gemini-generate-content': { fieldOfTomorrow: 1 },
  },
];
