/** Images, files and audio as OpenAI's endpoints write them: by URL or as data URLs. */
import type { AudioPart, BinarySource, DocumentPart, ImagePart } from '#contracts/inference';
import {
  given,
  optional,
  readObject,
  readOneOf,
  readText,
  refuse,
  type JsonObject,
} from '../field-reader.ts';

const ELSEWHERE = 'for a model of this provider.';
const DATA_URL = /^data:([a-z0-9.+/-]+)(?:;[a-z0-9.=-]+)*;base64,/i;
/** Longer than any media type with its parameters. */
const DATA_URL_START_LENGTH = 200;

const readDataUrl = (url: string): Extract<BinarySource, { kind: 'base64' }> | null => {
  const match = DATA_URL.exec(url.slice(0, DATA_URL_START_LENGTH));
  if (match?.[1] === undefined) return null;
  return { kind: 'base64', mediaType: match[1].toLowerCase(), data: url.slice(match[0].length) };
};

const isWebUrl = (url: string): boolean => /^https?:\/\//i.test(url);

export const readImage = (url: string, detail: unknown, param: string): ImagePart => {
  const source = readDataUrl(url) ?? (isWebUrl(url) ? ({ kind: 'url', url } as const) : null);
  if (source === null) return refuse(param, 'must be an http(s) URL or a base64 data URL.');
  return {
    type: 'image',
    source,
    ...given({
      detail: optional({ detail }, 'detail', readOneOf(['auto', 'low', 'high']), `${param}.`),
    }),
  };
};

const readDocumentSource = (file: JsonObject, prefix: string): DocumentPart['source'] => {
  const url = optional(file, 'file_url', readText, prefix);
  if (url !== undefined) {
    return isWebUrl(url) ? { kind: 'url', url } : refuse(`${prefix}file_url`, 'must be an http(s) URL.');
  }
  const data = optional(file, 'file_data', readText, prefix);
  if (data === undefined) {
    return refuse(`${prefix}file_data`, `must hold the file, as a base64 data URL, ${ELSEWHERE}`);
  }
  const source = readDataUrl(data);
  if (source === null) return refuse(`${prefix}file_data`, 'must be a base64 data URL.');
  if (source.mediaType === 'application/pdf') return source;
  if (source.mediaType.startsWith('text/')) {
    return { kind: 'text', text: Buffer.from(source.data, 'base64').toString('utf8') };
  }
  return refuse(`${prefix}file_data`, `must be a PDF or a text ${ELSEWHERE}`);
};

/** `prefix` stands before the names of the file's fields, up to and with the dot. */
export const readFile = (file: JsonObject, prefix: string): DocumentPart => ({
  type: 'document',
  source: readDocumentSource(file, prefix),
  ...given({ title: optional(file, 'filename', readText, prefix) }),
});

export const readInputAudio = (value: unknown, param: string): AudioPart => {
  const audio = readObject(value, param);
  return {
    type: 'audio',
    format: readText(audio['format'], `${param}.format`),
    data: readText(audio['data'], `${param}.data`),
  };
};
