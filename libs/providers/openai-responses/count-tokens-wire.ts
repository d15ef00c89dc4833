import type { ChatRequest } from '#contracts/inference';
import { FloError } from '#domain/errors';
import { countOf, parseObject } from '../json-fields.ts';
import { replaceJsonMembers } from '../json-members.ts';
import { decodeOpenaiError } from '../openai/failure.ts';
import type { TokenCountWire, TranslatedInput, UpstreamCall } from '../provider.ts';
import { TOKEN_COUNT_USAGE } from '../token-count-usage.ts';
import { encodeResponsesRequest } from './request.ts';

const callOf = (body: Uint8Array): UpstreamCall => ({
  path: '/responses/input_tokens',
  headers: { 'content-type': 'application/json' },
  body,
});

/** What makes a prompt long. */
const COUNTED: ReadonlySet<string> = new Set([
  'model',
  'input',
  'tools',
  'tool_choice',
  'parallel_tool_calls',
  'text',
]);

/** Whatever is about the answer does not change the count, and the endpoint does not know it. */
const promptOf = ({ system, messages, tools, toolChoice, parallelToolCalls, outputFormat }: ChatRequest) => ({
  stream: false,
  system,
  messages,
  tools,
  stop: [],
  ...(toolChoice !== undefined && { toolChoice }),
  ...(parallelToolCalls !== undefined && { parallelToolCalls }),
  ...(outputFormat !== undefined && { outputFormat }),
});

const encodeRequest = (input: TranslatedInput<ChatRequest>): object => {
  const encoded = encodeResponsesRequest({ ...input, request: promptOf(input.request) }, 'openai');
  return Object.fromEntries(Object.entries(encoded).filter(([member]) => COUNTED.has(member)));
};

const readCount = (body: Uint8Array): number => {
  const answer = parseObject(body);
  if (answer['error'] !== undefined && answer['error'] !== null) throw decodeOpenaiError(answer);
  const count = countOf(answer['input_tokens']);
  if (count === null) throw new FloError('malformed_answer', "The provider's answer holds no count.");
  return count;
};

/** https://platform.openai.com/docs/api-reference/responses/input-tokens */
export const countInputTokens: TokenCountWire = {
  operation: 'token_count',
  surface: 'openai-count-tokens',
  encodePassThrough: ({ body, model }) => ({
    ...callOf(replaceJsonMembers(body, { model })),
    usageInjected: false,
  }),
  encodeRequest: (input) => callOf(Buffer.from(JSON.stringify(encodeRequest(input)))),
  decodeResponse: (body) => ({ inputTokens: readCount(body) }),
  readAnswer: (body) => {
    readCount(body);
    return { id: null, model: null, finishReason: null, usage: TOKEN_COUNT_USAGE };
  },
};
