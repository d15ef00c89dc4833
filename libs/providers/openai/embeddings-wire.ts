import type { EmbeddingRequest, EmbeddingResponse } from '#contracts/embedding';
import { UNKNOWN_USAGE, type Usage } from '#contracts/usage';
import { FloError } from '#domain/errors';
import {
  listOf,
  numberOf,
  objectOf,
  parseObject,
  textOf,
  countOf,
  isObject,
  type JsonObject,
} from '../json-fields.ts';
import { renameJsonMembers, replaceJsonMembers } from '../json-members.ts';
import type { EmbeddingWire, TranslatedInput, UpstreamCall } from '../provider.ts';
import { JSON_HEADERS } from './chat-wire.ts';
import { decodeOpenaiError } from './failure.ts';

/** How servers of OpenAI's dialect differ here. */
export type EmbeddingsDialect = {
  dimensions: 'dimensions' | 'output_dimension';
  /** Whether an input may be the tokens of a text. */
  takesTokens: boolean;
  takesEndUser: boolean;
};

export const OPENAI_EMBEDDINGS: EmbeddingsDialect = {
  dimensions: 'dimensions',
  takesTokens: true,
  takesEndUser: true,
};

const encodeRequest = (
  { request, model, inexpressible }: TranslatedInput<EmbeddingRequest>,
  dialect: EmbeddingsDialect,
): object => {
  const { inputs, dimensions, taskType, endUser } = request;
  if (!dialect.takesTokens && inputs.some((input) => typeof input !== 'string')) {
    throw new FloError('invalid_request', 'input: this model takes texts, not tokens.', { param: 'input' });
  }
  if (taskType !== undefined) inexpressible.field('taskType');
  // Who asked is on the ledger already, and changes no answer.
  if (endUser !== undefined && !dialect.takesEndUser) inexpressible.hint('endUser');
  const [only, ...more] = inputs;
  return {
    model,
    input: more.length === 0 ? only : inputs,
    encoding_format: 'float',
    [dialect.dimensions]: dimensions,
    user: dialect.takesEndUser ? endUser : undefined,
  };
};

/** Only what goes in is counted. */
const readUsage = (value: unknown): Usage => {
  const input = isObject(value) ? (countOf(value['prompt_tokens']) ?? countOf(value['total_tokens'])) : null;
  return input === null ? UNKNOWN_USAGE : { source: 'provider', tokens: { input }, raw: value };
};

const readAnswer = (body: Uint8Array): JsonObject => {
  const answer = parseObject(body);
  if (isObject(answer['error'])) throw decodeOpenaiError(answer);
  if (!Array.isArray(answer['data'])) {
    throw new FloError('malformed_answer', "The provider's answer has no embeddings.");
  }
  return answer;
};

const decodeVector = (value: unknown): number[] => {
  const numbers = listOf(value).map(numberOf);
  if (numbers.length > 0 && numbers.every((number) => number !== null)) return numbers;
  throw new FloError('malformed_answer', "An embedding in the provider's answer is no list of numbers.");
};

/** One vector for each input: the index says for which. */
const decodeResponse = (body: Uint8Array): EmbeddingResponse => {
  const answer = readAnswer(body);
  const vectors = listOf(answer['data'])
    .map((entry, position) => {
      const { index, embedding } = objectOf(entry);
      return { index: countOf(index) ?? position, vector: decodeVector(embedding) };
    })
    .sort((left, right) => left.index - right.index)
    .map(({ vector }) => vector);
  return { model: textOf(answer['model']) ?? '', vectors, usage: readUsage(answer['usage']) };
};

/** The embeddings API: https://platform.openai.com/docs/api-reference/embeddings */
export const createEmbeddingsWire = (
  dialect: EmbeddingsDialect = OPENAI_EMBEDDINGS,
  pathOf: (model: string) => string = () => '/embeddings',
): EmbeddingWire => {
  const call = (model: string, body: Uint8Array): UpstreamCall => ({
    path: pathOf(model),
    headers: JSON_HEADERS,
    body,
  });
  const renames: Record<string, string> =
    dialect.dimensions === 'dimensions' ? {} : { dimensions: dialect.dimensions };
  return {
    operation: 'embedding',
    surface: 'openai-embeddings',
    encodePassThrough: ({ body, model }) => ({
      ...call(model, replaceJsonMembers(renameJsonMembers(body, renames), { model })),
      usageInjected: false,
    }),
    encodeRequest: (input) => call(input.model, Buffer.from(JSON.stringify(encodeRequest(input, dialect)))),
    decodeResponse,
    readAnswer: (body) => {
      const answer = readAnswer(body);
      return {
        id: textOf(answer['id']),
        model: textOf(answer['model']),
        finishReason: null,
        usage: readUsage(answer['usage']),
      };
    },
  };
};
