import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { workItemId, type TenantId, type WorkItemId } from '#contracts/ids';
import {
  jobBody,
  jobListQuery,
  jobQuery,
  WORK_DEADLINE_SECONDS_DEFAULT,
  WORK_DEADLINE_SECONDS_MAX,
  type JobBody,
} from '#contracts/job';
import type { WebhookTarget } from '#contracts/webhook';
import type { ApiKey } from '#domain/api-key';
import { readAttribution } from '#domain/attribution';
import { encodeWireError, FloError } from '#domain/errors';
import { planRequest } from '#domain/route-plan';
import { isTerminal, workItemIdOf } from '#domain/work-item';
import type { PayloadSeal } from '#domain/work-ports';
import type { WorkSignals } from '#nats/work-signals';
import type { JobStore, StoredJob } from '#postgres/jobs';
import { faultPoint } from '#runtime/fault-point';
import { readWork } from '#runtime/work-acceptance';
import { surfaceOf } from '#surfaces/registry';
import { readWorkEndpoint } from '#surfaces/work-endpoint';
import { authenticate, pickHeaders, readDropParams, unavailable, type AdmissionDeps } from './admission.ts';
import { encodeJob } from './job-encoding.ts';
import { readInput } from './read-input.ts';
import { requestIdOf } from './routes.ts';

export type JobRouteDeps = {
  admission: Pick<AdmissionDeps, 'directory' | 'clock' | 'isListed' | 'random'>;
  jobs: JobStore;
  seal: PayloadSeal;
  signals: WorkSignals;
  /** Rejects with `FloError` for an address that may not be called. */
  ensureWebhook: (tenantId: TenantId, target: WebhookTarget) => Promise<{ id: string }>;
  bodyLimitBytes: number;
  /** How long an answer is kept where the job does not say it. */
  resultSeconds: number;
};

const IDEMPOTENCY_KEY_LENGTH_MAX = 255;

const readIdempotencyKey = (request: FastifyRequest): string | null => {
  const key = request.headers['idempotency-key'];
  if (key === undefined) return null;
  if (typeof key === 'string' && key !== '' && key.length <= IDEMPOTENCY_KEY_LENGTH_MAX) return key;
  throw new FloError(
    'invalid_request',
    `Idempotency-Key must have 1 to ${IDEMPOTENCY_KEY_LENGTH_MAX} characters.`,
    { param: 'idempotency-key' },
  );
};

const readDeadline = (body: JobBody, nowMs: number): number => {
  if (body.deadline === undefined) return nowMs + WORK_DEADLINE_SECONDS_DEFAULT * 1_000;
  const deadlineAtMs = Date.parse(body.deadline);
  if (deadlineAtMs > nowMs && deadlineAtMs <= nowMs + WORK_DEADLINE_SECONDS_MAX * 1_000) return deadlineAtMs;
  throw new FloError(
    'invalid_request',
    `deadline: must be a time from now to ${WORK_DEADLINE_SECONDS_MAX / 86_400} days from now.`,
    { param: 'deadline' },
  );
};

/** Names a field of the job's body as the job's caller wrote it. */
const within = (field: string, error: unknown): unknown =>
  error instanceof FloError && error.blame === 'client'
    ? new FloError(error.code, error.message, {
        param: error.param === undefined ? field : `${field}.${error.param}`,
        cause: error,
      })
    : error;

