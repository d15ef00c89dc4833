import type { CompatibleDialect } from '#contracts/vocabulary';
import { countOf, textOf } from '../json-fields.ts';
import { createChatWire } from '../openai/chat-wire.ts';
import { createEmbeddingsWire, OPENAI_EMBEDDINGS } from '../openai/embeddings-wire.ts';
import { decodeOpenaiFailure } from '../openai/failure.ts';
import { authorizeBearer, createModelList } from '../openai/openai.ts';
import { createResponsesWire } from '../openai-responses/responses-wire.ts';
import type { Provider } from '../provider.ts';
import { readRateLimitHeaders } from '../rate-limits.ts';
import { readHeader } from '../upstream-failure.ts';
import { readAzureAddress } from './azure.ts';
import { COMPATIBLE_SERVERS, dialectOfHost } from './servers.ts';

const REQUEST_ID_HEADERS = ['x-request-id', 'apim-request-id', 'x-ds-trace-id'];

type Paths = {
  operation: (model: string, path: string) => string;
  models: string;
  /** Null at an address that may not have the endpoint. */
  responses: string | null;
};
const PLAIN_PATHS: Paths = { operation: (_model, path) => path, models: '/models', responses: '/responses' };

const createProvider = (
  dialect: CompatibleDialect,
  { baseUrl, paths, authorize }: { baseUrl: string; paths: Paths; authorize: Provider['authorize'] },
): Provider => {
  const server = COMPATIBLE_SERVERS[dialect];
  return {
    id: 'openai_compatible',
    baseUrl,
    authorize,
    keyCheck: { path: paths.models, headers: {} },
    models: createModelList((entry) => {
      const id = textOf(entry['id']);
      if (id === null) return null;
      const member = server.contextWindowMember;
      return {
        id,
        contextWindowTokens: member === null ? null : countOf(entry[member]),
        maxOutputTokens: null,
        capabilities: null,
      };
    }, paths.models),
    wires: [
      createChatWire(server.dialect, (model) => paths.operation(model, '/chat/completions')),
      ...(paths.responses === null || server.responses === null
        ? []
        : [createResponsesWire({ ...server.responses, path: paths.responses })]),
      ...(server.hasEmbeddings
        ? [createEmbeddingsWire(OPENAI_EMBEDDINGS, (model) => paths.operation(model, '/embeddings'))]
        : []),
    ],
    decodeError: decodeOpenaiFailure,
    readRequestId: (headers) => {
      for (const name of REQUEST_ID_HEADERS) {
        const id = readHeader(headers, name);
        if (id !== null) return id;
      }
      return null;
    },
    readRateLimits: (headers, nowMs) => readRateLimitHeaders(server.rateLimitHeaders, headers, nowMs),
    chargesAfterCancel: false,
  };
};

/** Any server that speaks OpenAI's dialect, as what it is told to be, else as what its host says it is. */
export const openaiCompatibleAt = (baseUrl: string, dialect: CompatibleDialect | null): Provider => {
  const url = new URL(baseUrl);
  const spoken = dialect ?? dialectOfHost(url);
  if (spoken !== 'azure') {
    return createProvider(spoken, { baseUrl, paths: PLAIN_PATHS, authorize: authorizeBearer });
  }
  const { deploymentPath, responsesPath, ...azure } = readAzureAddress(url);
  return createProvider(spoken, {
    baseUrl: azure.baseUrl,
    paths: { operation: deploymentPath, models: azure.modelsPath, responses: responsesPath },
    authorize: (secret) => ({ 'api-key': secret }),
  });
};

/** What holds for every address; calls go to one. */
export const openaiCompatible: Provider = createProvider('openai', {
  baseUrl: '',
  paths: PLAIN_PATHS,
  authorize: authorizeBearer,
});
