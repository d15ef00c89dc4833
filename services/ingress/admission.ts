import type { IncomingHttpHeaders } from 'node:http';
import type { DispatchHeader } from '#contracts/dispatch';
import type { RequestId } from '#contracts/ids';
import { DEADLINE_MS_MAX } from '#contracts/subjects';
import type { ProviderId } from '#contracts/vocabulary';
import type { AdmissionLimits } from '#domain/admission-limits';
import type { ApiKey, ApiKeyScope } from '#domain/api-key';
import { parseApiKeyText } from '#domain/api-key-text';
import { readAttribution } from '#domain/attribution';
import type { BudgetGate, BudgetHold } from '#domain/budget-gate';
import { FloError } from '#domain/errors';
import type { OpenCaps } from '#domain/open-caps';
import type { FleetState } from '#domain/fleet-state';
import type { PriceRate } from '#domain/price-book';
import type { Clock, TenantDirectory } from '#domain/ports';
import { planRequest } from '#domain/route-plan';
import type { TenantRouting } from '#domain/tenant-routing';
import type { RequestPath, Surface } from '#surfaces/surface';
import { hashApiKey, readCallerKey } from '#web/caller-key';
import { estimateTokens } from './interactive-room.ts';
import { targetFactsFor } from './target-facts.ts';
import { budgetedRequest } from './budgeted-request.ts';

export type AdmissionDeps = {
  directory: TenantDirectory;
  limits: AdmissionLimits;
  caps: OpenCaps;
  budgets: BudgetGate;
  /** Whether the price book knows a provider's model. */
  isListed: (provider: ProviderId, model: string) => boolean;
  /** The models a provider is known to have, by the price book. */
  listedModels: (provider: ProviderId) => readonly string[];
  ratesOf: (provider: ProviderId, model: string) => readonly PriceRate[];
  fleet: Pick<FleetState, 'bucketNews'>;
  clock: Clock;
  random: () => number;
  ingressId: string;
  defaultTimeoutMs: number;
};

export type Incoming = {
  requestId: RequestId;
  surface: Surface;
  path: RequestPath;
  headers: IncomingHttpHeaders;
  body: Uint8Array;
};

/**
 * A request that may be queued. `release` gives back what it holds of its key's limits, `hold` is what it
 * holds of budgets.
 */
export type Admitted = {
  header: DispatchHeader;
  release: () => void;
  hold: BudgetHold;
  routing: TenantRouting;
  tokens: ReturnType<typeof estimateTokens>;
};

const decoder = new TextDecoder('utf-8', { fatal: true });

const parseBody = (body: Uint8Array): unknown => {
  if (body.length === 0) throw new FloError('invalid_request', 'The body is empty: send a JSON object.');
  let text: string;
  try {
    text = decoder.decode(body);
  } catch (error) {
    throw new FloError('invalid_request', 'The body is not UTF-8 text: send JSON.', { cause: error });
  }
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new FloError(
      'invalid_request',
      'The body is not valid JSON: check its commas, quotes and braces.',
      {
        cause: error,
      },
    );
  }
};

const readTimeoutMs = (headers: IncomingHttpHeaders, defaultMs: number): number => {
  const text = headers['x-flo2-timeout-ms'];
  if (text === undefined) return defaultMs;
  const timeoutMs = Number(text);
  if (!Number.isInteger(timeoutMs) || timeoutMs < 1 || timeoutMs > DEADLINE_MS_MAX) {
    throw new FloError(
      'invalid_request',
      `x-flo2-timeout-ms must be a whole number of milliseconds from 1 to ${DEADLINE_MS_MAX}.`,
      { param: 'x-flo2-timeout-ms' },
    );
  }
  return timeoutMs;
};

export const readDropParams = (headers: IncomingHttpHeaders): boolean => {
  const text = headers['x-flo2-drop-params'];
  if (text === undefined || text === 'false') return false;
  if (text === 'true') return true;
  throw new FloError('invalid_request', 'x-flo2-drop-params must be "true" or "false".', {
    param: 'x-flo2-drop-params',
  });
};

export const pickHeaders = (
  headers: IncomingHttpHeaders,
  names: readonly string[],
): Record<string, string> => {
  const picked: Record<string, string> = {};
  for (const name of names) {
    const value = headers[name];
    if (typeof value === 'string') picked[name] = value;
  }
  return picked;
};

