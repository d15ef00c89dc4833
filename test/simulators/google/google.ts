import { countEmbeddingTokens, vectorOf } from '../embedding.ts';
import { RefusedRequest } from '../provider.ts';
import type { Address, InferenceEndpoint, PlainEndpoint, SimulatedProvider } from '../provider.ts';
import { countInputTokens } from '../tokens.ts';
import { encodeGenerateContent, encodeGenerateContentStream, SSE } from './answer.ts';
import { googleBatchRoute } from './batches.ts';
import {
  encodeGoogleFailure,
  googleFailureOf,
  googleFailureOfLimit,
  refuseGoogleCredential,
} from './failures.ts';
import { assertGeminiModel, assertObject, readCountTokens, readGenerateContent } from './request.ts';
import { invalidArgument, refusalOfIssue } from './request-refusal.ts';
import { batchEmbedContentsBody, embedContentBody, type EmbedContentBody } from './request-schema.ts';

const OVERLOADED = JSON.stringify({
  error: { code: 503, message: 'The model is overloaded. Please try again later.', status: 'UNAVAILABLE' },
});

const generation = (framing: 'whole' | 'sse' | 'array'): InferenceEndpoint => ({
  operation: 'inference',
  readRequest: (raw, address) => readGenerateContent(raw, address, framing !== 'whole'),
  encodeAnswer: encodeGenerateContent,
  encodeStream: (input) => encodeGenerateContentStream(input, framing === 'array'),
  encodeStreamFailure: () => (framing === 'array' ? `,\r\n${OVERLOADED}\n]` : SSE(OVERLOADED)),
  streamType: framing === 'array' ? 'application/json; charset=UTF-8' : 'text/event-stream',
});

const countTokens: PlainEndpoint = {
  operation: 'token_count',
  readRequest: (raw, address) => {
    const { model, conversation } = readCountTokens(raw, address);
    const totalTokens = countInputTokens(conversation);
    const answer = { totalTokens, promptTokensDetails: [{ modality: 'TEXT', tokenCount: totalTokens }] };
    return { model, inputTokens: null, encode: () => `${JSON.stringify(answer, null, 2)}\n` };
  },
};

const DIMENSIONS = 3072;

const textOf = ({ content }: EmbedContentBody): string => {
  const texts = (content.parts ?? []).map(({ text }) => text);
  const whole = texts.join('');
  if (texts.includes(undefined) || whole === '')
    throw new RefusedRequest(invalidArgument('content is empty'));
  return whole;
};

const embedding = (isBatch: boolean): PlainEndpoint => ({
  operation: 'embeddings',
  readRequest: (raw, { model }: Address) => {
    assertObject(raw);
    assertGeminiModel(model ?? '', 'embedContent');
    const parsed = (isBatch ? batchEmbedContentsBody : embedContentBody).safeParse(raw);
    if (!parsed.success) throw new RefusedRequest(refusalOfIssue(parsed.error.issues, raw));
    const requests = 'requests' in parsed.data ? parsed.data.requests : [parsed.data];
    for (const request of requests)
      if (request.model !== undefined && request.model !== `models/${model}`)
        throw new RefusedRequest(invalidArgument('The model of a request differs from the one in the path.'));
    const texts = requests.map(textOf);
    const vectors = requests.map(({ outputDimensionality = DIMENSIONS }, index) => ({
      values: vectorOf(texts[index] ?? '', outputDimensionality),
    }));
    return {
      model,
      inputTokens: countEmbeddingTokens(texts),
      encode: () => JSON.stringify(isBatch ? { embeddings: vectors } : { embedding: vectors[0] }),
    };
  },
});

const modelOf = (id: string) => ({
  name: `models/${id}`,
  version: '001',
  displayName: id,
  description: `Simulated ${id}`,
  inputTokenLimit: 1_048_576,
  outputTokenLimit: 65_536,
  supportedGenerationMethods: id.includes('embedding')
    ? ['embedContent', 'countTokens']
    : ['generateContent', 'countTokens', 'createCachedContent', 'batchGenerateContent'],
  temperature: 1,
  topP: 0.95,
  topK: 64,
  maxTemperature: 2,
});

const models: PlainEndpoint = {
  operation: 'models',
  readRequest: (_, { model: asked }) => ({
    model: null,
    inputTokens: null,
    encode: ({ models: known }) => {
      const own = known.filter((id) => id.startsWith('gemini')).map(modelOf);
      if (asked === null) return JSON.stringify({ models: own }, null, 2);
      const found = own.find(({ name }) => name === `models/${asked}`);
      if (found === undefined) throw new RefusedRequest(googleFailureOf({ status: 404 }, asked));
      return JSON.stringify(found, null, 2);
    },
  }),
};

const METHODS = {
  generateContent: generation('whole'),
  countTokens,
  embedContent: embedding(false),
  batchEmbedContents: embedding(true),
} as const;
const STREAMED = { sse: generation('sse'), array: generation('array') };

/** Newer clients call the stable version. */
const ROOTS = ['/v1beta/models', '/v1/models'];

/** Google's Gemini API: https://ai.google.dev/api */
export const simulatedGoogle: SimulatedProvider = {
  id: 'google',
  routeOf: ({ method, path, query }) => {
    const ofBatches = googleBatchRoute({ method, path });
    if (ofBatches !== null) return ofBatches;
    const root = ROOTS.find((candidate) => path.startsWith(candidate));
    if (root === undefined) return null;
    const rest = decodeURIComponent(path.slice(root.length + 1));
    if (method === 'GET') return rest === '' ? { endpoint: models } : { endpoint: models, model: rest };
    const colon = rest.lastIndexOf(':');
    if (method !== 'POST' || colon < 0) return null;
    const model = rest.slice(0, colon);
    const verb = rest.slice(colon + 1);
    if (verb === 'streamGenerateContent') {
      const isSse = new URLSearchParams(query).get('alt') === 'sse';
      return { endpoint: isSse ? STREAMED.sse : STREAMED.array, model, variant: isSse ? 'sse' : 'array' };
    }
    const endpoint = Object.entries(METHODS).find(([name]) => name === verb)?.[1];
    return endpoint === undefined ? null : { endpoint, model };
  },
  credentialOf: (headers) => {
    const key = headers['x-goog-api-key'];
    return typeof key === 'string' && key !== '' ? key : null;
  },
  keyPrefix: 'AIza',
  refuseCredential: refuseGoogleCredential,
  newRequestId: (unique) => unique.slice(0, 23),
  answerHeaders: () => ({ server: 'scaffolding on HTTPServer2', 'server-timing': 'gfet4t7; dur=42' }),
  failureOfLimit: googleFailureOfLimit,
  failureOf: googleFailureOf,
  failureHeaders: () => ({}),
  encodeFailure: encodeGoogleFailure,
};
