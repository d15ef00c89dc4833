/** Asks the translators themselves what they do with a request: pure, so that no provider is needed. */
import { COMPATIBLE_DIALECTS, PROVIDER_IDS, type ProviderId, type SurfaceId } from '#contracts/vocabulary';
import { FloError } from '#domain/errors';
import { Inexpressible } from '#domain/inexpressible';
import type { Provider } from '#providers/provider';
import { providerFor, providerOf, suitedWire, wireFor } from '#providers/registry';
import { surfaceOf } from '#surfaces/registry';
import { paramOf } from '#surfaces/surface';

/**
 * `passed`: the client's bytes go through. `translated`: put in the provider's words. `told`: left out, and named
 * in the answer. `refused`: refused by its name, or left out and named where the client asks for that leniency.
 * `impossible`: refused in any case. `none`: the provider has no endpoint of the kind. `silent` must never be.
 */
export type Outcome = 'passed' | 'translated' | 'told' | 'refused' | 'impossible' | 'none' | 'silent';

export type Column = { name: string; provider: Provider; model: string };

/** Models that take what their provider has words for. */
const MODELS: Readonly<Record<ProviderId, string>> = {
  openai: 'gpt-5-mini',
  anthropic: 'claude-sonnet-4-5',
  google: 'gemini-2.5-flash',
  mistral: 'mistral-small-latest',
  groq: 'openai/gpt-oss-120b',
  openrouter: 'anthropic/claude-sonnet-4.5',
  openai_compatible: 'a-model',
};

export const COLUMNS: readonly Column[] = [
  ...PROVIDER_IDS.filter((id) => id !== 'openai_compatible').map((id) => ({
    name: id,
    provider: providerOf(id),
    model: MODELS[id],
  })),
  ...COMPATIBLE_DIALECTS.map((dialect) => ({
    name: dialect === 'openai' ? 'openai_compatible' : dialect,
    provider: providerFor({ provider: 'openai_compatible', baseUrl: 'https://server.example/v1', dialect }),
    model: MODELS.openai_compatible,
  })),
];

type Body = Readonly<Record<string, unknown>>;
type Sent = { body: string; dropped: readonly string[] };

const send = (surfaceId: SurfaceId, column: Column, body: Body, drop: boolean): Sent => {
  const surface = surfaceOf(surfaceId);
  const wire = wireFor(column.provider, surface);
  const path = surfaceId.startsWith('gemini') ? { model: 'm', stream: false } : {};
  const { stream } = surface.readRequest(body, path);
  const inexpressible = new Inexpressible({ drop, paramOf: paramOf(surface) });
  const input = { body, stream, inexpressible };
  const { model } = column;
  const textOf = ({ path: at, body: bytes }: { path: string; body: Uint8Array }): string =>
    `${at} ${Buffer.from(bytes).toString()}`;
  if (surface.operation === 'embedding') {
    if (wire.operation !== 'embedding') throw new TypeError('another operation');
    const call = wire.encodeRequest({ request: surface.decodeRequest(input), model, inexpressible });
    return { body: textOf(call), dropped: inexpressible.dropped };
  }
  if (wire.operation === 'embedding') throw new TypeError('another operation');
  const request = surface.decodeRequest(input);
  const suited = wire.operation === 'chat' ? suitedWire(column.provider, wire, request) : wire;
  const call = suited.encodeRequest({ request, model, inexpressible });
  return { body: textOf(call), dropped: inexpressible.dropped };
};

const isRefusal = (error: unknown): boolean => error instanceof FloError && error.code === 'invalid_request';

const tryTo = <Result>(work: () => Result): Result | null => {
  try {
    return work();
  } catch (error) {
    if (isRefusal(error)) return null;
    throw error;
  }
};

/** What becomes of `body`, which asks for something more than `base`. */
export const probe = (surfaceId: SurfaceId, column: Column, base: Body, body: Body): Outcome => {
  const surface = surfaceOf(surfaceId);
  const wire = tryTo(() => wireFor(column.provider, surface));
  if (wire === null) return 'none';
  if (wire.surface === surfaceId) return 'passed';
  const strict = tryTo(() => send(surfaceId, column, body, false));
  if (strict === null)
    return tryTo(() => send(surfaceId, column, body, true)) === null ? 'impossible' : 'refused';
  if (strict.dropped.length > 0) return 'told';
  return strict.body === send(surfaceId, column, base, false).body ? 'silent' : 'translated';
};
