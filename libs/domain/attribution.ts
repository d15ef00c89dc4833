import {
  LABEL_LENGTH_MAX,
  TAG_KEY_LENGTH_MAX,
  TAG_VALUE_LENGTH_MAX,
  TAGS_MAX,
  type Attribution,
} from '#contracts/attribution';
import type { ApiKey } from './api-key.ts';
import { FloError } from './errors.ts';

/** What a request says of itself: headers by lower-case name, and its dialect's own fields. */
export type RequestLabels = {
  headers: Readonly<Record<string, string | string[] | undefined>>;
  endUser: string | null;
  metadata: Readonly<Record<string, string>>;
};

const refuse = (header: string, expected: string): never => {
  throw new FloError('invalid_request', `${header} must be ${expected}.`, { param: header });
};

const readLabel = (labels: RequestLabels, header: string): string | undefined => {
  const value = labels.headers[header];
  if (value === undefined || value === '') return undefined;
  if (typeof value !== 'string' || value.length > LABEL_LENGTH_MAX) {
    return refuse(header, `sent once and at most ${LABEL_LENGTH_MAX} characters long`);
  }
  return value;
};

const isTag = ([key, value]: [string, string]): boolean =>
  key.length > 0 && key.length <= TAG_KEY_LENGTH_MAX && value.length <= TAG_VALUE_LENGTH_MAX;

const TAGS_HEADER = 'x-flo2-tags';
const TAGS_EXPECTED = `at most ${TAGS_MAX} pairs like "k=v,k2=v2", keys up to ${TAG_KEY_LENGTH_MAX} and values up to ${TAG_VALUE_LENGTH_MAX} characters long`;

const readTags = (labels: RequestLabels): Map<string, string> => {
  const text = labels.headers[TAGS_HEADER];
  const tags = new Map<string, string>();
  if (text === undefined || text === '') return tags;
  if (typeof text !== 'string') return refuse(TAGS_HEADER, 'sent once');
  for (const pair of text.split(',')) {
    const separator = pair.indexOf('=');
    const tag: [string, string] = [pair.slice(0, separator).trim(), pair.slice(separator + 1).trim()];
    if (separator < 1 || !isTag(tag)) return refuse(TAGS_HEADER, TAGS_EXPECTED);
    tags.set(...tag);
  }
  return tags;
};

/**
 * Whom a request's cost belongs to. Of the request's own words a header wins over the dialect's field; the
 * key's team, feature and tags win over both, unless the key allows the request to override them.
 * Metadata beyond the bounds is left out: it is the provider's first of all. Throws `FloError`
 * `invalid_request` for a header that cannot be taken.
 */
export const readAttribution = (
  labels: RequestLabels,
  apiKey: Pick<ApiKey, 'team' | 'feature' | 'tags' | 'allowOverride'>,
): Attribution => {
  const prefer = (own: string | undefined, key: string | null): string | undefined =>
    apiKey.allowOverride ? (own ?? key ?? undefined) : (key ?? own);
  const team = prefer(readLabel(labels, 'x-flo2-team'), apiKey.team);
  const feature = prefer(readLabel(labels, 'x-flo2-feature'), apiKey.feature);
  const user = readLabel(labels, 'x-flo2-user') ?? labels.endUser?.slice(0, LABEL_LENGTH_MAX);

  const headerTags = readTags(labels);
  const keyTags = Object.entries(apiKey.tags);
  const required = new Map(apiKey.allowOverride ? [...keyTags, ...headerTags] : [...headerTags, ...keyTags]);
  if (required.size > TAGS_MAX) return refuse(TAGS_HEADER, `${TAGS_EXPECTED}, the key’s own included`);
  const tags = new Map(required);
  for (const tag of Object.entries(labels.metadata)) {
    if (tags.size < TAGS_MAX && isTag(tag) && !tags.has(tag[0])) tags.set(...tag);
  }
  return {
    ...(team !== undefined && { team }),
    ...(feature !== undefined && { feature }),
    ...(user !== undefined && user !== '' && { user }),
    tags: Object.fromEntries(tags),
  };
};
