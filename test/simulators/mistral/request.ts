import { z } from 'zod';
import type { Conversation } from '../conversation.ts';
import type { ChatCompletionBody as Body } from '../openai/request-schema.ts';
import { RefusedRequest } from '../provider.ts';
import type { Failure } from '../provider.ts';
import { leadingIssue, valueAt } from '../schema-issue.ts';

const loose = z.unknown().optional();

const text = z.strictObject({ type: z.literal('text'), text: z.string() });
const chunk = z.discriminatedUnion('type', [
  text,
  z.strictObject({
    type: z.literal('image_url'),
    image_url: z.union([z.string(), z.strictObject({ url: z.string(), detail: loose })]),
  }),
  z.strictObject({ type: z.literal('document_url'), document_url: z.string(), document_name: loose }),
  z.strictObject({ type: z.literal('input_audio'), input_audio: z.string() }),
  z.strictObject({
    type: z.literal('thinking'),
    thinking: z.array(text),
    closed: z.boolean().optional(),
    signature: z.string().nullish(),
  }),
  z.strictObject({ type: z.literal('reference'), reference_ids: z.array(z.unknown()) }),
]);
type Chunk = z.infer<typeof chunk>;
const content = z.union([z.string(), z.array(chunk)]);

/** The API's own calls have nine letters and digits, and others are refused. */
const callId = z.string().regex(/^[a-zA-Z0-9]{9}$/);
const toolCall = z.strictObject({
  id: callId,
  type: z.literal('function').optional(),
  function: z.strictObject({
    name: z.string().regex(/^[a-zA-Z0-9_-]{1,256}$/),
    arguments: z.union([z.string(), z.record(z.string(), z.unknown())]),
  }),
  index: z.int().optional(),
});

const message = z.discriminatedUnion('role', [
  z.strictObject({
    role: z.literal('system'),
    content: z.union([z.string(), z.array(z.union([text, chunk]))]),
  }),
  z.strictObject({ role: z.literal('user'), content }),
  z.strictObject({
    role: z.literal('assistant'),
    content: content.nullish(),
    tool_calls: z.array(toolCall).nullish(),
    prefix: z.boolean().optional(),
  }),
  z.strictObject({
    role: z.literal('tool'),
    content: content.nullable(),
    tool_call_id: callId.nullish(),
    name: z.string().nullish(),
  }),
]);
type Message = z.infer<typeof message>;

const tool = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('function'),
    function: z.strictObject({
      name: z.string().regex(/^[a-zA-Z0-9_-]{1,256}$/),
      description: z.string().optional(),
      parameters: z.record(z.string(), z.unknown()),
      strict: z.boolean().optional(),
    }),
  }),
  z.looseObject({ type: z.enum(['web_search', 'code_interpreter', 'image_generation']) }),
]);

const chatBody = z.strictObject({
  model: z.string(),
  messages: z.array(message).min(1),
  temperature: z.number().min(0).max(1.5).nullish(),
  top_p: z.number().min(0).max(1).nullish(),
  max_tokens: z.int().min(0).nullish(),
  stream: z.boolean().optional(),
  stop: z.union([z.string(), z.array(z.string())]).nullish(),
  random_seed: z.int().min(0).nullish(),
  metadata: z.record(z.string(), z.unknown()).nullish(),
  response_format: z
    .strictObject({
      type: z.enum(['text', 'json_object', 'json_schema']).optional(),
      json_schema: z
        .strictObject({
          name: z.string(),
          description: z.string().nullish(),
          schema: z.record(z.string(), z.unknown()),
          strict: z.boolean().optional(),
        })
        .nullish(),
    })
    .nullish(),
  tools: z.array(tool).nullish(),
  tool_choice: z
    .union([
      z.enum(['auto', 'none', 'any', 'required']),
      z.strictObject({
        type: z.literal('function').optional(),
        function: z.strictObject({ name: z.string() }),
      }),
    ])
    .optional(),
  presence_penalty: z.number().min(-2).max(2).optional(),
  frequency_penalty: z.number().min(-2).max(2).optional(),
  n: z.int().min(1).nullish(),
  prediction: loose,
  parallel_tool_calls: z.boolean().optional(),
  prompt_mode: z.enum(['reasoning']).nullish(),
  reasoning_effort: z.enum(['none', 'low', 'medium', 'high', 'xhigh']).nullish(),
  guardrails: loose,
  safe_prompt: z.boolean().optional(),
  prompt_cache_key: z.string().nullish(),
  service_tier: loose,
});
type MistralBody = z.infer<typeof chatBody>;

export const invalidRequest = (detail: object): Failure => ({
  status: 422,
  type: 'invalid_request_error',
  message: JSON.stringify({ detail: [detail] }),
});

