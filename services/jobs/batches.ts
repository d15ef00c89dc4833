import { setTimeout as sleep } from 'node:timers/promises';
import { BatchLineReader, lastStatusOf, type BatchLine } from '#domain/batch';
import { encodeWireError, FloError } from '#domain/errors';
import type { IdMint } from '#domain/mint-id';
import type { Clock, Logger, TenantDirectory } from '#domain/ports';
import { mayRunNative } from '#domain/native-batch-choice';
import type { PriceRate } from '#domain/price-book';
import { planRequest } from '#domain/route-plan';
import type { TenantRouting } from '#domain/tenant-routing';
import type { NewWorkItem, PayloadSeal, WorkLane } from '#domain/work-ports';
import type { ProviderId } from '#contracts/vocabulary';
import type { WorkSignals } from '#nats/work-signals';
import type { StoredBatch } from '#postgres/batch-rows';
import type { BatchStore } from '#postgres/batches';
import type { FileStore } from '#postgres/files';
import { nativeBatchOf } from '#providers/native-batch-registry';
import { encodeOpenaiLine, readEndedLines, splitLines } from '#runtime/batch-file';
import { readWork } from '#runtime/work-acceptance';
import { readWorkEndpoint } from '#surfaces/work-endpoint';

export type BatchCoordinatorDeps = {
  batches: BatchStore;
  files: FileStore;
  seal: PayloadSeal;
  directory: Pick<TenantDirectory, 'loadRouting'>;
  isListed: (provider: ProviderId, model: string) => boolean;
  /** What the price book lists for a model now. */
  ratesOf: (provider: ProviderId, model: string) => readonly PriceRate[];
  signals: WorkSignals;
  clock: Clock;
  mint: IdMint;
  /** In [0, 1). */
  random: () => number;
  logger: Logger;
};

/** Why a batch's lines wait; null where only their turn is missing. */
export type WaitingReason = (batch: Pick<StoredBatch, 'id' | 'tenantId'>) => object | null;

const LOOK_INTERVAL_MS = 500;
const OPEN_MAX = 1_000;
const TIDY_INTERVAL_MS = 60_000;
const MODELS_KNOWN_MAX = 10_000;
/** A long file must not hold up what else this process does. */
const LINES_PER_TURN = 200;

/** What ends the lines of a batch that was cancelled before it began. */
const LINE_CANCELLED = encodeWireError(new FloError('cancelled', 'The batch was cancelled.'));

const yieldToOthers = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Leads batches from one status to the next; part of the leader's work. */
export class BatchCoordinator {
  readonly #deps: BatchCoordinatorDeps;
  readonly #waitingReason: WaitingReason;
  readonly #waitingOn = new Map<string, string>();

  constructor(deps: BatchCoordinatorDeps, waitingReason: WaitingReason) {
    this.#deps = deps;
    this.#waitingReason = waitingReason;
  }

