import { optional, readObject, readText, type JsonObject } from '../field-reader.ts';

const NO_METADATA = Object.freeze({});
const NAME_LENGTH_MAX = 64;

const readLabels = (value: unknown, param: string): Readonly<Record<string, string>> => {
  const metadata = readObject(value, param);
  for (const [key, text] of Object.entries(metadata)) {
    readText(text, `${param}.${key.slice(0, NAME_LENGTH_MAX)}`);
  }
  return metadata as Readonly<Record<string, string>>;
};

export const readMetadata = (body: JsonObject): Readonly<Record<string, string>> =>
  optional(body, 'metadata', readLabels) ?? NO_METADATA;