export const refusalOfIssue = (issues: readonly z.core.$ZodIssue[], body: unknown): Failure => {
  const issue = leadingIssue(issues);
  const value = valueAt(body, issue.path);
  if (issue.code === 'unrecognized_keys') {
    const loc = ['body', ...issue.path, issue.keys[0] ?? ''];
    return invalidRequest({
      type: 'extra_forbidden',
      loc,
      msg: 'Extra inputs are not permitted',
      input: valueAt(body, loc.slice(1)),
    });
  }
  if (issue.path.at(-1) === 'id' || issue.path.at(-1) === 'tool_call_id')
    return invalidRequest({
      type: 'value_error',
      loc: ['body', ...issue.path],
      msg: `Tool call id was ${String(value)} but must be a-z, A-Z, 0-9, with a length of 9.`,
    });
  return invalidRequest({
    type: value === undefined ? 'missing' : 'value_error',
    loc: ['body', ...issue.path],
    msg: value === undefined ? 'Field required' : issue.message,
  });
};

const textOfChunks = (given: string | readonly Chunk[]): string =>
  typeof given === 'string' ? given : given.map((part) => (part.type === 'text' ? part.text : '')).join('');

type OpenaiMessage = Body['messages'][number];
type OpenaiUserPart = Exclude<Extract<OpenaiMessage, { role: 'user' }>['content'], string>[number];

const userPart = (part: Chunk): OpenaiUserPart => {
  switch (part.type) {
    case 'text':
      return part;
    case 'image_url':
      return {
        type: 'image_url',
        image_url: { url: typeof part.image_url === 'string' ? part.image_url : part.image_url.url },
      };
    case 'document_url':
      return { type: 'file', file: { file_data: part.document_url } };
    case 'input_audio':
      return { type: 'input_audio', input_audio: { data: part.input_audio, format: 'mp3' } };
    case 'thinking':
    case 'reference':
      throw new RefusedRequest(
        invalidRequest({
          type: 'value_error',
          loc: ['body', 'messages'],
          msg: `${part.type} is not allowed here`,
        }),
      );
  }
};

const messageOf = (entry: Message): OpenaiMessage => {
  switch (entry.role) {
    case 'system':
      return { role: 'system', content: textOfChunks(entry.content) };
    case 'user':
      return {
        role: 'user',
        content: typeof entry.content === 'string' ? entry.content : entry.content.map(userPart),
      };
    case 'assistant': {
      const calls = (entry.tool_calls ?? []).map(({ id, function: called }) => ({
        id,
        type: 'function' as const,
        function: {
          name: called.name,
          arguments:
            typeof called.arguments === 'string' ? called.arguments : JSON.stringify(called.arguments),
        },
      }));
      const said = textOfChunks(entry.content ?? '');
      return { role: 'assistant', content: said, ...(calls.length > 0 ? { tool_calls: calls } : {}) };
    }
    case 'tool':
      return {
        role: 'tool',
        content: textOfChunks(entry.content ?? ''),
        tool_call_id: entry.tool_call_id ?? '',
      };
  }
};

const toolChoiceOf = (choice: MistralBody['tool_choice']): Body['tool_choice'] => {
  if (choice === undefined) return undefined;
  if (choice === 'any') return 'required';
  return typeof choice === 'string' ? choice : { type: 'function', function: choice.function };
};

const formatOf = (format: MistralBody['response_format']): Body['response_format'] => {
  if (!format) return undefined;
  if (format.type === 'json_schema' && format.json_schema)
    return {
      type: 'json_schema',
      json_schema: { name: format.json_schema.name, schema: format.json_schema.schema },
    };
  return format.type === 'json_object' ? { type: 'json_object' } : { type: 'text' };
};

const wordJson = (request: MistralBody): void => {
  if (request.response_format?.type === 'json_schema' && !request.response_format.json_schema)
    throw new RefusedRequest(
      invalidRequest({
        type: 'value_error',
        loc: ['body', 'response_format'],
        msg: 'json_schema is required when type is json_schema',
      }),
    );
};

/** The body as OpenAI's API would have it. */
export const parseMistralChat = (raw: unknown): Body => {
  const parsed = chatBody.safeParse(raw);
  if (!parsed.success) throw new RefusedRequest(refusalOfIssue(parsed.error.issues, raw));
  const request = parsed.data;
  wordJson(request);
  return {
    model: request.model,
    messages: request.messages.map(messageOf),
    stream: request.stream,
    max_tokens: request.max_tokens,
    temperature: request.temperature,
    top_p: request.top_p,
    stop: request.stop,
    seed: request.random_seed,
    tools: request.tools?.filter((offered) => offered.type === 'function'),
    tool_choice: toolChoiceOf(request.tool_choice),
    parallel_tool_calls: request.parallel_tool_calls,
    response_format: formatOf(request.response_format),
    reasoning_effort: request.prompt_mode === 'reasoning' ? 'high' : request.reasoning_effort,
  };
};

export const mistralReasoningOf = (request: Body): Conversation['reasoning'] =>
  (request.reasoning_effort ?? 'none') === 'none' && !request.model.startsWith('magistral')
    ? 'none'
    : 'shown';
