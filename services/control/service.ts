import { randomFillSync } from 'node:crypto';
import type { FastifyInstance } from 'fastify';
import type { FleetState } from '#domain/fleet-state';
import type { IdMint } from '#domain/mint-id';
import type { Clock, ConfigurationChanges, Vault } from '#domain/ports';
import { createUpstreamClient } from '#http/upstream-client';
import type { DeadLetterStore } from '#nats/dead-letter-store';
import { createApiKeyStore } from '#postgres/api-keys';
import { createBudgetStore } from '#postgres/budgets';
import type { Database } from '#postgres/database';
import { listQuarantined } from '#postgres/event-quarantine';
import { createNegotiatedRateStore } from '#postgres/negotiated-rates';
import { createModelListStore } from '#postgres/model-lists';
import { listPrices } from '#postgres/price-book';
import { createPriceProposals } from '#postgres/price-proposals';
import { createProviderCredentials } from '#postgres/provider-credentials';
import { createProviderKeyStore } from '#postgres/provider-keys';
import { loadRequestUsage } from '#postgres/request-usage';
import { createRepricings } from '#postgres/repricing';
import { createRollupVerifier } from '#postgres/rollup-verifier';
import { createRouteStore } from '#postgres/routes';
import { listStreamGaps } from '#postgres/stream-gaps';
import { createTenantDirectory } from '#postgres/tenant-directory';
import { inOpenScope } from '#postgres/tenant-scope';
import { createTenantStore } from '#postgres/tenants';
import { queryTierSavings } from '#postgres/tier-savings';
import { listUnpricedUsage } from '#postgres/unpriced-usage';
import { explainStoreError } from '#postgres/unreachable';
import { createWebhookDeliveries } from '#postgres/webhook-deliveries';
import { createWebhookEndpointStore } from '#postgres/webhook-endpoints';
import { exportAttempts, exportCharges } from '#postgres/usage-export';
import { readLivePiece } from '#postgres/usage-live';
import { queryPerformance } from '#postgres/usage-performance';
import { queryUsage, readLedgerClock } from '#postgres/usage-query';
import { createEnsureWebhook } from '#runtime/ensure-webhook';
import { createAuthorize } from './authorization.ts';
import type { ModelLists } from './model-lists.ts';
import { registerApiKeyRoutes } from './routes/api-keys.ts';
import { registerBudgetRoutes } from './routes/budgets.ts';
import { registerDeadLetterRoutes } from './routes/dead-letters.ts';
import { registerLedgerRoutes } from './routes/ledger.ts';
import { registerNegotiatedRateRoutes } from './routes/negotiated-rates.ts';
import { registerPriceProposalRoutes } from './routes/price-proposals.ts';
import { registerPriceRoutes } from './routes/prices.ts';
import { registerProviderKeyRoutes } from './routes/provider-keys.ts';
import { registerRouteRoutes } from './routes/routes.ts';
import { registerTenantRoutes } from './routes/tenants.ts';
import { registerUsageExportRoute } from './routes/usage-export.ts';
import { registerUsageLiveRoute } from './routes/usage-live.ts';
import { registerUsageRoutes } from './routes/usage.ts';
import { registerWebhookRoutes } from './routes/webhooks.ts';

export type ControlPlaneDeps = {
  database: Database;
  vault: Vault;
  configurationChanges: ConfigurationChanges;
  deadLetters: DeadLetterStore;
  adminKey: string;
  allowPrivateUpstreams: boolean;
  clock: Clock;
  mint: IdMint;
  modelLists: Pick<ModelLists, 'refresh'>;
  keyHealth: Pick<FleetState, 'keyHealth' | 'replaceKeyHealth'>;
};

const STORE_AWAY = 'The store cannot be reached now. Try again shortly.';

