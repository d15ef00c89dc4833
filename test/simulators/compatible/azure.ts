import { OPENAI_STYLE } from '../openai/answer.ts';
import { embeddingsEndpoint } from '../openai/embeddings.ts';
import {
  encodeOpenaiFailure,
  openaiFailureHeaders,
  openaiFailureOf,
  openaiFailureOfLimit,
} from '../openai/failures.ts';
import { modelsEndpoint } from '../openai/models.ts';
import { bearerOf, chatEndpoint } from '../openai/openai.ts';
import { readChatCompletionRequest } from '../openai/request.ts';
import { responsesEndpoint } from '../openai/responses.ts';
import { RefusedRequest } from '../provider.ts';
import type {
  AcceptedRequest,
  Address,
  Endpoint,
  InferenceEndpoint,
  SimulatedProvider,
} from '../provider.ts';

const SAFE = {
  hate: { filtered: false, severity: 'safe' },
  self_harm: { filtered: false, severity: 'safe' },
  sexual: { filtered: false, severity: 'safe' },
  violence: { filtered: false, severity: 'safe' },
};

const PROMPT_FILTER = { prompt_filter_results: [{ prompt_index: 0, content_filter_results: SAFE }] };

/** The path names the deployment; a model in the body is not looked at. */
const readDeployment = (raw: unknown, address: Address): AcceptedRequest =>
  readChatCompletionRequest(address.model === null ? raw : { ...Object(raw), model: address.model }, address);

const chat: InferenceEndpoint = {
  ...chatEndpoint(
    {
      ...OPENAI_STYLE,
      envelope: (input) => ({ ...OPENAI_STYLE.envelope(input), ...PROMPT_FILTER }),
      choice: () => ({ content_filter_results: SAFE }),
      // The first chunk judges the prompt: no choice, no model, no id.
      preamble: `data: ${JSON.stringify({ choices: [], created: 0, id: '', model: '', object: 'chat.completion.chunk', ...PROMPT_FILTER })}\n\n`,
      pretty: false,
    },
    readDeployment,
  ),
};

const DEPLOYMENT = /^\/azure\/openai\/deployments\/([^/]+)(\/.*)$/;
const V1 = '/azure/openai/v1';
const OPERATIONS: Readonly<Record<string, Endpoint>> = {
  '/chat/completions': chat,
  '/embeddings': embeddingsEndpoint,
};
const VERSION = /^(\d{4}-\d{2}-\d{2}(-preview)?|preview|latest|v1)$/;

const models = modelsEndpoint({
  isOwn: (model) => /^(gpt-|o\d|text-embedding-)/.test(model),
  ownedBy: 'system',
  notFound: (model) => openaiFailureOf({ status: 404 }, model),
});

/** What an address without a version, or with one that never was, is told. */
const notFound: Endpoint = {
  operation: 'models',
  readRequest: () => {
    throw new RefusedRequest({
      status: 404,
      type: 'invalid_request_error',
      code: '404',
      message: 'Resource not found',
    });
  },
};

/** Azure OpenAI: deployments in the path with a dated version, or its newer `/openai/v1`. */
export const simulatedAzure: SimulatedProvider = {
  id: 'azure',
  routeOf: ({ method, path, query }) => {
    if (!path.startsWith('/azure/')) return null;
    const version = new URLSearchParams(query).get('api-version');
    if (path.startsWith(V1)) {
      const rest = path.slice(V1.length);
      if (method === 'GET' && rest === '/models') return { endpoint: models };
      const endpoint = rest === '/responses' ? responsesEndpoint : OPERATIONS[rest];
      return endpoint === undefined || method !== 'POST' ? null : { endpoint };
    }
    if (version === null || !VERSION.test(version)) return { endpoint: notFound };
    if (method === 'GET') return path === '/azure/openai/models' ? { endpoint: models } : null;
    const [, deployment, rest = ''] = DEPLOYMENT.exec(path) ?? [];
    const endpoint = OPERATIONS[rest];
    if (deployment === undefined || endpoint === undefined) return null;
    return { endpoint, model: decodeURIComponent(deployment), variant: version };
  },
  credentialOf: (headers) => {
    const key = headers['api-key'];
    return typeof key === 'string' && key !== '' ? key : bearerOf(headers);
  },
  keyPrefix: '',
  refuseCredential: () => ({
    status: 401,
    type: '401',
    code: '401',
    message:
      'Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide a valid key for an active subscription and use a correct regional API endpoint for your resource.',
  }),
  newRequestId: (unique) =>
    `${unique.slice(0, 8)}-${unique.slice(8, 12)}-4${unique.slice(13, 16)}-a${unique.slice(17, 20)}-${unique.slice(20)}`,
  answerHeaders: ({ requestId, limits }) => ({
    'apim-request-id': requestId,
    'x-request-id': requestId,
    'x-ms-region': 'West Europe',
    'x-ratelimit-limit-requests': String(limits?.requests?.limit ?? 1_000),
    'x-ratelimit-remaining-requests': String(limits?.requests?.remaining ?? 999),
    'x-ratelimit-limit-tokens': String(limits?.tokens?.limit ?? 1_000_000),
    'x-ratelimit-remaining-tokens': String(limits?.tokens?.remaining ?? 999_000),
    'x-ratelimit-reset-requests': '1',
  }),
  failureOfLimit: (refused, reading, model) => ({
    ...openaiFailureOfLimit(refused, reading, model),
    code: 'RateLimitReached',
  }),
  failureOf: (behaviour, model) =>
    behaviour.status === 404
      ? {
          status: 404,
          type: 'invalid_request_error',
          code: 'DeploymentNotFound',
          message: 'The API deployment for this resource does not exist.',
        }
      : openaiFailureOf(behaviour, model),
  failureHeaders: (failure, behaviour, context) => ({
    ...openaiFailureHeaders(failure, behaviour, context),
    'apim-request-id': context.requestId,
  }),
  encodeFailure: (failure) =>
    failure.status === 401
      ? JSON.stringify({ error: { code: '401', message: failure.message } })
      : encodeOpenaiFailure(failure),
};
