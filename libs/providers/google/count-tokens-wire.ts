import type { ChatRequest } from '#contracts/inference';
import type { TokenCountResponse } from '#contracts/token-count';
import { FloError } from '#domain/errors';
import { countOf, parseObject } from '../json-fields.ts';
import { findJsonMember, replaceJsonMemberText } from '../json-members.ts';
import type { TokenCountWire, TranslatedInput, UpstreamCall } from '../provider.ts';
import { TOKEN_COUNT_USAGE } from '../token-count-usage.ts';
import { decodeGeminiError, hasFailed } from './failure.ts';
import { methodPath, namedInPath, resourceOf } from './model-path.ts';
import { encodeGeminiRequest } from './request.ts';

const WHOLE_REQUEST = 'generateContentRequest';

const callOf = (model: string, body: Uint8Array): UpstreamCall => ({
  path: methodPath(model, 'countTokens'),
  headers: { 'content-type': 'application/json' },
  body,
});

/** A whole request is counted with its instructions and tools, and names its model itself. */
const encodeRequest = (input: TranslatedInput<ChatRequest>): object => ({
  [WHOLE_REQUEST]: { model: resourceOf(input.model), ...encodeGeminiRequest(input) },
});

const passThrough = (body: Uint8Array, model: string): Uint8Array => {
  const whole = findJsonMember(body, WHOLE_REQUEST);
  return whole === null
    ? namedInPath(body, model)
    : replaceJsonMemberText(body, { [WHOLE_REQUEST]: namedInPath(whole, model) });
};

const readCount = (body: Uint8Array): TokenCountResponse => {
  const answer = parseObject(body);
  if (hasFailed(answer)) throw decodeGeminiError(answer);
  const inputTokens = countOf(answer['totalTokens']);
  const cachedTokens = countOf(answer['cachedContentTokenCount']);
  if (inputTokens === null) {
    throw new FloError('malformed_answer', "The provider's answer holds no count.");
  }
  return { inputTokens, ...(cachedTokens !== null && { cachedTokens }) };
};

/** https://ai.google.dev/api/tokens */
export const countTokens: TokenCountWire = {
  operation: 'token_count',
  surface: 'gemini-count-tokens',
  encodePassThrough: ({ body, model }) => ({
    ...callOf(model, passThrough(body, model)),
    usageInjected: false,
  }),
  encodeRequest: (input) => callOf(input.model, Buffer.from(JSON.stringify(encodeRequest(input)))),
  decodeResponse: readCount,
  readAnswer: (body) => {
    readCount(body);
    return { id: null, model: null, finishReason: null, usage: TOKEN_COUNT_USAGE };
  },
};