  /** Until the signal. Never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    const { batches, files, logger, signals } = this.#deps;
    let wake = new AbortController();
    const accepted = signals.onAccepted(() => wake.abort());
    let tidiedAtMs = Number.NEGATIVE_INFINITY;
    while (!signal.aborted) {
      wake = new AbortController();
      try {
        for (const batch of await batches.open(OPEN_MAX)) {
          if (signal.aborted) break;
          await this.#look(batch);
        }
        if (performance.now() - tidiedAtMs > TIDY_INTERVAL_MS) {
          tidiedAtMs = performance.now();
          await files.tidy();
          await batches.tidy();
        }
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error);
        logger.warn({ reason }, 'batches cannot be led on; trying again');
      }
      const woken = AbortSignal.any([signal, wake.signal]);
      await sleep(LOOK_INTERVAL_MS, undefined, { signal: woken }).catch(() => undefined);
    }
    accepted.unsubscribe();
  }

  async #look(batch: StoredBatch): Promise<void> {
    try {
      // A message batch has a result for each request, also where it was cancelled before it began.
      const isUnbegun = batch.dialect === 'anthropic' && batch.inProgressAt === null;
      if (batch.status === 'validating' || isUnbegun) await this.#begin(batch);
      else if (!(await this.#deps.batches.hasOpenLines(batch.id))) await this.#finish(batch);
      else await this.#explain(batch);
    } catch (error) {
      // One batch that cannot be led on does not hold up the others.
      this.#deps.logger.error({ batchId: batch.id, err: error }, 'a batch cannot be led on; trying again');
    }
  }

  async #begin(batch: StoredBatch): Promise<void> {
    const { batches, files, mint, signals } = this.#deps;
    const routing = await this.#deps.directory.loadRouting(batch.tenantId);
    const check = this.#checkOf(batch, routing);
    const file = await files.find(batch.tenantId, batch.inputFileId);
    if (file === null) {
      const message = 'The input file was deleted before it was read.';
      await batches.refuse(batch.id, [
        { code: 'file_not_found', line: null, message, param: 'input_file_id' },
      ]);
      return;
    }
    const reader = new BatchLineReader(batch.endpoint, check);
    for await (const _ of this.#linesOf(batch, reader));
    reader.finish();
    if (reader.errors.length > 0) {
      await batches.refuse(batch.id, reader.errors);
      return;
    }
    const outputs = { output: mint.mint('file'), error: mint.mint('file') };
    const isOpenai = batch.dialect === 'openai';
    await batches.begin(
      batch,
      reader.requests,
      isOpenai ? outputs : null,
      this.#itemsOf(batch, this.#laneOf(batch, routing)),
      LINE_CANCELLED,
    );
    signals.accepted();
  }

  async *#linesOf(batch: StoredBatch, reader: BatchLineReader): AsyncGenerator<BatchLine> {
    let sinceTurn = 0;
    for await (const text of splitLines(this.#deps.files.read(batch.tenantId, batch.inputFileId))) {
      const line = reader.read(text);
      if (line !== null) yield line;
      sinceTurn += 1;
      if (sinceTurn < LINES_PER_TURN) continue;
      sinceTurn = 0;
      await yieldToOthers();
    }
  }

  /** What is wrong with a line's body; a model is only planned once. */
  #checkOf(batch: StoredBatch, routing: TenantRouting): (body: Record<string, unknown>) => void {
    const { surface, path } = readWorkEndpoint(batch.endpoint);
    const planned = new Map<string, FloError | null>();
    const plan = (model: string): FloError | null => {
      try {
        const { isListed, random } = this.#deps;
        planRequest({ model, routing, apiKey: { models: batch.options.models }, isListed, random });
        return null;
      } catch (error) {
        if (error instanceof FloError) return error;
        throw error;
      }
    };
    return (body) => {
      const { model } = readWork(surface, path, body).client;
      const known = planned.has(model) ? (planned.get(model) ?? null) : plan(model);
      if (planned.size < MODELS_KNOWN_MAX) planned.set(model, known);
      if (known !== null) throw known;
    };
  }

  /** Whether lines for a model wait for their provider's own batch, or for the queue. */
  #laneOf(batch: StoredBatch, routing: TenantRouting): (model: string) => WorkLane {
    const { isListed, random, ratesOf } = this.#deps;
    const mode = batch.options.mode ?? routing.batchMode ?? 'queued';
    const windowMs = batch.deadlineAt.getTime() - batch.createdAt.getTime();
    const lanes = new Map<string, WorkLane>();
    const decide = (model: string): WorkLane => {
      if (mode === 'queued') return 'batch';
      const apiKey = { models: batch.options.models };
      const [step] = planRequest({ model, routing, apiKey, isListed, random }).plan.steps;
      if (step === undefined) return 'batch';
      const hasDriver = nativeBatchOf(step.provider) !== null;
      const rates = ratesOf(step.provider, step.model);
      return mayRunNative({ mode, windowMs, hasDriver, rates }) ? 'native' : 'batch';
    };
    return (model) => {
      const lane = lanes.get(model) ?? decide(model);
      if (lanes.size < MODELS_KNOWN_MAX) lanes.set(model, lane);
      return lane;
    };
  }

  async *#itemsOf(batch: StoredBatch, laneOf: (model: string) => WorkLane): AsyncGenerator<NewWorkItem> {
    const { seal, mint, clock } = this.#deps;
    const { tenantId, apiKeyId, options } = batch;
    const { surface, path } = readWorkEndpoint(batch.endpoint);
    const { attribution, forwardedHeaders, dropInexpressible } = options;
    const reader = new BatchLineReader(batch.endpoint, () => undefined);
    for await (const line of this.#linesOf(batch, reader)) {
      const work = readWork(surface, path, line.body);
      const id = mint.mint('job');
      const { endUser } = work.client;
      const user = attribution.user ?? endUser ?? undefined;
      yield {
        id,
        tenantId,
        apiKeyId,
        lane: laneOf(work.client.model),
        requestedModel: work.client.model,
        surface,
        line: { batchId: batch.id, number: line.number, customId: line.customId },
        estimatedInputTokens: work.estimatedInputTokens,
        estimatedOutputTokens: work.estimatedOutputTokens,
        createdAtMs: clock.nowMs(),
        deadlineAtMs: batch.deadlineAt.getTime(),
        onUnknown: 'repeat',
        options: work.optionsFor(
          { ...attribution, ...(user !== undefined && { user: user.slice(0, 256) }) },
          { forwardedHeaders, dropInexpressible },
        ),
        body: await seal.seal({ tenantId, kind: 'work request', id, part: 0 }, work.body),
      };
    }
  }

  async #finish(batch: StoredBatch): Promise<void> {
    const { batches, seal } = this.#deps;
    await batches.finalize(batch.id);
    const files: { id: NonNullable<StoredBatch['outputFileId']>; kind: 'output' | 'error'; bytes: number }[] =
      [];
    for (const kind of ['output', 'error'] as const) {
      const id = kind === 'output' ? batch.outputFileId : batch.errorFileId;
      if (id === null) continue;
      const lines = kind === 'output' ? 'answered' : 'unanswered';
      let bytes = 0;
      for await (const chunk of readEndedLines({ batches, seal }, batch, lines, encodeOpenaiLine)) {
        bytes += chunk.length;
        await yieldToOthers();
      }
      files.push({ id, kind, bytes });
    }
    const counts = await batches.countLines(batch.id);
    await batches.end(batch, lastStatusOf(batch.cancellingAt !== null, counts), files);
    this.#waitingOn.delete(batch.id);
  }

  async #explain(batch: StoredBatch): Promise<void> {
    const reason = this.#waitingReason(batch);
    const text = JSON.stringify(reason);
    if ((this.#waitingOn.get(batch.id) ?? 'null') === text) return;
    await this.#deps.batches.setWaitingOn(batch.id, reason);
    this.#waitingOn.set(batch.id, text);
  }
}
