import { Readable } from 'node:stream';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { messageBatchBody, messageBatchListQuery, OUTPUT_SECONDS_DEFAULT } from '#contracts/batch';
import type { TenantId } from '#contracts/ids';
import { readAttribution } from '#domain/attribution';
import { BatchLineReader, sumOf, type LineCounts } from '#domain/batch';
import { FloError } from '#domain/errors';
import type { IdMint } from '#domain/mint-id';
import { readBatchMode } from '#domain/native-batch-choice';
import { planRequest } from '#domain/route-plan';
import type { PayloadSeal } from '#domain/work-ports';
import type { WorkSignals } from '#nats/work-signals';
import type { StoredBatch } from '#postgres/batch-rows';
import type { BatchStore } from '#postgres/batches';
import type { FileStore } from '#postgres/files';
import { encodeAnthropicLine, readEndedLines } from '#runtime/batch-file';
import { readWork } from '#runtime/work-acceptance';
import { surfaceOf } from '#surfaces/registry';
import { authenticate, pickHeaders, readDropParams, unavailable, type AdmissionDeps } from './admission.ts';
import { LINE_CANCELLED } from './batches.ts';
import { readInput } from './read-input.ts';

export type MessageBatchRouteDeps = {
  admission: Pick<AdmissionDeps, 'directory' | 'clock' | 'isListed' | 'random'>;
  batches: BatchStore;
  files: FileStore;
  seal: PayloadSeal;
  signals: WorkSignals;
  mint: IdMint;
};

const ENDPOINT = '/v1/messages';
const SURFACE = 'anthropic-messages';
/** All requests come in one body; longer batches go by a file. */
const BODY_BYTES_MAX = 64 * 1024 * 1024;
const WINDOW_MS = 86_400_000;

const processingStatus = (batch: StoredBatch): 'in_progress' | 'canceling' | 'ended' => {
  if (batch.endedAt !== null) return 'ended';
  return batch.cancellingAt === null ? 'in_progress' : 'canceling';
};

const encodeBatch = (batch: StoredBatch, counts: LineCounts, origin: string) => {
  const ended = sumOf(counts, 'completed', 'failed', 'outcome_unknown', 'cancelled', 'expired');
  return {
    id: batch.id,
    type: 'message_batch',
    processing_status: processingStatus(batch),
    request_counts: {
      processing: Math.max(0, Number(batch.metadata?.['requests'] ?? batch.lines) - ended),
      succeeded: sumOf(counts, 'completed'),
      errored: sumOf(counts, 'failed', 'outcome_unknown'),
      canceled: sumOf(counts, 'cancelled'),
      expired: sumOf(counts, 'expired'),
    },
    ended_at: batch.endedAt?.toISOString() ?? null,
    created_at: batch.createdAt.toISOString(),
    expires_at: batch.deadlineAt.toISOString(),
    archived_at: null,
    cancel_initiated_at: batch.cancellingAt?.toISOString() ?? null,
    results_url: batch.endedAt === null ? null : `${origin}/v1/messages/batches/${batch.id}/results`,
  };
};

/** Where the client reached us, for the address of the results. */
const originOf = (request: FastifyRequest): string => `${request.protocol}://${request.host}`;

