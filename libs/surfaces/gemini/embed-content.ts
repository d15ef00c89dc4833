import type { EmbeddingRequest, EmbeddingResponse } from '#contracts/embedding';
import {
  findInexpressible,
  given,
  optional,
  readList,
  readPositiveInteger,
  readText,
  refuse,
  type JsonObject,
} from '../field-reader.ts';
import type { ClientRequest, DecodeInput, EmbeddingSurface, RequestPath } from '../surface.ts';
import { readTextContent } from './contents.ts';
import { GEMINI_DIALECT } from './dialect.ts';
import { readApiBody, readApiMessage } from './message.ts';
import { readPathModel } from './request.ts';
import { answerTokensOf, promptTokensOf } from '../token-totals.ts';

const NO_METADATA = Object.freeze({});
const INPUTS_MAX = 2_048;

/** `embedContent` has one request, `batchEmbedContents` a list of them. */
const isBatch = (body: JsonObject): boolean => body['requests'] !== undefined;

const requestsOf = (body: JsonObject): { request: JsonObject; prefix: string }[] => {
  if (!isBatch(body)) return [{ request: body, prefix: '' }];
  const requests = readList(body['requests'], 'requests');
  if (requests.length === 0 || requests.length > INPUTS_MAX) {
    refuse('requests', `must hold from 1 to ${INPUTS_MAX} requests.`);
  }
  return requests.map((value, index) => ({
    request: readApiMessage(value, `requests.${index}`),
    prefix: `requests.${index}.`,
  }));
};

const readEmbedRequest = (value: unknown, path: RequestPath): ClientRequest => {
  const model = readPathModel(path);
  for (const { request, prefix } of requestsOf(readApiBody(value))) {
    readList(readApiMessage(request['content'], `${prefix}content`)['parts'], `${prefix}content.parts`);
  }
  return {
    model,
    stream: false,
    streamFraming: 'sse',
    maxOutputTokens: null,
    endUser: null,
    metadata: NO_METADATA,
  };
};

const EXPRESSIBLE = new Set(['model', 'content', 'taskType', 'outputDimensionality']);

const decodeEmbedRequest = ({ body: value, inexpressible }: DecodeInput): EmbeddingRequest => {
  const read = requestsOf(readApiBody(value)).map(({ request, prefix }) => {
    findInexpressible(request, { expressible: EXPRESSIBLE, changesNothing: {}, prefix }, inexpressible);
    const texts = readTextContent(request['content'], `${prefix}content`);
    return {
      prefix,
      input: texts.map(({ text }) => text).join('\n'),
      asked: {
        dimensions: optional(request, 'outputDimensionality', readPositiveInteger, prefix),
        taskType: optional(request, 'taskType', readText, prefix),
      },
    };
  });
  const [first] = read;
  const asked = first?.asked ?? { dimensions: undefined, taskType: undefined };
  for (const { prefix, asked: other } of read) {
    if (other.dimensions !== asked.dimensions || other.taskType !== asked.taskType) {
      refuse(
        `${prefix}taskType`,
        'must be the first request’s, and so must outputDimensionality, for a model of this provider.',
      );
    }
  }
  return given({ inputs: read.map(({ input }) => input), ...asked });
};

const encodeEmbedResponse = ({ vectors, usage }: EmbeddingResponse, value: unknown): object => {
  const embeddings = vectors.map((values) => ({ values }));
  return {
    ...(isBatch(readApiBody(value)) ? { embeddings } : { embedding: embeddings[0] }),
    ...(usage.source !== 'none' && {
      usageMetadata: {
        promptTokenCount: promptTokensOf(usage.tokens),
        totalTokenCount: promptTokensOf(usage.tokens) + answerTokensOf(usage.tokens),
      },
    }),
  };
};

/** Gemini's `embedContent` and `batchEmbedContents`: https://ai.google.dev/api/embeddings */
export const geminiEmbedContent: EmbeddingSurface = {
  ...GEMINI_DIALECT,
  id: 'gemini-embed-content',
  operation: 'embedding',
  readRequest: readEmbedRequest,
  decodeRequest: decodeEmbedRequest,
  encodeResponse: encodeEmbedResponse,
};
