import type { IncomingHttpHeaders } from 'node:http';
import type { SurfaceId } from '#contracts/vocabulary';
import { FloError } from '#domain/errors';
import type { RequestPath } from '#surfaces/surface';

/**
 * Where the methods of models are asked for. Older client libraries call the preview of the API, newer ones its
 * stable version, and the Vercel AI SDK leaves `models` out before a name with a slash.
 */
export const GEMINI_METHOD_PATHS = ['/v1beta/models', '/v1/models', '/v1beta'] as const;

/** What a request asks for by its path and query, before anything of its body is read. */
export type Addressed = { surface: SurfaceId; path: RequestPath };

type Query = Readonly<Record<string, unknown>>;

const METHODS: Readonly<Record<string, (query: Query) => Omit<Addressed, 'path'> & { path: RequestPath }>> = {
  generateContent: () => ({ surface: 'gemini-generate-content', path: { stream: false } }),
  streamGenerateContent: ({ alt }) => ({
    surface: 'gemini-generate-content',
    path: { stream: true, streamFraming: alt === 'sse' ? 'sse' : 'json_array' },
  }),
  countTokens: () => ({ surface: 'gemini-count-tokens', path: {} }),
  embedContent: () => ({ surface: 'gemini-embed-content', path: {} }),
  batchEmbedContents: () => ({ surface: 'gemini-embed-content', path: {} }),
};

/**
 * Reads `<model>:<method>`, the rest of a path behind `/v1beta/models/`; a model's name may hold slashes and
 * colons of its own. Throws `FloError` `route_not_found`.
 */
export const readGeminiAddress = (rest: string, query: Query): Addressed => {
  const colon = rest.lastIndexOf(':');
  const method = rest.slice(colon + 1);
  const read = colon > 0 && Object.hasOwn(METHODS, method) ? METHODS[method] : undefined;
  if (read === undefined) {
    const known = Object.keys(METHODS).join(', ');
    throw new FloError(
      'route_not_found',
      `There is no such method. Ask for <model>:<method>, with one of ${known}.`,
    );
  }
  const { surface, path } = read(query);
  return { surface, path: { ...path, model: rest.slice(0, colon) } };
};

/** `?key=` is the API's other way to show a key; it counts as the header, and is kept nowhere. */
export const withQueryKey = (headers: IncomingHttpHeaders, { key }: Query): IncomingHttpHeaders =>
  typeof key === 'string' && headers['x-goog-api-key'] === undefined
    ? { ...headers, 'x-goog-api-key': key }
    : headers;
