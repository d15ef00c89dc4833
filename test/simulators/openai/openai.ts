import type { SimulatedProvider } from '../provider.ts';
import { encodeChatCompletion, encodeChatCompletionStream } from './answer.ts';
import {
  encodeOpenaiFailure,
  openaiAnswerHeaders,
  openaiFailureHeaders,
  openaiFailureOf,
  openaiFailureOfLimit,
  refuseOpenaiCredential,
} from './failures.ts';
import { readChatCompletionRequest, readChatCompletionVersion } from './request.ts';

const MODELS_CREATED_S = 1_721_172_741;

/** OpenAI: `POST /v1/chat/completions` and `GET /v1/models`. */
export const simulatedOpenai: SimulatedProvider = {
  id: 'openai',
  operationOf: (method, path) => {
    if (method === 'POST' && path === '/v1/chat/completions') return 'inference';
    return method === 'GET' && path === '/v1/models' ? 'models' : null;
  },
  credentialOf: (headers) => /^Bearer\s+(\S+)$/i.exec(headers.authorization ?? '')?.[1] ?? null,
  keyPrefix: 'sk-',
  refuseCredential: refuseOpenaiCredential,
  newRequestId: (unique) => `req_${unique}`,
  readVersion: readChatCompletionVersion,
  readRequest: readChatCompletionRequest,
  encodeAnswer: encodeChatCompletion,
  encodeStream: encodeChatCompletionStream,
  encodeModels: (models) =>
    `${JSON.stringify(
      {
        object: 'list',
        data: models
          .filter((id) => !id.startsWith('claude'))
          .map((id) => ({ id, object: 'model', created: MODELS_CREATED_S, owned_by: 'system' })),
      },
      null,
      2,
    )}\n`,
  answerHeaders: openaiAnswerHeaders,
  failureOfLimit: openaiFailureOfLimit,
  failureOf: openaiFailureOf,
  failureHeaders: openaiFailureHeaders,
  encodeFailure: encodeOpenaiFailure,
  encodeStreamFailure: () =>
    `data: ${JSON.stringify({ error: { message: 'The server had an error while processing your request.', type: 'server_error', param: null, code: null } })}\n\n`,
};
