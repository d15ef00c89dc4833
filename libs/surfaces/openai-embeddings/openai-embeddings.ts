import type { EmbeddingInput, EmbeddingRequest, EmbeddingResponse } from '#contracts/embedding';
import {
  findInexpressible,
  given,
  isObject,
  optional,
  readBody,
  readInteger,
  readList,
  readModel,
  readOneOf,
  readPositiveInteger,
  readText,
  refuse,
} from '../field-reader.ts';
import { encodeOpenaiError, encodeOpenaiStreamError } from '../openai-chat/errors.ts';
import type { ClientRequest, DecodeInput, EmbeddingSurface } from '../surface.ts';
import { answerTokensOf, promptTokensOf } from '../token-totals.ts';

const NO_METADATA = Object.freeze({});
/** As many as the API takes. */
const INPUTS_MAX = 2_048;

const readTokens = (value: readonly unknown[], param: string): number[] =>
  value.map((token, index) => readInteger(token, `${param}.${index}`));

const readOneInput = (value: unknown, param: string): EmbeddingInput => {
  if (Array.isArray(value) && value.length > 0) return readTokens(value, param);
  return typeof value === 'string' && value !== ''
    ? value
    : refuse(param, 'must be a text that is not empty, or a list of tokens.');
};

/** A text, the tokens of one, or a list of either. */
const readInputs = (value: unknown): EmbeddingInput[] => {
  if (typeof value === 'string') return [readOneInput(value, 'input')];
  const list = readList(value, 'input');
  if (list.length === 0) refuse('input', 'must not be empty.');
  if (typeof list[0] === 'number') return [readTokens(list, 'input')];
  if (list.length > INPUTS_MAX) refuse('input', `must hold at most ${INPUTS_MAX} inputs.`);
  return list.map((input, index) => readOneInput(input, `input.${index}`));
};

const readFormat = readOneOf(['float', 'base64']);

const readEmbeddingsRequest = (value: unknown): ClientRequest => {
  const body = readBody(value);
  const model = readModel(body);
  readInputs(body['input']);
  optional(body, 'encoding_format', readFormat);
  return {
    model,
    stream: false,
    streamFraming: 'sse',
    maxOutputTokens: null,
    endUser: optional(body, 'user', readText) ?? null,
    metadata: NO_METADATA,
  };
};

const EXPRESSIBLE = new Set(['model', 'input', 'encoding_format', 'dimensions', 'user']);

const decodeEmbeddingsRequest = ({ body: value, inexpressible }: DecodeInput): EmbeddingRequest => {
  const body = readBody(value);
  findInexpressible(body, { expressible: EXPRESSIBLE, changesNothing: {} }, inexpressible);
  return given({
    inputs: readInputs(body['input']),
    dimensions: optional(body, 'dimensions', readPositiveInteger),
    endUser: optional(body, 'user', readText),
  });
};

const BYTES_PER_NUMBER = 4;

/** Numbers of 32 bits, the least significant byte first. */
const encodeBase64 = (vector: readonly number[]): string => {
  const bytes = Buffer.alloc(vector.length * BYTES_PER_NUMBER);
  vector.forEach((value, index) => bytes.writeFloatLE(value, index * BYTES_PER_NUMBER));
  return bytes.toString('base64');
};

const encodeEmbeddingsResponse = ({ model, vectors, usage }: EmbeddingResponse, body: unknown): object => {
  const isBase64 = isObject(body) && body['encoding_format'] === 'base64';
  const prompt = promptTokensOf(usage.tokens);
  return {
    object: 'list',
    data: vectors.map((vector, index) => ({
      object: 'embedding',
      index,
      embedding: isBase64 ? encodeBase64(vector) : vector,
    })),
    model,
    ...(usage.source !== 'none' && {
      usage: { prompt_tokens: prompt, total_tokens: prompt + answerTokensOf(usage.tokens) },
    }),
  };
};

/** OpenAI's Embeddings dialect: https://platform.openai.com/docs/api-reference/embeddings */
export const openaiEmbeddings: EmbeddingSurface = {
  id: 'openai-embeddings',
  operation: 'embedding',
  forwardedHeaders: [],
  paramNames: { inputs: 'input', endUser: 'user' },
  readRequest: readEmbeddingsRequest,
  decodeRequest: decodeEmbeddingsRequest,
  encodeResponse: encodeEmbeddingsResponse,
  encodeError: encodeOpenaiError,
  encodeStreamError: encodeOpenaiStreamError,
};