/** `/v1/messages/batches` in Anthropic's dialect. */
export const registerMessageBatchRoutes = (app: FastifyInstance, deps: MessageBatchRouteDeps): void => {
  const { admission, batches, files, seal, signals, mint } = deps;

  const requireBatch = async (tenantId: TenantId, request: FastifyRequest): Promise<StoredBatch> => {
    const batch = await batches.find(tenantId, 'anthropic', (request.params as { id: string }).id);
    if (batch === null) throw new FloError('route_not_found', 'There is no such message batch.');
    return batch;
  };
  const show = async (batch: StoredBatch, request: FastifyRequest) =>
    encodeBatch(batch, batch.lines === 0 ? {} : await batches.countLines(batch.id), originOf(request));

  app.post('/v1/messages/batches', { bodyLimit: BODY_BYTES_MAX }, async (request) => {
    const apiKey = await authenticate(admission, request.headers, 'batch');
    const { tenantId } = apiKey;
    const { requests } = readInput(messageBatchBody, request.body);
    const routing = await admission.directory.loadRouting(tenantId).catch((error: unknown) => {
      throw unavailable(error);
    });
    const { isListed, random } = admission;
    const reader = new BatchLineReader(ENDPOINT, (body) => {
      const { model } = readWork(SURFACE, {}, body).client;
      planRequest({ model, routing, apiKey, isListed, random });
    });
    const lines = requests.map(({ custom_id, params }) =>
      JSON.stringify({ custom_id, method: 'POST', url: ENDPOINT, body: params }),
    );
    for (const [index, line] of lines.entries()) {
      reader.read(line);
      const [wrong] = reader.errors;
      if (wrong === undefined) continue;
      const param = `requests.${index}.${(wrong.param ?? 'params').replace(/^body/, 'params')}`;
      throw new FloError('invalid_request', `${param}: ${wrong.message}`, { param });
    }
    // The same way as a file's lines from here on.
    const inputFileId = mint.mint('file');
    const createdAtMs = admission.clock.nowMs();
    const text = Readable.from(lines.map((line) => Buffer.from(`${line}\n`)));
    const bytes = await files.write(tenantId, inputFileId, text);
    const file = { id: inputFileId, tenantId, purpose: 'message_batch', filename: 'requests.jsonl', bytes };
    await files.finish({
      ...file,
      createdAt: new Date(createdAtMs),
      expiresAt: new Date(createdAtMs + 2 * WINDOW_MS),
    });
    const batch = await batches.insert({
      id: mint.mint('msgbatch'),
      tenantId,
      apiKeyId: apiKey.id,
      dialect: 'anthropic',
      endpoint: ENDPOINT,
      completionWindow: '24h',
      inputFileId,
      metadata: { requests: String(lines.length) },
      options: {
        attribution: readAttribution({ headers: request.headers, endUser: null, metadata: {} }, apiKey),
        models: apiKey.models === null ? null : [...apiKey.models],
        forwardedHeaders: pickHeaders(request.headers, surfaceOf(SURFACE).forwardedHeaders),
        dropInexpressible: readDropParams(request.headers),
        mode: readBatchMode(request.headers, null),
      },
      outputSeconds: OUTPUT_SECONDS_DEFAULT - 86_400,
      createdAt: new Date(createdAtMs),
      deadlineAt: new Date(createdAtMs + WINDOW_MS),
    });
    signals.accepted();
    return show(batch, request);
  });

  app.get('/v1/messages/batches', async (request) => {
    const { tenantId } = await authenticate(admission, request.headers, 'batch');
    const { after_id: after, limit } = readInput(messageBatchListQuery, request.query);
    const rows = await batches.list(tenantId, 'anthropic', { beforeId: after ?? null, limit: limit + 1 });
    const page = rows.slice(0, limit);
    return {
      data: await Promise.all(page.map((batch) => show(batch, request))),
      has_more: rows.length > limit,
      first_id: page[0]?.id ?? null,
      last_id: page.at(-1)?.id ?? null,
    };
  });

  app.get('/v1/messages/batches/:id', async (request) => {
    const { tenantId } = await authenticate(admission, request.headers, 'batch');
    return show(await requireBatch(tenantId, request), request);
  });

  app.post('/v1/messages/batches/:id/cancel', async (request) => {
    const { tenantId } = await authenticate(admission, request.headers, 'batch');
    const batch = await requireBatch(tenantId, request);
    await batches.cancel(tenantId, 'anthropic', batch.id, LINE_CANCELLED);
    signals.accepted();
    return show(await requireBatch(tenantId, request), request);
  });

  // Also while it runs: what has ended so far.
  app.get('/v1/messages/batches/:id/results', async (request, reply) => {
    const { tenantId } = await authenticate(admission, request.headers, 'batch');
    const batch = await requireBatch(tenantId, request);
    const lines = readEndedLines({ batches, seal }, batch, 'ended', encodeAnthropicLine);
    return reply
      .header('content-type', 'application/x-jsonl')
      .send(Readable.from(lines, { objectMode: false }));
  });
};
