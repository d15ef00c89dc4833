import type { EmbeddingRequest, EmbeddingResponse } from '#contracts/embedding';
import { FloError } from '#domain/errors';
import { isObject, listOf, numberOf, objectOf, parseObject, type JsonObject } from '../json-fields.ts';
import { findJsonMember, mapJsonElements, replaceJsonMemberText } from '../json-members.ts';
import type { EmbeddingWire, TranslatedInput, UpstreamCall } from '../provider.ts';
import { decodeGeminiError, hasFailed } from './failure.ts';
import { methodPath, namedInPath, resourceOf } from './model-path.ts';
import { readGeminiUsage } from './usage.ts';

const REQUESTS = 'requests';

const callOf = (model: string, method: string, body: Uint8Array): UpstreamCall => ({
  path: methodPath(model, method),
  headers: { 'content-type': 'application/json' },
  body,
});

const encodeRequest = ({ request, model, inexpressible }: TranslatedInput<EmbeddingRequest>): object => {
  const { inputs, dimensions, taskType, endUser } = request;
  // Who asked is on the ledger already, and changes no answer.
  if (endUser !== undefined) inexpressible.hint('endUser');
  return {
    [REQUESTS]: inputs.map((input) => {
      if (typeof input !== 'string') {
        throw new FloError('invalid_request', 'input: this model takes texts, not tokens.', {
          param: 'input',
        });
      }
      return {
        model: resourceOf(model),
        content: { parts: [{ text: input }] },
        ...(dimensions !== undefined && { outputDimensionality: dimensions }),
        ...(taskType !== undefined && { taskType }),
      };
    }),
  };
};

/** Each request of a batch names its model itself. */
const passThrough = (body: Uint8Array, model: string): { method: string; body: Uint8Array } => {
  const requests = findJsonMember(body, REQUESTS);
  if (requests === null) return { method: 'embedContent', body: namedInPath(body, model) };
  const named = mapJsonElements(requests, (request) => namedInPath(request, model));
  return { method: 'batchEmbedContents', body: replaceJsonMemberText(body, { [REQUESTS]: named }) };
};

const readAnswer = (body: Uint8Array): JsonObject => {
  const answer = parseObject(body);
  if (hasFailed(answer)) throw decodeGeminiError(answer);
  if (!Array.isArray(answer['embeddings']) && !isObject(answer['embedding'])) {
    throw new FloError('malformed_answer', "The provider's answer has no embeddings.");
  }
  return answer;
};

const decodeVector = (value: unknown): number[] => {
  const numbers = listOf(objectOf(value)['values']).map(numberOf);
  if (numbers.length > 0 && numbers.every((number) => number !== null)) return numbers;
  throw new FloError('malformed_answer', "An embedding in the provider's answer is no list of numbers.");
};

const decodeResponse = (body: Uint8Array): EmbeddingResponse => {
  const answer = readAnswer(body);
  const embeddings = answer['embedding'] === undefined ? listOf(answer['embeddings']) : [answer['embedding']];
  return {
    model: '',
    vectors: embeddings.map(decodeVector),
    usage: readGeminiUsage(answer['usageMetadata'], 'provider'),
  };
};

/** https://ai.google.dev/api/embeddings */
export const embedContent: EmbeddingWire = {
  operation: 'embedding',
  surface: 'gemini-embed-content',
  encodePassThrough: ({ body, model }) => {
    const patched = passThrough(body, model);
    return { ...callOf(model, patched.method, patched.body), usageInjected: false };
  },
  encodeRequest: (input) =>
    callOf(input.model, 'batchEmbedContents', Buffer.from(JSON.stringify(encodeRequest(input)))),
  decodeResponse,
  readAnswer: (body) => ({
    id: null,
    model: null,
    finishReason: null,
    usage: readGeminiUsage(readAnswer(body)['usageMetadata'], 'provider'),
  }),
};