/** The key a caller shows. Rejects with `FloError` `missing_key`, `invalid_key` or `forbidden`. */
export const authenticate = async (
  deps: Pick<AdmissionDeps, 'directory' | 'clock'>,
  headers: IncomingHttpHeaders,
  scope: ApiKeyScope = 'inference',
): Promise<ApiKey> => {
  const keyText = parseApiKeyText(readCallerKey(headers));
  let apiKey: ApiKey | null;
  try {
    apiKey = await deps.directory.findApiKey(hashApiKey(keyText));
  } catch (error) {
    throw unavailable(error);
  }
  if (apiKey === null) {
    throw new FloError(
      'invalid_key',
      'This API key is unknown or was revoked. Use one of your tenant’s keys.',
    );
  }
  if (apiKey.expiresAtMs !== null && apiKey.expiresAtMs <= deps.clock.nowMs()) {
    throw new FloError('invalid_key', 'This API key has expired. Use one of your tenant’s current keys.');
  }
  if (!apiKey.scopes.includes(scope)) {
    throw new FloError('forbidden', `This API key lacks the scope "${scope}".`);
  }
  return apiKey;
};

export const unavailable = (cause: unknown): FloError =>
  new FloError('unavailable', 'Keys and routes cannot be read now. Try again shortly.', {
    retryAfterMs: 1_000,
    cause,
  });

/** Takes what is next; what was taken before is given back with it, or at once where it is refused. */
const heldBy = (leave: () => void, takeNext: () => () => void): (() => void) => {
  try {
    const release = takeNext();
    return () => {
      release();
      leave();
    };
  } catch (error) {
    leave();
    throw error;
  }
};

/**
 * Decides whether a request may be queued, and how it is to be served. Rejects with `FloError`; nothing
 * is held then.
 */
export const admit = async (deps: AdmissionDeps, incoming: Incoming): Promise<Admitted> => {
  const { headers, surface, path, body, requestId } = incoming;
  const apiKey = await authenticate(deps, headers);
  deps.caps.checkTenant(apiKey.tenantId);
  const parsedBody = parseBody(body);
  const clientRequest = surface.readRequest(parsedBody, path);
  const timeoutMs = readTimeoutMs(headers, deps.defaultTimeoutMs);
  const { endUser, metadata } = clientRequest;
  const attribution = readAttribution({ headers, endUser, metadata }, apiKey);
  const routing = await deps.directory.loadRouting(apiKey.tenantId).catch((error: unknown) => {
    throw unavailable(error);
  });
  const admittedAtMs = deps.clock.nowMs();
  const tokens = estimateTokens({ bodyBytes: body.length, maxOutputTokens: clientRequest.maxOutputTokens });
  const { tenantId } = apiKey;
  // Without the lists a route's targets are all taken for able: the provider says it otherwise.
  const keyModels = routing.routes.has(clientRequest.model)
    ? await deps.directory.loadModels(tenantId).catch(() => [])
    : [];
  const { plan, route } = planRequest({
    model: clientRequest.model,
    routing,
    apiKey,
    isListed: deps.isListed,
    random: deps.random,
    facts: targetFactsFor({ ...deps, nowMs: admittedAtMs }, { tenantId, parsedBody, tokens, keyModels }),
  });
  const header: DispatchHeader = {
    version: 1,
    requestId,
    tenantId: apiKey.tenantId,
    apiKeyId: apiKey.id,
    lane: 'interactive',
    surface: surface.id,
    stream: clientRequest.stream,
    streamFraming: clientRequest.streamFraming,
    dropInexpressible: readDropParams(headers),
    requestedModel: clientRequest.model,
    route,
    attribution,
    forwardedHeaders: pickHeaders(headers, surface.forwardedHeaders),
    plan,
    holds: [],
    step: 0,
    firstAttempt: 1,
    ingressId: deps.ingressId,
    admittedAtMs,
    deadlineAtMs: admittedAtMs + timeoutMs,
  };
  const leave = deps.caps.enter(tenantId, clientRequest.model);
  const release = heldBy(leave, () =>
    deps.limits.admit(apiKey, {
      tokens: tokens.inputTokens + (clientRequest.maxOutputTokens ?? 0),
      nowMs: admittedAtMs,
    }),
  );
  try {
    const facts = { surface, client: clientRequest, parsedBody, bodyBytes: body.length };
    const hold = await deps.budgets.hold(budgetedRequest(header, facts));
    return { release, hold, routing, tokens, header: { ...header, holds: hold.holds } };
  } catch (error) {
    release();
    throw error;
  }
};
