import type { ErrorCode, FloError } from '#domain/errors';
import { isObject, listOf, objectOf, textOf, type JsonObject } from '../json-fields.ts';
import type { UpstreamFailure } from '../provider.ts';
import { codeOfStatus, describeUpstreamError, readErrorBody, readRetryAfterMs } from '../upstream-failure.ts';

/** An error in whichever of the shapes servers of the dialect give it. */
type Told = { code: string; type: string; message: string; param: string | null; flagged: boolean };

/** A validation error of FastAPI, which Mistral and vLLM are made with: the first of its complaints. */
const complaintOf = (detail: unknown): string => {
  const first = objectOf(listOf(detail)[0]);
  const place = listOf(first['loc']).filter((step) => typeof step === 'string' && step !== 'body');
  return [place.join('.'), textOf(first['msg']) ?? ''].filter((text) => text !== '').join(': ');
};

const messageOf = (value: unknown): string => {
  if (typeof value === 'string') return value;
  return Array.isArray(value) ? complaintOf(value) : complaintOf(objectOf(value)['detail']);
};

const wordOf = (value: unknown): string =>
  typeof value === 'number' ? String(value) : (textOf(value) ?? '');

/** OpenRouter hides what the provider behind it said in `metadata.raw`. */
const withReason = (message: string, error: JsonObject): string => {
  const raw = textOf(objectOf(error['metadata'])['raw']) ?? '';
  return raw === '' || message.includes(raw) ? message : `${message}: ${raw}`;
};

/**
 * `{"error": {message, type, param, code}}`; xAI, Ollama: `{"error": message, code}`; Mistral, vLLM:
 * `{message, type, code}` or `{detail}`. Codes come as words and as numbers.
 */
const readTold = (body: JsonObject): Told => {
  const inner = body['error'];
  const error = isObject(inner) ? inner : body;
  const message = typeof inner === 'string' ? inner : messageOf(error['message'] ?? error['detail']);
  return {
    code: wordOf(error['code']),
    type: textOf(error['type']) ?? '',
    message: withReason(message, error),
    param: textOf(error['param']),
    // OpenRouter's moderation answers 403, and names what it found.
    flagged: Array.isArray(objectOf(error['metadata'])['reasons']),
  };
};

const QUOTA = /^(?:insufficient_quota|billing_hard_limit_reached|billing_not_active|insufficient_balance)$/;
const OVER_THE_WINDOW =
  /maximum context length|exceeded max context length|context[_ ]length[_ ]exceeded|prompt (?:is )?too long/i;
const BAD_KEY = /incorrect api key|invalid api key/i;
const NO_MODEL =
  /\bmodel\b.{0,100}\bnot found\b|\bmodel not found\b|does not exist or you do not have access/i;
const OF_TOKENS = /\btokens?\b|\bTP[MD]\b/i;

const codeOfRateLimit = ({ type, message }: Told): ErrorCode => {
  if (type === 'requests') return 'rate_limit_requests';
  return type === 'tokens' || OF_TOKENS.test(message) ? 'rate_limit_tokens' : 'rate_limit_requests';
};

/** What the words say, where the status alone says less; null where they say nothing. */
const codeOfWords = ({ code, type, message }: Told): ErrorCode | null => {
  if (code === 'server_is_overloaded' || type === 'service_unavailable_error') return 'overloaded';
  if (code === 'context_length_exceeded' || OVER_THE_WINDOW.test(message)) return 'context_length';
  if (code === 'content_filter' || code === 'content_policy_violation') return 'content_filter';
  if (code === 'invalid_api_key' || type === 'authentication_error' || BAD_KEY.test(message)) {
    return 'authentication';
  }
  if (code === 'model_not_found' || code === 'DeploymentNotFound' || type === 'invalid_model') {
    return 'upstream_not_found';
  }
  // The model wrote a call that is none; another try may do better.
  if (code === 'tool_use_failed') return 'malformed_answer';
  return NO_MODEL.test(message) ? 'upstream_not_found' : null;
};

const codeOf = (status: number, told: Told): ErrorCode => {
  if (told.flagged) return 'content_filter';
  // With these a code of a model or a limit is about what the key may do.
  if (status === 401 || status === 402 || status === 403) return codeOfStatus(status);
  if (QUOTA.test(told.code) || QUOTA.test(told.type)) return 'quota';
  if (status === 429) return codeOfRateLimit(told);
  // One request that is over a whole minute's tokens has no use of waiting.
  if (status === 413) return 'too_large';
  if (status === 501) return 'invalid_request';
  return codeOfWords(told) ?? codeOfStatus(status);
};

/** An error answer, or anything else with an error's status. */
export const decodeOpenaiFailure = (failure: UpstreamFailure): FloError => {
  const told = readTold(readErrorBody(failure.body) ?? {});
  return describeUpstreamError(codeOf(failure.status, told), told.message, {
    status: failure.status,
    param: told.param,
    retryAfterMs: readRetryAfterMs(failure),
  });
};

/** The status that an error without one would have had. */
const statusOf = ({ code, type }: Told): number => {
  const status = Number(code);
  if (Number.isInteger(status) && status >= 400 && status <= 599) return status;
  if (code === 'rate_limit_exceeded') return 429;
  return type === 'invalid_request_error' ? 400 : 500;
};

/** An error that comes with status 200, as an event of a stream or in place of an answer: its whole object. */
export const decodeOpenaiError = (body: JsonObject): FloError => {
  const told = readTold(body);
  return describeUpstreamError(codeOf(statusOf(told), told), told.message, { param: null });
};
