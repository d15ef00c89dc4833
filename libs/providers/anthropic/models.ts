import type { ListedModel, ModelCapabilities } from '#contracts/listed-model';
import { countOf, isObject, objectOf, textOf, type JsonObject } from '../json-fields.ts';
import { readModelList } from '../model-list.ts';
import type { ModelList } from '../provider.ts';

const PAGE_MAX = 1_000;

const isSupported = (capabilities: JsonObject, name: string): boolean =>
  objectOf(capabilities[name])['supported'] === true;

const capabilitiesOf = (told: unknown): ModelCapabilities | null =>
  isObject(told)
    ? {
        operations: ['chat', 'token_count'],
        imageInput: isSupported(told, 'image_input'),
        structuredOutput: isSupported(told, 'structured_outputs'),
        reasoning: isSupported(told, 'thinking'),
      }
    : null;

const readModel = (entry: JsonObject): ListedModel | null => {
  const id = textOf(entry['id']);
  return id === null
    ? null
    : {
        id,
        contextWindowTokens: countOf(entry['max_input_tokens']),
        maxOutputTokens: countOf(entry['max_tokens']),
        capabilities: capabilitiesOf(entry['capabilities']),
      };
};

/** `GET /v1/models`, in pages. */
export const createAnthropicModelList = (headers: Record<string, string>): ModelList => ({
  path: (cursor) =>
    `/v1/models?limit=${PAGE_MAX}${cursor === null ? '' : `&after_id=${encodeURIComponent(cursor)}`}`,
  headers,
  decode: (body) => {
    const { list, models } = readModelList(body, 'data', readModel);
    return { models, next: list['has_more'] === true ? textOf(list['last_id']) : null };
  },
});
