import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { ProviderId, SurfaceId } from '#contracts/vocabulary';
import { FloError } from '#domain/errors';
import { listCatalogue, standardPrices } from '#domain/model-catalogue';
import type { PriceRate } from '#domain/price-book';
import { authenticate, unavailable, type AdmissionDeps } from './admission.ts';
import { GEMINI_MODELS_PATH, withQueryKey } from './gemini-address.ts';
import {
  encodeAnthropicModel,
  encodeGeminiModel,
  encodeOpenaiModel,
  type ModelEntry,
} from './model-entries.ts';

export type ModelDeps = Pick<AdmissionDeps, 'directory' | 'clock' | 'listedModels'> & {
  /** The rates in force for a provider's model. */
  ratesOf: (provider: ProviderId, model: string) => readonly PriceRate[];
};

/** Two dialects ask at one path; the header that every client of Anthropic's must send tells them apart. */
export const modelDialectOf = ({ url, headers }: Pick<FastifyRequest, 'url' | 'headers'>): SurfaceId => {
  if (url.startsWith(GEMINI_MODELS_PATH)) return 'gemini-generate-content';
  return headers['anthropic-version'] === undefined ? 'openai-chat' : 'anthropic-messages';
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

  app.get('/v1/models', async (request) => {
    const models = await list(request.headers);
    if (modelDialectOf(request) === 'openai-chat') {
      return { object: 'list', data: models.map(encodeOpenaiModel) };
    }
    return {
      data: models.map(encodeAnthropicModel),
      has_more: false,
      first_id: models[0]?.id ?? null,
      last_id: models.at(-1)?.id ?? null,
    };
  });

  // An id is `provider/model`: everything behind the path, slashes included.
  app.get<{ Params: { '*': string } }>('/v1/models/*', async (request) => {
    const entry = await find(request.headers, request.params['*']);
    return modelDialectOf(request) === 'openai-chat' ? encodeOpenaiModel(entry) : encodeAnthropicModel(entry);
  });

  const geminiHeaders = ({ headers, query }: FastifyRequest) =>
    withQueryKey(headers, query as Record<string, unknown>);

  app.get(GEMINI_MODELS_PATH, async (request) => ({
    models: (await list(geminiHeaders(request))).map(encodeGeminiModel),
  }));

  app.get<{ Params: { '*': string } }>(`${GEMINI_MODELS_PATH}/*`, async (request) =>
    encodeGeminiModel(await find(geminiHeaders(request), request.params['*'])),
  );
};
