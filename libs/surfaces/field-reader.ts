/** Reads fields of a client's request; every refusal names the field in the client's own terms. */
import { FloError } from '#domain/errors';
import type { Inexpressible } from '#domain/inexpressible';

export type JsonObject = Readonly<Record<string, unknown>>;

export const isObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

export const refuse = (param: string, sentence: string): never => {
  throw new FloError('invalid_request', `${param}: ${sentence}`, { param });
};

export const readObject = (value: unknown, param: string): JsonObject =>
  isObject(value) ? value : refuse(param, 'must be an object.');

/** The body itself has no name. */
export const readBody = (body: unknown): JsonObject => {
  if (isObject(body)) return body;
  throw new FloError('invalid_request', 'The body must be a JSON object.');
};

export const readText = (value: unknown, param: string): string =>
  typeof value === 'string' ? value : refuse(param, 'must be a string.');

export const readList = (value: unknown, param: string): readonly unknown[] =>
  Array.isArray(value) ? value : refuse(param, 'must be a list.');

export const readBoolean = (value: unknown, param: string): boolean =>
  typeof value === 'boolean' ? value : refuse(param, 'must be true or false.');

export const readNumber = (value: unknown, param: string): number =>
  typeof value === 'number' && Number.isFinite(value) ? value : refuse(param, 'must be a number.');

export const readInteger = (value: unknown, param: string): number =>
  typeof value === 'number' && Number.isSafeInteger(value) ? value : refuse(param, 'must be a whole number.');

export const readPositiveInteger = (value: unknown, param: string): number =>
  typeof value === 'number' && Number.isSafeInteger(value) && value > 0
    ? value
    : refuse(param, 'must be a whole number above 0.');

/** Undefined for a field that is absent or null. */
export const optional = <Value>(
  object: JsonObject,
  field: string,
  read: (value: unknown, param: string) => Value,
  prefix = '',
): Value | undefined => {
  const value = object[field];
  return value === undefined || value === null ? undefined : read(value, prefix + field);
};

/** Without the fields that are undefined, which an exact optional field may not be. */
export const given = <Fields extends object>(fields: Fields): Given<Fields> =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Given<Fields>;
type OptionalField<Fields> = {
  [Field in keyof Fields]: undefined extends Fields[Field] ? Field : never;
}[keyof Fields];
type Given<Fields> = Omit<Fields, OptionalField<Fields>> & {
  [Field in OptionalField<Fields>]?: Exclude<Fields[Field], undefined>;
};

/** A field that holds one of some words. */
export const readOneOf =
  <const Word extends string>(words: readonly Word[]) =>
  (value: unknown, param: string): Word =>
    words.find((word) => word === value) ??
    refuse(param, `must be ${words.map((word) => `"${word}"`).join(' or ')}.`);

export const readTexts = (value: unknown, param: string): string[] =>
  readList(value, param).map((text, index) => readText(text, `${param}.${index}`));

/** What every dialect's request has. */
export const readModel = (body: JsonObject): string => {
  const { model } = body;
  if (typeof model === 'string' && model !== '') return model;
  return refuse('model', 'must name a model, such as "openai/gpt-4o-mini".');
};

export const readMessages = (body: JsonObject): readonly unknown[] => {
  const { messages } = body;
  if (Array.isArray(messages) && messages.length > 0) return messages;
  return refuse('messages', 'must be a list with at least one message.');
};

/** A JSON Schema is passed on as it is. */
export const readSchema = (value: unknown, param: string): Record<string, unknown> => ({
  ...readObject(value, param),
});

type Translated = {
  expressible: ReadonlySet<string>;
  /** Fields of which some values ask for nothing the answer would lack. */
  changesNothing: Readonly<Record<string, (value: unknown) => boolean>>;
  /** Fields that change no answer and that others cannot be told: left out, and the client is told. */
  hints?: ReadonlySet<string>;
  /** What stands before the fields' names, up to and with the dot. */
  prefix?: string;
};

/** Names every field that is not translated, unless its value asks for nothing the answer would lack. */
export const findInexpressible = (
  body: JsonObject,
  { expressible, changesNothing, hints, prefix = '' }: Translated,
  inexpressible: Inexpressible,
): void => {
  for (const [field, value] of Object.entries(body)) {
    if (expressible.has(field) || value === undefined || value === null) continue;
    if (Object.hasOwn(changesNothing, field) && changesNothing[field]?.(value) === true) continue;
    if (hints?.has(field) === true) inexpressible.hint(prefix + field);
    else inexpressible.param(prefix + field);
  }
};
