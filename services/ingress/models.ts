import type { FastifyInstance } from 'fastify';
import type { SurfaceId } from '#contracts/vocabulary';
import { FloError } from '#domain/errors';
import { listTenantModels } from '#domain/route-plan';
import { surfaceOf } from '#surfaces/registry';
import { authenticate, unavailable, type AdmissionDeps } from './admission.ts';

type Deps = Pick<AdmissionDeps, 'directory' | 'clock' | 'listedModels'>;
type Entry = { id: string; ownedBy: string };

/** Neither API tells when; a fixed time is better than one that changes. */
const CREATED_AT = new Date(0);

const openAiModel = ({ id, ownedBy }: Entry) => ({
  id,
  object: 'model',
  created: CREATED_AT.getTime() / 1_000,
  owned_by: ownedBy,
});

const anthropicModel = ({ id }: Entry) => ({
  type: 'model',
  id,
  display_name: id,
  created_at: CREATED_AT.toISOString(),
});

/** Both dialects ask at one path; the header that every client of Anthropic's must send tells them apart. */
export const dialectOf = (headers: Record<string, unknown>): SurfaceId =>
  headers['anthropic-version'] === undefined ? 'openai-chat' : 'anthropic-messages';

/** `GET /v1/models` and `/v1/models/{id}`: routes and models that the caller's key may use. */
export const registerModelRoutes = (app: FastifyInstance, deps: Deps): void => {
  const list = async (headers: Parameters<typeof authenticate>[1]): Promise<Entry[]> => {
    const apiKey = await authenticate(deps, headers);
    const routing = await deps.directory.loadRouting(apiKey.tenantId).catch((error: unknown) => {
      throw unavailable(error);
    });
    return listTenantModels({ routing, apiKey, listedModels: deps.listedModels });
  };

  app.get('/v1/models', async (request) => {
    const models = await list(request.headers);
    if (surfaceOf(dialectOf(request.headers)).id === 'openai-chat') {
      return { object: 'list', data: models.map(openAiModel) };
    }
    return {
      data: models.map(anthropicModel),
      has_more: false,
      first_id: models[0]?.id ?? null,
      last_id: models.at(-1)?.id ?? null,
    };
  });

  // An id is `provider/model`: everything behind the path, slashes included.
  app.get<{ Params: { '*': string } }>('/v1/models/*', async (request) => {
    const id = request.params['*'];
    const model = (await list(request.headers)).find((entry) => entry.id === id);
    if (model === undefined) {
      throw new FloError('model_not_found', `There is no model or route "${id.slice(0, 100)}" for this key.`);
    }
    return dialectOf(request.headers) === 'openai-chat' ? openAiModel(model) : anthropicModel(model);
  });
};