/** `/v1/jobs`: any data-plane request, taken on to be answered later. */
export const registerJobRoutes = (app: FastifyInstance, deps: JobRouteDeps): void => {
  const { admission, jobs, seal, signals } = deps;

  const accept = async (request: FastifyRequest, apiKey: ApiKey) => {
    const body = readInput(jobBody, request.body);
    const id = workItemIdOf(requestIdOf(request));
    const { tenantId } = apiKey;
    const createdAtMs = admission.clock.nowMs();
    const { surface, path } = readWorkEndpoint(body.endpoint);
    const routing = await admission.directory.loadRouting(tenantId).catch((error: unknown) => {
      throw unavailable(error);
    });
    let work: ReturnType<typeof readWork>;
    try {
      work = readWork(surface, path, body.body);
      const { isListed, random } = admission;
      planRequest({ model: work.client.model, routing, apiKey, isListed, random });
    } catch (error) {
      throw within('body', error);
    }
    const { endUser, metadata } = work.client;
    const attribution = readAttribution({ headers: request.headers, endUser, metadata }, apiKey);
    const endpoint = body.webhook === undefined ? null : await deps.ensureWebhook(tenantId, body.webhook);
    return jobs.insert({
      item: {
        id,
        tenantId,
        apiKeyId: apiKey.id,
        lane: 'async',
        requestedModel: work.client.model,
        surface,
        line: null,
        estimatedInputTokens: work.estimatedInputTokens,
        estimatedOutputTokens: work.estimatedOutputTokens,
        createdAtMs,
        deadlineAtMs: readDeadline(body, createdAtMs),
        onUnknown: body.on_unknown,
        options: work.optionsFor(attribution, {
          forwardedHeaders: pickHeaders(request.headers, surfaceOf(surface).forwardedHeaders),
          dropInexpressible: readDropParams(request.headers),
        }),
        body: await seal.seal({ tenantId, kind: 'work request', id, part: 0 }, work.body),
      },
      metadata: body.metadata,
      idempotencyKey: readIdempotencyKey(request),
      requestHash: createHash('sha256').update(JSON.stringify(request.body)).digest(),
      webhookEndpointId: endpoint?.id ?? null,
      resultSeconds: body.result_ttl ?? deps.resultSeconds,
    });
  };

  const requireJob = async (apiKey: ApiKey, request: FastifyRequest): Promise<StoredJob> => {
    const id = workItemId.safeParse((request.params as { id: string }).id);
    const job = id.success ? await jobs.find(apiKey.tenantId, id.data) : null;
    if (job === null) throw new FloError('route_not_found', 'There is no such job.');
    return job;
  };

  const withAnswer = async (tenantId: TenantId, job: StoredJob) => {
    const sealed = job.state === 'completed' ? await jobs.answer(job.id) : null;
    if (sealed === null) return encodeJob(job, null);
    const bytes = await seal.open({ tenantId, kind: 'work answer', id: job.id, part: 0 }, sealed);
    return encodeJob(job, JSON.parse(bytes.toString('utf8')));
  };

  /** The job, as soon as it has ended, or after the wait. */
  const awaitEnd = async (apiKey: ApiKey, id: WorkItemId, waitMs: number): Promise<StoredJob | null> => {
    const { ended, close } = signals.waitForEnd(id);
    const waited = new AbortController();
    try {
      // Looked at again once the subscription stands: it may have ended just before.
      const job = await jobs.find(apiKey.tenantId, id);
      if (job === null || isTerminal(job.state)) return job;
      await Promise.race([ended, sleep(waitMs, undefined, { signal: waited.signal }).catch(() => undefined)]);
      return await jobs.find(apiKey.tenantId, id);
    } finally {
      waited.abort();
      close();
    }
  };

  app.post('/v1/jobs', { bodyLimit: deps.bodyLimitBytes }, async (request, reply) => {
    const apiKey = await authenticate(admission, request.headers);
    faultPoint('jobs.accepting');
    const { job, isNew } = await accept(request, apiKey);
    faultPoint('jobs.accepted');
    if (isNew) signals.accepted();
    else {
      const hash = createHash('sha256').update(JSON.stringify(request.body)).digest();
      if (!hash.equals(job.requestHash)) {
        throw new FloError(
          'idempotency_mismatch',
          'This Idempotency-Key was used for another request. Use a new key for a new request.',
          { param: 'idempotency-key' },
        );
      }
    }
    return reply.code(202).send(encodeJob(job, null));
  });

  app.get('/v1/jobs', async (request) => {
    const apiKey = await authenticate(admission, request.headers);
    const { limit, cursor, status } = readInput(jobListQuery, request.query);
    const before =
      cursor === undefined ? null : readInput(z.object({ cursor: workItemId }), { cursor }).cursor;
    const rows = await jobs.list(apiKey.tenantId, {
      limit: limit + 1,
      beforeId: before,
      state: status ?? null,
    });
    const page = rows.slice(0, limit);
    const hasMore = rows.length > limit;
    return {
      object: 'list',
      data: page.map((job) => encodeJob(job, null)),
      has_more: hasMore,
      next_cursor: hasMore ? (page.at(-1)?.id ?? null) : null,
    };
  });

  app.get('/v1/jobs/:id', async (request) => {
    const apiKey = await authenticate(admission, request.headers);
    const { wait } = readInput(jobQuery, request.query);
    const found = await requireJob(apiKey, request);
    const job =
      wait === 0 || isTerminal(found.state)
        ? found
        : ((await awaitEnd(apiKey, found.id, wait * 1_000)) ?? found);
    const encoded = await withAnswer(apiKey.tenantId, job);
    // What is not to be kept is gone once it was handed out.
    if (job.resultSeconds === 0 && isTerminal(job.state) && job.forgottenAt === null)
      await jobs.forget(job.id);
    return encoded;
  });

  app.post('/v1/jobs/:id/cancel', async (request) => {
    const apiKey = await authenticate(admission, request.headers);
    const { id } = await requireJob(apiKey, request);
    const cancelled = encodeWireError(new FloError('cancelled', 'The job was cancelled.'));
    for (const ended of await jobs.cancel(apiKey.tenantId, id, cancelled)) signals.ended(ended.id);
    return encodeJob(await requireJob(apiKey, request), null);
  });
};
