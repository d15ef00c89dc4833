import type { Operation, ProviderId, SurfaceId } from '#contracts/vocabulary';
import { FloError } from '#domain/errors';
import { anthropic } from './anthropic/anthropic.ts';
import { openai } from './openai/openai.ts';
import type { Provider, Wire } from './provider.ts';

const PROVIDERS: Readonly<Record<ProviderId, Provider>> = { openai, anthropic };

export const providerOf = (id: ProviderId): Provider => PROVIDERS[id];

const ASKED: Readonly<Record<Operation, string>> = {
  chat: 'an answer',
  embedding: 'embeddings',
  token_count: "a count of a prompt's tokens",
};

/**
 * The wire to ask: the client's own dialect where the provider speaks it, else the provider's first one for
 * the operation. Throws `FloError` `invalid_request` where it has none.
 */
export const wireFor = (provider: Provider, asked: { id: SurfaceId; operation: Operation }): Wire => {
  const wire =
    provider.wires.find(({ surface }) => surface === asked.id) ??
    provider.wires.find(({ operation }) => operation === asked.operation);
  if (wire !== undefined) return wire;
  throw new FloError(
    'invalid_request',
    `Models of ${provider.id} cannot be asked for ${ASKED[asked.operation]}: name a model of another provider.`,
    { param: 'model' },
  );
};
