import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { ProviderId, SurfaceId } from '#contracts/vocabulary';
import { FloError } from '#domain/errors';
import { listCatalogue, standardPrices } from '#domain/model-catalogue';
import type { PriceRate } from '#domain/price-book';
import { authenticate, unavailable, type AdmissionDeps } from './admission.ts';
import { withQueryKey } from './gemini-address.ts';
import {
  encodeAnthropicModel,
  encodeGeminiModel,
  encodeOpenaiModel,
  type ModelEntry,
} from './model-entries.ts';
import { anthropicPageOf, geminiPageOf } from './model-pages.ts';

export type ModelDeps = Pick<AdmissionDeps, 'directory' | 'clock' | 'listedModels'> & {
  /** The rates in force for a provider's model. */
  ratesOf: (provider: ProviderId, model: string) => readonly PriceRate[];
};

const OPENAI_PATHS = ['/v1/models', '/openai/v1/models'];
const GEMINI_PATH = '/v1beta/models';

/** Three dialects ask at one path; the headers that clients of the other two must send tell them apart. */
export const modelDialectOf = ({ url, headers }: Pick<FastifyRequest, 'url' | 'headers'>): SurfaceId => {
  if (url.startsWith(GEMINI_PATH) || headers['x-goog-api-key'] !== undefined)
    return 'gemini-generate-content';
  return headers['anthropic-version'] === undefined ? 'openai-chat' : 'anthropic-messages';
};

type Dialect = {
  one: (entry: ModelEntry) => object;
  all: (entries: readonly ModelEntry[], query: Readonly<Record<string, unknown>>) => object;
};

const OPENAI: Dialect = {
  one: encodeOpenaiModel,
  all: (entries) => ({ object: 'list', data: entries.map(encodeOpenaiModel) }),
};
const ANTHROPIC: Dialect = {
  one: encodeAnthropicModel,
  all: (entries, query) => {
    const page = anthropicPageOf(entries, query);
    return {
      data: page.entries.map(encodeAnthropicModel),
      has_more: page.hasMore,
      first_id: page.entries[0]?.id ?? null,
      last_id: page.entries.at(-1)?.id ?? null,
    };
  },
};
const GEMINI: Dialect = {
  one: encodeGeminiModel,
  all: (entries, query) => {
    const page = geminiPageOf(entries, query);
    return {
      models: page.entries.map(encodeGeminiModel),
      ...(page.nextPageToken !== null && { nextPageToken: page.nextPageToken }),
    };
  },
};

const dialectOf = (request: FastifyRequest): Dialect => {
  const id = modelDialectOf(request);
  if (id === 'gemini-generate-content') return GEMINI;
  return id === 'anthropic-messages' ? ANTHROPIC : OPENAI;
};

/** `GET /v1/models[/{id}]` and `/v1beta/models[/{id}]`: routes and models that the caller's key may use. */
export const registerModelRoutes = (app: FastifyInstance, deps: ModelDeps): void => {
  const list = async (headers: FastifyRequest['headers']): Promise<ModelEntry[]> => {
    const apiKey = await authenticate(deps, headers);
    const { tenantId } = apiKey;
    const [routing, keyModels] = await Promise.all([
      deps.directory.loadRouting(tenantId),
      deps.directory.loadModels(tenantId),
    ]).catch((error: unknown) => {
      throw unavailable(error);
    });
    const entries = listCatalogue({ routing, apiKey, keyModels, pricedModels: deps.listedModels });
    return entries.map((entry) => ({
      ...entry,
      prices:
        entry.provider === null
          ? null
          : standardPrices(deps.ratesOf(entry.provider, entry.id.slice(entry.provider.length + 1))),
    }));
  };

  const find = async (headers: FastifyRequest['headers'], id: string): Promise<ModelEntry> => {
    const entry = (await list(headers)).find((candidate) => candidate.id === id);
    if (entry !== undefined) return entry;
    throw new FloError('model_not_found', `There is no model or route "${id.slice(0, 100)}" for this key.`);
  };

  const headersOf = (request: FastifyRequest): FastifyRequest['headers'] =>
    request.url.startsWith(GEMINI_PATH)
      ? withQueryKey(request.headers, request.query as Record<string, unknown>)
      : request.headers;

  for (const path of [...OPENAI_PATHS, GEMINI_PATH]) {
    app.get(path, async (request) =>
      dialectOf(request).all(await list(headersOf(request)), request.query as Record<string, unknown>),
    );
    // An id is `provider/model`: everything behind the path, slashes included.
    app.get<{ Params: { '*': string } }>(`${path}/*`, async (request) =>
      dialectOf(request).one(await find(headersOf(request), request.params['*'])),
    );
  }
};
