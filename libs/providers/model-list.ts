/** Reads the lists of models that most providers give: `{"data": [{id, …}]}`. */
import type { ListedModel } from '#contracts/listed-model';
import { FloError } from '#domain/errors';
import { listOf, objectOf, parseObject, textOf, type JsonObject } from './json-fields.ts';

const MODELS_MAX = 5_000;
const ID_LENGTH_MAX = 256;

/** Entries that are none, or beyond a bound, are left out. Throws `FloError` `malformed_answer`. */
export const readModelList = (
  body: Uint8Array,
  member: string,
  read: (entry: JsonObject) => ListedModel | null,
): { list: JsonObject; models: ListedModel[] } => {
  const list = parseObject(body);
  if (!Array.isArray(list[member])) {
    throw new FloError('malformed_answer', "The provider's list of models cannot be read.");
  }
  const models = listOf(list[member])
    .slice(0, MODELS_MAX)
    .flatMap((entry) => {
      const model = read(objectOf(entry));
      return model === null || model.id === '' || model.id.length > ID_LENGTH_MAX ? [] : [model];
    });
  return { list, models };
};

/** A list that tells no more than names. */
export const nameOnly = (entry: JsonObject): ListedModel | null => {
  const id = textOf(entry['id']);
  return id === null ? null : { id, contextWindowTokens: null, maxOutputTokens: null, capabilities: null };
};
