import type { ChatRequest } from '#contracts/inference';
import type { CompatibleDialect, Operation, ProviderId, SurfaceId } from '#contracts/vocabulary';
import { FloError } from '#domain/errors';
import { anthropic } from './anthropic/anthropic.ts';
import { google } from './google/google.ts';
import { groq } from './groq/groq.ts';
import { mistral } from './mistral/mistral.ts';
import { openaiCompatible, openaiCompatibleAt } from './openai-compatible/openai-compatible.ts';
import { openai } from './openai/openai.ts';
import { openrouter } from './openrouter/openrouter.ts';
import type { ChatWire, Provider, Wire } from './provider.ts';

const PROVIDERS: Readonly<Record<ProviderId, Provider>> = {
  openai,
  anthropic,
  google,
  mistral,
  groq,
  openrouter,
  openai_compatible: openaiCompatible,
};

/** What holds for a provider wherever it is. Calls go to that of `providerFor`. */
export const providerOf = (id: ProviderId): Provider => PROVIDERS[id];

export type ProviderAddress = {
  provider: ProviderId;
  /** Null for the provider's own address. */
  baseUrl: string | null;
  dialect: CompatibleDialect | null;
};

/** A version that some write at the end of the address, and that the provider's own paths begin with. */
const VERSION_IN_PATHS: Readonly<Partial<Record<ProviderId, string>>> = { anthropic: '/v1' };

/** An address without a path stands for the provider's usual one there: `https://proxy.example` for its `/v1`. */
const baseUrlAt = (provider: Provider, baseUrl: string): string => {
  const { origin, pathname } = new URL(baseUrl);
  const path = pathname.replace(/\/+$/, '');
  if (path === '') return origin + new URL(provider.baseUrl).pathname.replace(/\/+$/, '');
  const version = VERSION_IN_PATHS[provider.id];
  const isDoubled = version !== undefined && path.endsWith(version);
  return origin + (isDoubled ? path.slice(0, -version.length) : path);
};

/** The provider as it is to be called at a key's address. Throws `TypeError` for one that is no URL. */
export const providerFor = ({ provider: id, baseUrl, dialect }: ProviderAddress): Provider => {
  const provider = PROVIDERS[id];
  if (baseUrl === null) return provider;
  if (id === 'openai_compatible') return openaiCompatibleAt(baseUrl, dialect);
  return { ...provider, baseUrl: baseUrlAt(provider, baseUrl) };
};

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

/** The wire that can say all of a translated request: the usual one, unless another suits it better. */
export const suitedWire = (provider: Provider, usual: ChatWire, request: ChatRequest): ChatWire =>
  provider.wires.filter((wire) => wire.operation === 'chat').find((wire) => wire.suits?.(request) === true) ??
  usual;
