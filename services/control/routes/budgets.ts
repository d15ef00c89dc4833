import type { FastifyInstance, FastifyRequest } from 'fastify';
import { BUDGETS_MAX, budgetBody, budgetPatch } from '#contracts/budget';
import { budgetId as budgetIdSchema, type BudgetId } from '#contracts/ids';
import { alertsReached } from '#domain/budget-alert';
import { budgetWindowAt } from '#domain/budget-window';
import { FloError } from '#domain/errors';
import type { IdMint } from '#domain/mint-id';
import { decodeUsd, encodeUsd } from '#domain/money';
import type { Clock, ConfigurationChanges } from '#domain/ports';
import type { BudgetStore, StoredBudget, WindowStanding } from '#postgres/budgets';
import type { EnsuredWebhookEndpoint } from '#postgres/webhook-endpoints';
import type { EnsureWebhook } from '#runtime/ensure-webhook';
import { requireTenant } from '../authorization.ts';
import { encodePage, readBody, readPage } from './page.ts';
import type { Authorize } from './usage-authorization.ts';

export type BudgetRouteDependencies = {
  authorize: Authorize;
  budgets: BudgetStore;
  clock: Clock;
  mint: IdMint;
  configurationChanges: ConfigurationChanges;
  ensureWebhook: EnsureWebhook;
};

/** Shown this once, where flo2 has made it. */
const newSecret = (webhook: EnsuredWebhookEndpoint | null) =>
  webhook === null || webhook.secret === null ? {} : { webhook_secret: webhook.secret };

const missing = (): FloError => new FloError('route_not_found', 'There is no such budget.');

const readBudgetId = (request: FastifyRequest): BudgetId => {
  const parsed = budgetIdSchema.safeParse((request.params as { budget: string }).budget);
  if (!parsed.success) throw missing();
  return parsed.data;
};

const encodeBudget = (budget: StoredBudget, standing: WindowStanding, nowMs: number) => {
  const window = budgetWindowAt(budget, nowMs);
  const usedPicoUsd = standing.spentPicoUsd + standing.uncertainPicoUsd;
  const remaining = budget.limitPicoUsd - usedPicoUsd - standing.leasedPicoUsd;
  return {
    id: budget.id,
    scope: budget.scope,
    period: budget.period,
    time_zone: budget.timeZone,
    limit: encodeUsd(budget.limitPicoUsd),
    mode: budget.mode,
    alerts: budget.alerts,
    on_unpriced: budget.onUnpriced,
    assumed_output_tokens: budget.assumedOutputTokens,
    webhook_endpoint: budget.webhookEndpointId,
    window_start: budget.period === 'total' ? null : new Date(window.startMs).toISOString(),
    resets_at: window.endMs === null ? null : new Date(window.endMs).toISOString(),
    /** What recorded attempts have cost. */
    spent: encodeUsd(standing.spentPicoUsd),
    /** The worst case of recorded attempts whose cost nobody knows; it counts as used. */
    uncertain: encodeUsd(standing.uncertainPicoUsd),
    /** The worst case of what is under way, and what processes hold ready for the next requests. */
    held: encodeUsd(standing.leasedPicoUsd),
    remaining: encodeUsd(remaining > 0n ? remaining : 0n),
    alerts_reached: alertsReached(budget.alerts, {
      usedPicoUsd,
      limitPicoUsd: budget.limitPicoUsd,
      alertedPercent: 0,
    }),
    created_at: budget.createdAt.toISOString(),
    updated_at: budget.updatedAt.toISOString(),
  };
};

/** `/api/v1/tenants/{t}/budgets`. */
export const registerBudgetRoutes = (app: FastifyInstance, deps: BudgetRouteDependencies): void => {
  const { authorize, budgets, clock, mint, configurationChanges, ensureWebhook } = deps;
  const path = '/api/v1/tenants/:tenant/budgets';

  const encodeAll = async (rows: readonly StoredBudget[]) => {
    const [first] = rows;
    if (first === undefined) return [];
    const nowMs = clock.nowMs();
    const windows = rows.map((budget) => ({
      budgetId: budget.id,
      windowStartMs: budgetWindowAt(budget, nowMs).startMs,
    }));
    const standings = await budgets.standings(first.tenantId, windows);
    return rows.flatMap((budget, index) => {
      const standing = standings[index];
      return standing === undefined ? [] : [encodeBudget(budget, standing, nowMs)];
    });
  };
  const encodeOne = async (budget: StoredBudget | null) => {
    if (budget === null) throw missing();
    const [encoded] = await encodeAll([budget]);
    return encoded;
  };

  app.post(path, async (request, reply) => {
    const tenantId = await requireTenant(authorize, request);
    const body = readBody(budgetBody, request);
    if ((await budgets.count(tenantId)) >= BUDGETS_MAX) {
      throw new FloError('conflict', `A tenant has at most ${BUDGETS_MAX} budgets: delete one.`);
    }
    const calendar = { period: body.period, timeZone: body.time_zone };
    const webhook = body.webhook === null ? null : await ensureWebhook(tenantId, body.webhook);
    const created = await budgets.insert(
      {
        ...calendar,
        id: mint.mint('bud'),
        tenantId,
        scope: body.scope,
        limitPicoUsd: decodeUsd(body.limit),
        mode: body.mode,
        alerts: body.alerts,
        onUnpriced: body.on_unpriced,
        assumedOutputTokens: body.assumed_output_tokens,
        webhookEndpointId: webhook?.id ?? null,
      },
      budgetWindowAt(calendar, clock.nowMs()),
    );
    configurationChanges.announce({ tenantId });
    return reply.code(201).send({ ...(await encodeOne(created)), ...newSecret(webhook) });
  });

  app.get(path, async (request) => {
    const tenantId = await requireTenant(authorize, request);
    const { limit, after } = readPage(request);
    const rows = await budgets.list(tenantId, { limit: limit + 1, afterId: after });
    const encoded = await encodeAll(rows);
    return encodePage(
      encoded,
      limit,
      (row) => row,
      (row) => row.id,
    );
  });

  app.get(`${path}/:budget`, async (request) => {
    const tenantId = await requireTenant(authorize, request);
    return encodeOne(await budgets.find(tenantId, readBudgetId(request)));
  });

  app.patch(`${path}/:budget`, async (request) => {
    const tenantId = await requireTenant(authorize, request);
    const id = readBudgetId(request);
    const body = readBody(budgetPatch, request);
    const webhook =
      body.webhook === undefined || body.webhook === null
        ? null
        : await ensureWebhook(tenantId, body.webhook);
    const changed = await budgets.update(tenantId, id, {
      mode: body.mode,
      alerts: body.alerts,
      limitPicoUsd: body.limit === undefined ? undefined : decodeUsd(body.limit),
      onUnpriced: body.on_unpriced,
      assumedOutputTokens: body.assumed_output_tokens,
      webhookEndpointId: body.webhook === undefined ? undefined : (webhook?.id ?? null),
    });
    configurationChanges.announce({ tenantId });
    return { ...(await encodeOne(changed)), ...newSecret(webhook) };
  });

  app.delete(`${path}/:budget`, async (request, reply) => {
    const tenantId = await requireTenant(authorize, request);
    if (!(await budgets.delete(tenantId, readBudgetId(request)))) throw missing();
    configurationChanges.announce({ tenantId });
    return reply.code(204).send();
  });
};
