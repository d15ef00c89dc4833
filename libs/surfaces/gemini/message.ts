import { readBody, readObject, type JsonObject } from '../field-reader.ts';

const camelCased = (name: string): string =>
  name.replaceAll(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());

/** A message of the API, which takes every field under its camelCase and its snake_case name alike. */
export const readApiMessage = (value: unknown, param: string): JsonObject => {
  const message = readObject(value, param);
  if (!Object.keys(message).some((name) => name.includes('_'))) return message;
  return Object.fromEntries(Object.entries(message).map(([name, field]) => [camelCased(name), field]));
};

export const readApiBody = (value: unknown): JsonObject => readApiMessage(readBody(value), 'body');
