import type { SimulatedProvider } from '../provider.ts';
import { encodeMessage, encodeMessageStream } from './answer.ts';
import {
  anthropicAnswerHeaders,
  anthropicFailureHeaders,
  anthropicFailureOf,
  anthropicFailureOfLimit,
  encodeAnthropicFailure,
  refuseAnthropicCredential,
} from './failures.ts';
import { readMessagesRequest, readMessagesVersion } from './request.ts';

/** Anthropic: `POST /v1/messages` and `GET /v1/models`, told from OpenAI's by its version header. */
export const simulatedAnthropic: SimulatedProvider = {
  id: 'anthropic',
  operationOf: (method, path, headers) => {
    if (method === 'POST' && path === '/v1/messages') return 'inference';
    return method === 'GET' && path === '/v1/models' && headers['anthropic-version'] !== undefined
      ? 'models'
      : null;
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
  readVersion: readMessagesVersion,
  readRequest: readMessagesRequest,
  encodeAnswer: encodeMessage,
  encodeStream: encodeMessageStream,
  encodeModels: (models) => {
    const data = models
      .filter((id) => !/^(gpt-|o\d)/.test(id))
      .map((id) => ({ type: 'model', id, display_name: id, created_at: '2025-10-01T00:00:00Z' }));
    return JSON.stringify({
      data,
      has_more: false,
      first_id: data[0]?.id ?? null,
      last_id: data.at(-1)?.id ?? null,
    });
  },
  answerHeaders: anthropicAnswerHeaders,
  failureOfLimit: anthropicFailureOfLimit,
  failureOf: anthropicFailureOf,
  failureHeaders: anthropicFailureHeaders,
  encodeFailure: encodeAnthropicFailure,
  encodeStreamFailure: () =>
    `event: error\ndata: ${JSON.stringify({ type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' } })}\n\n`,
};