const registerRoutes = (app: FastifyInstance, deps: ControlPlaneDeps): void => {
  const { database, vault, configurationChanges, clock, mint, allowPrivateUpstreams } = deps;
  const tenants = createTenantStore(database);
  const authorize = createAuthorize({
    adminKey: deps.adminKey,
    directory: createTenantDirectory(database),
    tenantExists: async (id) => (await tenants.find(id)) !== null,
    clock,
  });
  const providerKeys = createProviderKeyStore(database);
  const upstream = createUpstreamClient({ allowPrivate: allowPrivateUpstreams });
  app.addHook('onClose', () => upstream.close());

  registerTenantRoutes(app, { authorize, tenants, vault, mint, configurationChanges });
  registerProviderKeyRoutes(app, {
    authorize,
    tenants,
    providerKeys,
    credentials: createProviderCredentials(database, vault),
    modelLists: deps.modelLists,
    keyHealth: deps.keyHealth,
    forgetModels: createModelListStore(database).remove,
    vault,
    upstream,
    allowPrivateUpstreams,
    mint,
    configurationChanges,
  });
  registerApiKeyRoutes(app, {
    authorize,
    apiKeys: createApiKeyStore(database),
    mint,
    fillRandom: (bytes) => randomFillSync(bytes),
    configurationChanges,
  });
  registerRouteRoutes(app, {
    authorize,
    routes: createRouteStore(database),
    providerKeys,
    configurationChanges,
  });
  registerDeadLetterRoutes(app, { authorize, deadLetters: deps.deadLetters });
  const endpoints = createWebhookEndpointStore(database, vault);
  const ensureWebhook = createEnsureWebhook({ endpoints, allowPrivateUpstreams, mint });
  const deliveries = createWebhookDeliveries(database);
  registerWebhookRoutes(app, { authorize, endpoints, deliveries, ensureWebhook });
  registerBudgetRoutes(app, {
    ensureWebhook,
    authorize,
    budgets: createBudgetStore(database),
    clock,
    mint,
    configurationChanges,
  });
  registerUsageRoutes(app, {
    authorize,
    usage: {
      query: (selection) => queryUsage(database, selection),
      queryPerformance: (selection) => queryPerformance(database, selection),
      queryTierSavings: (selection) => queryTierSavings(database, selection),
      readClock: (asOf) => readLedgerClock(database, asOf),
      loadRequest: (requestId, tenantId) => loadRequestUsage(database, requestId, tenantId),
    },
  });
  registerUsageLiveRoute(app, {
    authorize,
    clock,
    readPiece: (asked) => readLivePiece(database, asked),
  });
  registerUsageExportRoute(app, {
    authorize,
    usage: {
      readClock: (asOf) => readLedgerClock(database, asOf),
      exportAttempts: (scope) => exportAttempts(database, scope),
      exportCharges: (scope) => exportCharges(database, scope),
    },
  });
  registerPriceRoutes(app, { authorize, clock, prices: { list: (query) => listPrices(database, query) } });
  registerNegotiatedRateRoutes(app, {
    authorize,
    mint,
    rates: createNegotiatedRateStore(database),
    providerKeys,
  });
  registerLedgerRoutes(app, {
    authorize,
    mint,
    repricings: createRepricings(database),
    verifier: createRollupVerifier(database),
    listGaps: () => listStreamGaps(database),
    listQuarantined: (page) => listQuarantined(database, page),
  });
  registerPriceProposalRoutes(app, {
    authorize,
    clock,
    proposals: createPriceProposals(database),
    listUnpriced: (tenantId) => listUnpricedUsage(database, tenantId),
  });
};

/** Everything under `/api/v1`. */
export const registerControlPlane = (app: FastifyInstance, deps: ControlPlaneDeps): void => {
  app.register((scope, _options, done) => {
    // After the body was read: what runs from there on runs in the request's scope.
    scope.addHook('preHandler', (_request, _reply, next) => inOpenScope(next));
    // What is thrown here goes on to the server's own handler.
    scope.setErrorHandler((error) => {
      throw explainStoreError(error, STORE_AWAY) ?? error;
    });
    registerRoutes(scope, deps);
    done();
  });
};
