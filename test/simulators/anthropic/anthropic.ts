import { RefusedRequest } from '../provider.ts';
import type { InferenceEndpoint, PlainEndpoint, Route, SimulatedProvider } from '../provider.ts';
import { countInputTokens } from '../tokens.ts';
import { encodeMessage, encodeMessageStream } from './answer.ts';
import { anthropicBatchRoute } from './batches.ts';
import {
  anthropicAnswerHeaders,
  anthropicFailureHeaders,
  anthropicFailureOf,
  anthropicFailureOfLimit,
  encodeAnthropicFailure,
  refuseAnthropicCredential,
} from './failures.ts';
import { readCountTokensRequest, readMessagesRequest } from './request.ts';

const messages: InferenceEndpoint = {
  operation: 'inference',
  readRequest: readMessagesRequest,
  encodeAnswer: encodeMessage,
  encodeStream: encodeMessageStream,
  encodeStreamFailure: () =>
    `event: error\ndata: ${JSON.stringify({ type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' } })}\n\n`,
};

const countTokens: PlainEndpoint = {
  operation: 'token_count',
  readRequest: (raw, address) => {
    const { model, conversation } = readCountTokensRequest(raw, address);
    return {
      model,
      inputTokens: null,
      encode: () => JSON.stringify({ input_tokens: countInputTokens(conversation) }),
    };
  },
};

const modelOf = (id: string) => ({
  type: 'model',
  id,
  display_name: id,
  created_at: '2025-10-01T00:00:00Z',
  max_input_tokens: 200_000,
  max_tokens: 64_000,
});

const models: PlainEndpoint = {
  operation: 'models',
  readRequest: (_, { model: asked }) => ({
    model: null,
    inputTokens: null,
    encode: ({ models: known }) => {
      const data = known.filter((id) => id.startsWith('claude')).map(modelOf);
      if (asked !== null) {
        const found = data.find(({ id }) => id === asked);
        if (found !== undefined) return JSON.stringify(found);
        throw new RefusedRequest(anthropicFailureOf({ status: 404 }, asked));
      }
      return JSON.stringify({
        data,
        has_more: false,
        first_id: data[0]?.id ?? null,
        last_id: data.at(-1)?.id ?? null,
      });
    },
  }),
};

const POSTS: Readonly<Record<string, Route>> = {
  '/v1/messages': { endpoint: messages },
  '/v1/messages/count_tokens': { endpoint: countTokens },
};
const MODEL_PATH = '/v1/models/';

/** Anthropic: messages, the count of their tokens, batches of them, and models, told from OpenAI's by its version header. */
export const simulatedAnthropic: SimulatedProvider = {
  id: 'anthropic',
  routeOf: ({ method, path, headers }) => {
    const version = headers['anthropic-version'];
    const variant = `${String(version)} ${headers['content-type'] ?? ''}`;
    const ofBatches = anthropicBatchRoute({ method, path });
    if (ofBatches !== null) return ofBatches;
    if (method === 'POST') {
      const route = POSTS[path];
      return route === undefined ? null : { ...route, variant };
    }
    if (method !== 'GET' || version === undefined) return null;
    if (path === '/v1/models') return { endpoint: models };
    if (!path.startsWith(MODEL_PATH)) return null;
    return { endpoint: models, model: decodeURIComponent(path.slice(MODEL_PATH.length)) };
  },
  // `x-api-key` goes before `authorization`, which the newer client libraries send.
  credentialOf: (headers) => {
    const key = headers['x-api-key'];
    if (typeof key === 'string' && key !== '') return key;
    return /^Bearer\s+(\S+)$/i.exec(headers.authorization ?? '')?.[1] ?? null;
  },
  keyPrefix: 'sk-ant-',
  refuseCredential: refuseAnthropicCredential,
  newRequestId: (unique) => `req_011C${unique.slice(0, 20)}`,
  answerHeaders: anthropicAnswerHeaders,
  failureOfLimit: anthropicFailureOfLimit,
  failureOf: anthropicFailureOf,
  failureHeaders: anthropicFailureHeaders,
  encodeFailure: encodeAnthropicFailure,
};
