import { countOf, listOf, textOf, type JsonObject } from '../json-fields.ts';
import { readModelList } from '../model-list.ts';
import type { ModelList, Provider } from '../provider.ts';
import type { ListedModel } from '#contracts/listed-model';
import type { Operation } from '#contracts/vocabulary';
import { countTokens } from './count-tokens-wire.ts';
import { embedContent } from './embed-wire.ts';
import { decodeGeminiFailure } from './failure.ts';
import { generateContent } from './generate-wire.ts';

const PAGE_MAX = 1_000;

const OPERATIONS: Readonly<Record<string, Operation>> = {
  generateContent: 'chat',
  embedContent: 'embedding',
  countTokens: 'token_count',
};

const readModel = (entry: JsonObject): ListedModel | null => {
  const id = textOf(entry['name'])?.replace(/^models\//, '') ?? null;
  if (id === null) return null;
  const operations = listOf(entry['supportedGenerationMethods']).flatMap((method) => {
    const operation = OPERATIONS[textOf(method) ?? ''];
    return operation === undefined ? [] : [operation];
  });
  return {
    id,
    contextWindowTokens: countOf(entry['inputTokenLimit']),
    maxOutputTokens: countOf(entry['outputTokenLimit']),
    capabilities: { operations, reasoning: entry['thinking'] === true },
  };
};

const models: ModelList = {
  path: (cursor) =>
    `/models?pageSize=${PAGE_MAX}${cursor === null ? '' : `&pageToken=${encodeURIComponent(cursor)}`}`,
  headers: {},
  decode: (body) => {
    const { list, models: listed } = readModelList(body, 'models', readModel);
    return { models: listed, next: textOf(list['nextPageToken']) || null };
  },
};

/** Google, by the Gemini API: https://ai.google.dev/api */
export const google: Provider = {
  id: 'google',
  baseUrl: 'https://generativelanguage.googleapis.com/v1beta',
  authorize: (secret) => ({ 'x-goog-api-key': secret }),
  keyCheck: { path: '/models?pageSize=1', headers: {} },
  models,
  wires: [generateContent, embedContent, countTokens],
  decodeError: decodeGeminiFailure,
  // The API gives a request no id of its own.
  readRequestId: () => null,
  // It tells of limits only where one is reached, in the error.
  readRateLimits: () => [],
  chargesAfterCancel: true,
};
