import type { FastifyInstance, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { tenantId } from '#contracts/ids';
import { PROVIDER_IDS } from '#contracts/vocabulary';
import { FloError } from '#domain/errors';
import type { IdMint } from '#domain/mint-id';
import type { KeptEvent, QuarantinePosition } from '#postgres/event-quarantine';
import type { Repricing, Repricings } from '#postgres/repricing';
import { VERIFIED_HOURS_MAX, type RollupVerifier } from '#postgres/rollup-verifier';
import type { StreamGap } from '#postgres/stream-gaps';
import { requireRoot } from '../authorization.ts';
import { decodeCursor, encodeCursor, invalidInput } from './list-input.ts';
import { readBody } from './page.ts';
import type { Authorize } from './usage-authorization.ts';

export type LedgerRouteDependencies = {
  authorize: Authorize;
  mint: IdMint;
  repricings: Repricings;
  verifier: RollupVerifier;
  listGaps: () => Promise<StreamGap[]>;
  listQuarantined: (page: {
    limit: number;
    after: QuarantinePosition | null;
  }) => Promise<(KeptEvent & { position: QuarantinePosition })[]>;
};

const PAGE_DEFAULT = 50;
const PAGE_MAX = 200;
const HOUR_MS = 3_600_000;

const instant = z.iso.datetime({ offset: true, error: 'must be an RFC 3339 time like 2027-01-31T00:00:00Z' });
const text = z
  .string()
  .min(1)
  .max(256)
  .refine((value) => !value.includes('\0') && value.isWellFormed(), 'must be text without NUL');
const range = { from: instant, to: instant };
const isRange = ({ from, to }: { from: string; to: string }) => Date.parse(from) < Date.parse(to);
const RANGE_ERROR = { path: ['to'], error: 'must be later than from' };

const repriceBody = z
  .strictObject({
    ...range,
    tenant: tenantId.optional(),
    provider: z.enum(PROVIDER_IDS).optional(),
    /** The model as it was asked of the provider. */
    model: text.optional(),
    only: z.enum(['all', 'unpriced']).default('all'),
    reason: text,
  })
  .refine(isRange, RANGE_ERROR);

const verifyBody = z
  .strictObject({ ...range, repair: z.boolean().default(false) })
  .refine(isRange, RANGE_ERROR)
  .refine(({ from, to }) => Date.parse(to) - Date.parse(from) <= VERIFIED_HOURS_MAX * HOUR_MS, {
    path: ['to'],
    error: `must be at most ${VERIFIED_HOURS_MAX} hours after from`,
  });

const quarantineQuery = z.strictObject({
  limit: z.coerce.number().int().min(1).max(PAGE_MAX).default(PAGE_DEFAULT),
  cursor: z.string().max(1_024).optional(),
});
const position = z.strictObject({
  receivedAt: z.string().regex(/^[-+:. 0-9]{10,40}$/),
  streamSequence: z.string().regex(/^\d{1,19}$/),
  payloadHash: z.string().max(64),
}) satisfies z.ZodType<QuarantinePosition>;

const encodeRepricing = (job: Repricing) => ({
  id: job.id,
  object: 'repricing',
  status: job.finishedAt === null ? 'in_progress' : 'completed',
  tenant: job.tenantId,
  provider: job.provider,
  model: job.model,
  only: job.onlyUnpriced ? 'unpriced' : 'all',
  from: job.from.toISOString(),
  to: job.to.toISOString(),
  reason: job.reason,
  examined: job.examined,
  changed: job.changed,
  created_at: job.createdAt.toISOString(),
  finished_at: job.finishedAt?.toISOString() ?? null,
});

/** `/api/v1/ledger`: what the operator may see and do of the ledger itself. */
export const registerLedgerRoutes = (app: FastifyInstance, dependencies: LedgerRouteDependencies): void => {
  const { authorize, mint, repricings, verifier, listGaps, listQuarantined } = dependencies;
  const path = '/api/v1/ledger';

  app.post(`${path}/reprice`, async (request, reply) => {
    await requireRoot(authorize, request);
    const body = readBody(repriceBody, request);
    const job = await repricings.insert({
      id: mint.mint('repr'),
      tenantId: body.tenant ?? null,
      provider: body.provider ?? null,
      model: body.model ?? null,
      onlyUnpriced: body.only === 'unpriced',
      from: new Date(body.from),
      to: new Date(body.to),
      reason: body.reason,
    });
    return reply.code(202).send(encodeRepricing(job));
  });

  app.get(`${path}/reprice/:id`, async (request: FastifyRequest) => {
    await requireRoot(authorize, request);
    const { id } = request.params as { id: string };
    const job = await repricings.find(id.slice(0, 64));
    if (job === null) throw new FloError('route_not_found', `There is no re-pricing ${id.slice(0, 64)}.`);
    return encodeRepricing(job);
  });

  app.post(`${path}/verify`, async (request) => {
    await requireRoot(authorize, request);
    const { from, to, repair } = readBody(verifyBody, request);
    const found = await verifier.verifyRange({ from: new Date(from), to: new Date(to), repair });
    const isEqual = found.mismatches.length === 0 && found.unequalDays.length === 0;
    return {
      hours: found.hours,
      equal: isEqual,
      repaired: repair && !isEqual,
      mismatches: found.mismatches.map(({ tenantId: tenant, hour, differences }) => ({
        tenant,
        hour: hour.toISOString(),
        /** By measure: what the sums said, and what the events say. */
        differences,
      })),
      unequal_days: found.unequalDays,
    };
  });

  app.get(`${path}/gaps`, async (request) => {
    await requireRoot(authorize, request);
    const gaps = await listGaps();
    return {
      data: gaps.map((gap) => ({
        stream: gap.stream,
        first_sequence: String(gap.first),
        last_sequence: String(gap.last),
        noticed_at: gap.noticedAt.toISOString(),
      })),
      has_more: false,
      next_cursor: null,
    };
  });

  app.get(`${path}/quarantine`, async (request) => {
    await requireRoot(authorize, request);
    const parsed = quarantineQuery.safeParse(request.query);
    if (!parsed.success) throw invalidInput(parsed.error);
    const { limit, cursor } = parsed.data;
    const after = cursor === undefined ? null : decodeCursor(position, cursor);
    const rows = await listQuarantined({ limit: limit + 1, after });
    const page = rows.slice(0, limit);
    const last = page.at(-1);
    return {
      data: page.map((row) => ({
        attempt_id: row.attemptId,
        reason: row.reason,
        stream_sequence: String(row.streamSequence),
        payload_hash: row.payloadHash,
        payload: row.payload,
        received_at: row.receivedAt.toISOString(),
      })),
      has_more: rows.length > limit,
      next_cursor: rows.length > limit && last !== undefined ? encodeCursor(last.position) : null,
    };
  });
};
