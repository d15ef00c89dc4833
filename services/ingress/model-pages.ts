/** Pages of a list of models, as the dialects that have pages ask for them. */
import { FloError } from '#domain/errors';
import type { ModelEntry } from './model-entries.ts';

export type ModelPage = { entries: readonly ModelEntry[]; hasMore: boolean };

type Query = Readonly<Record<string, unknown>>;

/** Both APIs' own bound, and what is given unasked: few tenants have more, and who asks by hand sees all. */
const PAGE_MAX = 1_000;
const WHOLE_NUMBER = /^\d{1,9}$/;

const refuse = (param: string, message: string): never => {
  throw new FloError('invalid_request', `${param}: ${message}`, { param });
};

/** A parameter of the query that is given once, null where it is not. */
const given = (query: Query, param: string): string | null => {
  const value = query[param];
  if (value === undefined || value === '') return null;
  return typeof value === 'string' ? value : refuse(param, 'must be given once.');
};

const readSize = (query: Query, param: string): number | null => {
  const value = given(query, param);
  if (value === null) return null;
  const size = WHOLE_NUMBER.test(value) ? Number(value) : 0;
  return size > 0 ? size : refuse(param, 'must be a whole number from 1.');
};

const placeOf = (entries: readonly ModelEntry[], query: Query, param: string): number | null => {
  const id = given(query, param);
  if (id === null) return null;
  const place = entries.findIndex((entry) => entry.id === id);
  return place >= 0 ? place : refuse(param, 'must be the id of a model in the list.');
};

/** `limit`, `after_id`, `before_id`: https://docs.claude.com/en/api/models-list. Throws `FloError` `invalid_request`. */
export const anthropicPageOf = (entries: readonly ModelEntry[], query: Query): ModelPage => {
  const limit = readSize(query, 'limit') ?? PAGE_MAX;
  if (limit > PAGE_MAX) refuse('limit', `must be at most ${PAGE_MAX}.`);
  const after = placeOf(entries, query, 'after_id');
  const before = placeOf(entries, query, 'before_id');
  if (after !== null && before !== null) refuse('before_id', 'cannot be given beside after_id.');
  if (before !== null) {
    const start = Math.max(0, before - limit);
    return { entries: entries.slice(start, before), hasMore: start > 0 };
  }
  const start = after === null ? 0 : after + 1;
  return { entries: entries.slice(start, start + limit), hasMore: start + limit < entries.length };
};

/** `pageSize`, `pageToken`: https://ai.google.dev/api/models#method:-models.list. A larger page is cut to the bound. */
export const geminiPageOf = (
  entries: readonly ModelEntry[],
  query: Query,
): ModelPage & { nextPageToken: string | null } => {
  const size = Math.min(readSize(query, 'pageSize') ?? PAGE_MAX, PAGE_MAX);
  const token = given(query, 'pageToken');
  const start = token === null ? 0 : WHOLE_NUMBER.test(token) ? Number(token) : -1;
  if (start < 0) refuse('pageToken', 'must be the nextPageToken of the page before.');
  const hasMore = start + size < entries.length;
  return {
    entries: entries.slice(start, start + size),
    hasMore,
    nextPageToken: hasMore ? String(start + size) : null,
  };
};
