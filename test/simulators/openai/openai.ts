import type { InferenceEndpoint, Route, SimulatedProvider } from '../provider.ts';
import { OPENAI_STYLE, encodeChatCompletion, encodeChatCompletionStream } from './answer.ts';
import { batchRoutesBelow, OPENAI_BATCHES } from './batches.ts';
import type { ChatStyle } from './chat-style.ts';
import { embeddingsEndpoint } from './embeddings.ts';
import {
  encodeOpenaiFailure,
  openaiAnswerHeaders,
  openaiFailureHeaders,
  openaiFailureOf,
  openaiFailureOfLimit,
  refuseOpenaiCredential,
} from './failures.ts';
import { modelsEndpoint } from './models.ts';
import { readChatCompletionRequest } from './request.ts';
import { inputTokensEndpoint, responsesEndpoint } from './responses.ts';

export const STREAM_FAILURE = `data: ${JSON.stringify({ error: { message: 'The server had an error while processing your request.', type: 'server_error', param: null, code: null } })}\n\n`;

/** Chat Completions as one provider speaks it. */
export const chatEndpoint = (
  style: ChatStyle,
  readRequest: InferenceEndpoint['readRequest'],
): InferenceEndpoint => ({
  operation: 'inference',
  readRequest,
  encodeAnswer: (input) => encodeChatCompletion(style, input),
  encodeStream: (input) => encodeChatCompletionStream(style, input),
  encodeStreamFailure: () => STREAM_FAILURE,
});

/** `Authorization: Bearer …`. */
export const bearerOf: SimulatedProvider['credentialOf'] = (headers) =>
  /^Bearer\s+(\S+)$/i.exec(headers.authorization ?? '')?.[1] ?? null;

/** Routes below a prefix: `POST` paths, and the listing of models. */
export const routesBelow = (
  prefix: string,
  posts: Readonly<Record<string, Route>>,
  models: Route,
): SimulatedProvider['routeOf'] => {
  const modelPath = `${prefix}/models/`;
  return ({ method, path }) => {
    if (!path.startsWith(prefix)) return null;
    if (method === 'POST') return posts[path.slice(prefix.length)] ?? null;
    if (method !== 'GET') return null;
    if (path === `${prefix}/models`) return models;
    if (!path.startsWith(modelPath)) return null;
    return { ...models, model: decodeURIComponent(path.slice(modelPath.length)) };
  };
};

const chat = chatEndpoint(OPENAI_STYLE, readChatCompletionRequest);
const models = modelsEndpoint({
  isOwn: (model) => /^(gpt-|o\d|text-embedding-)/.test(model),
  ownedBy: 'system',
  notFound: (model) => openaiFailureOf({ status: 404 }, model),
});

const answering = routesBelow(
  '/v1',
  {
    '/chat/completions': { endpoint: chat },
    '/responses': { endpoint: responsesEndpoint },
    '/responses/input_tokens': { endpoint: inputTokensEndpoint },
    '/embeddings': { endpoint: embeddingsEndpoint },
  },
  { endpoint: models },
);
const batches = batchRoutesBelow('/v1', OPENAI_BATCHES);

/** OpenAI: Chat Completions, Responses, embeddings, the list of models, files and batches. */
export const simulatedOpenai: SimulatedProvider = {
  id: 'openai',
  routeOf: (call) => answering(call) ?? batches(call),
  credentialOf: bearerOf,
  keyPrefix: 'sk-',
  refuseCredential: refuseOpenaiCredential,
  newRequestId: (unique) => `req_${unique}`,
  answerHeaders: openaiAnswerHeaders,
  failureOfLimit: openaiFailureOfLimit,
  failureOf: openaiFailureOf,
  failureHeaders: openaiFailureHeaders,
  encodeFailure: encodeOpenaiFailure,
};
