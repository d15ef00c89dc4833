import type { ChatRequest } from '#contracts/inference';
import { FloError } from '#domain/errors';
import { countOf, parseObject } from '../json-fields.ts';
import { replaceJsonMembers } from '../json-members.ts';
import type { TokenCountWire, TranslatedInput } from '../provider.ts';
import { TOKEN_COUNT_USAGE } from '../token-count-usage.ts';
import { decodeAnthropicError } from './failure.ts';
import { anthropicHeaders } from './headers.ts';
import { encodeAnthropicRequest } from './request.ts';

const PATH = '/v1/messages/count_tokens';

/** What makes a prompt long; the API refuses all that is about the answer. */
const COUNTED = ['model', 'system', 'messages', 'tools', 'tool_choice', 'thinking', 'output_config'];

const encodeRequest = (input: TranslatedInput<ChatRequest>): object =>
  Object.fromEntries(
    Object.entries(encodeAnthropicRequest(input)).filter(([member]) => COUNTED.includes(member)),
  );

const readCount = (body: Uint8Array): number => {
  const answer = parseObject(body);
  if (answer['type'] === 'error') throw decodeAnthropicError(answer);
  const count = countOf(answer['input_tokens']);
  if (count === null) throw new FloError('malformed_answer', "The provider's answer holds no count.");
  return count;
};

/** https://docs.claude.com/en/api/messages-count-tokens */
export const countTokens: TokenCountWire = {
  operation: 'token_count',
  surface: 'anthropic-count-tokens',
  encodePassThrough: ({ body, model, forwardedHeaders }) => ({
    path: PATH,
    headers: anthropicHeaders(forwardedHeaders),
    body: replaceJsonMembers(body, { model }),
    usageInjected: false,
  }),
  encodeRequest: (input) => ({
    path: PATH,
    headers: anthropicHeaders({}),
    body: Buffer.from(JSON.stringify(encodeRequest(input))),
  }),
  decodeResponse: (body) => ({ inputTokens: readCount(body) }),
  readAnswer: (body) => {
    readCount(body);
    return { id: null, model: null, finishReason: null, usage: TOKEN_COUNT_USAGE };
  },
};
