import type { FastifyInstance, FastifyRequest } from 'fastify';
import { batchBody, batchListQuery, OUTPUT_SECONDS_DEFAULT, windowSeconds } from '#contracts/batch';
import { fileId, type TenantId } from '#contracts/ids';
import { readAttribution } from '#domain/attribution';
import { sumOf, type LineCounts } from '#domain/batch';
import { encodeWireError, FloError } from '#domain/errors';
import { readBatchMode } from '#domain/native-batch-choice';
import type { IdMint } from '#domain/mint-id';
import type { WorkSignals } from '#nats/work-signals';
import type { StoredBatch } from '#postgres/batch-rows';
import type { BatchStore } from '#postgres/batches';
import type { FileStore } from '#postgres/files';
import { surfaceOf } from '#surfaces/registry';
import { readWorkEndpoint } from '#surfaces/work-endpoint';
import { authenticate, pickHeaders, readDropParams, type AdmissionDeps } from './admission.ts';
import { readInput } from './read-input.ts';

export type BatchRouteDeps = {
  admission: Pick<AdmissionDeps, 'directory' | 'clock'>;
  batches: BatchStore;
  files: FileStore;
  signals: WorkSignals;
  mint: IdMint;
};

/** What ends the lines of a batch that nobody works on when it is cancelled. */
export const LINE_CANCELLED = encodeWireError(new FloError('cancelled', 'The batch was cancelled.'));

const seconds = (instant: Date | null): number | null =>
  instant === null ? null : Math.floor(instant.getTime() / 1_000);

/** `counts`: of its lines, now. */
const encodeBatch = (batch: StoredBatch, counts: LineCounts) => {
  const endedAs = (status: StoredBatch['status']): number | null =>
    batch.status === status ? seconds(batch.endedAt) : null;
  return {
    id: batch.id,
    object: 'batch',
    endpoint: batch.endpoint,
    errors: batch.errors === null ? null : { object: 'list', data: batch.errors },
    input_file_id: batch.inputFileId,
    completion_window: batch.completionWindow,
    status: batch.status,
    output_file_id: batch.outputFileId,
    error_file_id: batch.errorFileId,
    created_at: seconds(batch.createdAt),
    in_progress_at: seconds(batch.inProgressAt),
    expires_at: seconds(batch.deadlineAt),
    finalizing_at: seconds(batch.finalizingAt),
    completed_at: endedAs('completed'),
    failed_at: endedAs('failed'),
    expired_at: endedAs('expired'),
    cancelling_at: seconds(batch.cancellingAt),
    cancelled_at: endedAs('cancelled'),
    request_counts: {
      total: batch.lines,
      completed: sumOf(counts, 'completed'),
      failed: sumOf(counts, 'failed', 'outcome_unknown', 'expired'),
    },
    metadata: batch.metadata,
    /** flo2's own: how many lines are being worked on, and why the others wait. */
    in_progress_count: sumOf(counts, 'in_progress'),
    waiting_on: batch.waitingOn ?? null,
  };
};

/** `/v1/batches` in OpenAI's dialect. */
export const registerBatchRoutes = (app: FastifyInstance, deps: BatchRouteDeps): void => {
  const { admission, batches, files, signals, mint } = deps;

  const requireBatch = async (tenantId: TenantId, request: FastifyRequest): Promise<StoredBatch> => {
    const batch = await batches.find(tenantId, 'openai', (request.params as { id: string }).id);
    if (batch === null)
      throw new FloError('route_not_found', 'No batch found with this id.', { param: 'id' });
    return batch;
  };
  const show = async (batch: StoredBatch) =>
    encodeBatch(batch, batch.lines === 0 ? {} : await batches.countLines(batch.id));

  app.post('/v1/batches', async (request) => {
    const apiKey = await authenticate(admission, request.headers, 'batch');
    const { tenantId } = apiKey;
    const body = readInput(batchBody, request.body);
    const input = fileId.safeParse(body.input_file_id);
    const file = input.success ? await files.find(tenantId, input.data) : null;
    if (file === null || file.batchId !== null || file.purpose !== 'batch') {
      const message = 'input_file_id: there is no such file with the purpose "batch".';
      throw new FloError('invalid_request', message, { param: 'input_file_id' });
    }
    const createdAtMs = admission.clock.nowMs();
    const surface = surfaceOf(readWorkEndpoint(body.endpoint).surface);
    const batch = await batches.insert({
      id: mint.mint('batch'),
      tenantId,
      apiKeyId: apiKey.id,
      dialect: 'openai',
      endpoint: body.endpoint,
      completionWindow: body.completion_window,
      inputFileId: file.id,
      metadata: body.metadata ?? null,
      options: {
        attribution: readAttribution({ headers: request.headers, endUser: null, metadata: {} }, apiKey),
        models: apiKey.models === null ? null : [...apiKey.models],
        forwardedHeaders: pickHeaders(request.headers, surface.forwardedHeaders),
        dropInexpressible: readDropParams(request.headers),
        mode: readBatchMode(request.headers, body.metadata ?? null),
      },
      outputSeconds: body.output_expires_after?.seconds ?? OUTPUT_SECONDS_DEFAULT,
      createdAt: new Date(createdAtMs),
      deadlineAt: new Date(createdAtMs + windowSeconds(body.completion_window) * 1_000),
    });
    signals.accepted();
    return encodeBatch(batch, {});
  });

  app.get('/v1/batches', async (request) => {
    const { tenantId } = await authenticate(admission, request.headers, 'batch');
    const { after, limit } = readInput(batchListQuery, request.query);
    const rows = await batches.list(tenantId, 'openai', { beforeId: after ?? null, limit: limit + 1 });
    const page = rows.slice(0, limit);
    return {
      object: 'list',
      data: await Promise.all(page.map(show)),
      first_id: page[0]?.id ?? null,
      last_id: page.at(-1)?.id ?? null,
      has_more: rows.length > limit,
    };
  });

  app.get('/v1/batches/:id', async (request) => {
    const { tenantId } = await authenticate(admission, request.headers, 'batch');
    return show(await requireBatch(tenantId, request));
  });

  app.post('/v1/batches/:id/cancel', async (request) => {
    const { tenantId } = await authenticate(admission, request.headers, 'batch');
    const batch = await requireBatch(tenantId, request);
    const cancelled = await batches.cancel(tenantId, 'openai', batch.id, LINE_CANCELLED);
    if (!cancelled && batch.status !== 'cancelling' && batch.status !== 'cancelled') {
      const message = `A batch with the status "${batch.status}" cannot be cancelled.`;
      throw new FloError('conflict', message);
    }
    signals.accepted();
    return show(await requireBatch(tenantId, request));
  });
};
