import { z } from 'zod';

/** The fields of `POST /v1/responses` that the API knows; those nothing here depends on are taken as they come. */
const loose = z.unknown().optional();
const toolName = z
  .string()
  .regex(/^[a-zA-Z0-9_-]+$/)
  .max(128);
const itemId = (prefix: string) =>
  z
    .string()
    .max(64)
    .regex(new RegExp(`^${prefix}_`))
    .nullish();
const status = z.enum(['in_progress', 'completed', 'incomplete']).nullish();

const inputPart = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('input_text'), text: z.string() }),
  z.strictObject({
    type: z.literal('input_image'),
    image_url: z.string().nullish(),
    file_id: z.string().nullish(),
    detail: z.enum(['auto', 'low', 'high', 'original']).optional(),
  }),
  z.strictObject({
    type: z.literal('input_file'),
    file_data: z.string().optional(),
    file_id: z.string().nullish(),
    file_url: z.string().optional(),
    filename: z.string().optional(),
    detail: loose,
  }),
]);
const outputPart = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('output_text'),
    text: z.string(),
    annotations: z.array(z.unknown()).optional(),
    logprobs: z.array(z.unknown()).optional(),
  }),
  z.strictObject({ type: z.literal('refusal'), refusal: z.string() }),
]);

const messageItem = z.discriminatedUnion('role', [
  z.strictObject({
    type: z.literal('message').optional(),
    role: z.enum(['user', 'system', 'developer']),
    content: z.union([z.string(), z.array(inputPart)]),
    id: itemId('msg'),
    status,
  }),
  z.strictObject({
    type: z.literal('message').optional(),
    role: z.literal('assistant'),
    content: z.union([z.string(), z.array(outputPart)]),
    id: itemId('msg'),
    status,
    phase: loose,
  }),
]);
const functionCallItem = z.strictObject({
  type: z.literal('function_call'),
  call_id: z.string().min(1).max(64),
  name: toolName,
  arguments: z.string(),
  id: itemId('fc'),
  status,
  namespace: loose,
  caller: loose,
});
const functionCallOutputItem = z.strictObject({
  type: z.literal('function_call_output'),
  call_id: z.string().min(1).max(64),
  output: z.union([z.string(), z.array(inputPart)]),
  id: itemId('fc'),
  status,
});
const reasoningItem = z.strictObject({
  type: z.literal('reasoning'),
  id: z.string().max(64).regex(/^rs_/),
  summary: z.array(z.strictObject({ type: z.literal('summary_text'), text: z.string() })),
  content: z.array(z.strictObject({ type: z.literal('reasoning_text'), text: z.string() })).optional(),
  encrypted_content: z.string().nullish(),
  status,
});
const typedItem = z.discriminatedUnion('type', [functionCallItem, functionCallOutputItem, reasoningItem]);
export type ResponsesMessageItem = z.infer<typeof messageItem>;
export type ResponsesItem = ResponsesMessageItem | z.infer<typeof typedItem>;
export type ResponsesInputPart = z.infer<typeof inputPart>;

const functionTool = z.strictObject({
  type: z.literal('function'),
  name: toolName,
  description: z.string().nullish(),
  parameters: z.looseObject({}).nullish(),
  strict: z.boolean().nullish(),
  defer_loading: loose,
});
const hostedTool = z.looseObject({
  type: z.enum([
    'web_search',
    'web_search_preview',
    'file_search',
    'code_interpreter',
    'image_generation',
    'mcp',
    'custom',
  ]),
});

const format = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('text') }),
  z.strictObject({ type: z.literal('json_object') }),
  z.strictObject({
    type: z.literal('json_schema'),
    name: z
      .string()
      .regex(/^[a-zA-Z0-9_-]+$/)
      .max(64),
    description: z.string().optional(),
    schema: z.looseObject({}),
    strict: z.boolean().nullish(),
  }),
]);

export const responsesBody = z.strictObject({
  model: z.string(),
  input: z.union([z.string(), z.array(z.union([messageItem, typedItem]))]).optional(),
  instructions: z.string().nullish(),
  stream: z.boolean().nullish(),
  stream_options: z.strictObject({ include_obfuscation: z.boolean().optional() }).nullish(),
  max_output_tokens: z.int().min(16).nullish(),
  temperature: z.number().min(0).max(2).nullish(),
  top_p: z.number().min(0).max(1).nullish(),
  tools: z
    .array(z.union([functionTool, hostedTool]))
    .max(128)
    .optional(),
  tool_choice: z
    .union([
      z.enum(['none', 'auto', 'required']),
      z.strictObject({ type: z.literal('function'), name: z.string() }),
      z.looseObject({ type: z.string() }),
    ])
    .optional(),
  parallel_tool_calls: z.boolean().nullish(),
  text: z
    .strictObject({ format: format.optional(), verbosity: z.enum(['low', 'medium', 'high']).nullish() })
    .optional(),
  reasoning: z
    .strictObject({
      effort: z.enum(['none', 'minimal', 'low', 'medium', 'high', 'xhigh', 'max']).nullish(),
      summary: z.enum(['auto', 'concise', 'detailed']).nullish(),
    })
    .nullish(),
  include: z
    .array(
      z.enum([
        'reasoning.encrypted_content',
        'message.output_text.logprobs',
        'message.input_image.image_url',
        'file_search_call.results',
        'web_search_call.results',
        'web_search_call.action.sources',
        'code_interpreter_call.outputs',
        'computer_call_output.output.image_url',
      ]),
    )
    .nullish(),
  metadata: z.record(z.string().max(64), z.string().max(512)).nullish(),
  user: z.string().optional(),
  store: z.boolean().nullish(),
  background: z.boolean().nullish(),
  previous_response_id: z
    .string()
    .regex(/^resp_/)
    .nullish(),
  service_tier: z.enum(['auto', 'default', 'flex', 'scale', 'priority']).nullish(),
  truncation: z.enum(['auto', 'disabled']).nullish(),
  top_logprobs: z.int().min(0).max(20).nullish(),
  max_tool_calls: z.int().min(1).nullish(),
  prompt_cache_key: z.string().nullish(),
  prompt_cache_retention: z.enum(['in_memory', '24h']).nullish(),
  prompt_cache_options: loose,
  safety_identifier: z.string().nullish(),
  conversation: loose,
  prompt: loose,
  context_management: loose,
  moderation: loose,
});
export type ResponsesBody = z.infer<typeof responsesBody>;
