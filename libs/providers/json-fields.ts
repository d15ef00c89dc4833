/** Reads fields of a provider's JSON, whatever it turns out to be. */
import { FloError } from '#domain/errors';

export type JsonObject = Readonly<Record<string, unknown>>;

export const isObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const NOTHING: JsonObject = Object.freeze({});

/** The object, or one without fields. */
export const objectOf = (value: unknown): JsonObject => (isObject(value) ? value : NOTHING);

export const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);

export const textOf = (value: unknown): string | null => (typeof value === 'string' ? value : null);

/** A count of tokens; null for what is none. */
export const countOf = (value: unknown): number | null =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : null;

/** A number that is one; null for what is none. */
export const numberOf = (value: unknown): number | null =>
  typeof value === 'number' && Number.isFinite(value) ? value : null;

/** The value of a text that may be no JSON at all; undefined for what is none. */
export const readJson = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
};

const decoder = new TextDecoder('utf-8', { fatal: true });

/** Throws `FloError` `malformed_answer` for what is no JSON object. */
export const parseObject = (text: string | Uint8Array): JsonObject => {
  let value: unknown;
  try {
    value = JSON.parse(typeof text === 'string' ? text : decoder.decode(text));
  } catch (cause) {
    throw new FloError('malformed_answer', "The provider's answer is not JSON.", { cause });
  }
  if (!isObject(value)) throw new FloError('malformed_answer', "The provider's answer is no JSON object.");
  return value;
};
