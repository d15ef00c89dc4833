import { FloError, isErrorCode } from '#domain/errors';
import { afterNews, nextStep, type AfterNews, type NativeBatchNews } from '#domain/native-batch';
import type { Clock, Logger, ProviderCredentials } from '#domain/ports';
import type { PayloadSeal } from '#domain/work-ports';
import type { UpstreamClient } from '#http/upstream-client';
import type { NativeBatch } from '#postgres/native-batch-rows';
import type { NativeBatchStore } from '#postgres/native-batches';
import {
  wasNotMade,
  type NativeBatchHttp,
  type NativeBatchIntent,
  type NativeBatchProvider,
  type NativeBatchReference,
} from '#providers/native-batch';
import { nativeBatchOf } from '#providers/native-batch-registry';
import type { Provider } from '#providers/provider';
import { providerFor } from '#providers/registry';
import { faultPoint } from '#runtime/fault-point';
import { createNativeBatchHttp } from '#runtime/native-batch-http';
import { encodeNativeLine, type NativeLots } from './native-lots.ts';
import type { NativeResults } from './native-results.ts';

export type NativeStepDeps = {
  store: NativeBatchStore;
  credentials: ProviderCredentials;
  upstream: UpstreamClient;
  seal: PayloadSeal;
  clock: Clock;
  logger: Logger;
  /** The shortest time between two looks at a batch. */
  pollMs: number;
};

const CALL_TIMEOUT_MS = 60_000;
const LINES_AT_ONCE = 200;

/** How a batch can be worked on: with its key opened. */
type Reach = { provider: Provider; driver: NativeBatchProvider; http: NativeBatchHttp };
export type Done = { news: NativeBatchNews; changes?: Partial<NativeBatch> };

const asError = (thrown: unknown): FloError | null => (thrown instanceof FloError ? thrown : null);

/** Takes the single steps of provider batches: one call of a driver each, or what goes with none. */
export class NativeSteps {
  readonly #deps: NativeStepDeps;
  readonly #lots: Pick<NativeLots, 'endHolds'>;
  readonly #results: NativeResults;
  /** The last one to be made: they are in memory as a whole, so one at a time. */
  #making: Promise<unknown> = Promise.resolve();

  constructor(deps: NativeStepDeps, lots: Pick<NativeLots, 'endHolds'>, results: NativeResults) {
    this.#deps = deps;
    this.#lots = lots;
    this.#results = results;
  }

  /** `forced`: what comes next whatever the time. Rejects where a store cannot be reached before it is begun. */
  async take(batch: NativeBatch, forced: AfterNews['next'], signal: AbortSignal): Promise<Done> {
    const step =
      forced === 'release' || forced === 'abandon' ? forced : nextStep(batch, this.#deps.clock.nowMs());
    try {
      if (step === 'release') return await this.#release(batch);
      if (step === 'abandon') return await this.#abandon(batch);
      if (step === 'forget' || step === 'none') return { news: { kind: 'settled' } };
      const reach = await this.#reach(batch, signal);
      // Without its key nobody can ever ask about it again.
      if (reach === null) {
        if (!batch.mayExist) return await this.#release(batch);
        return batch.isAbandoned ? { news: { kind: 'settled' } } : await this.#abandon(batch);
      }
      switch (step) {
        case 'create':
          return await this.#inTurn(() => this.#create(batch, reach));
        case 'find':
          return await this.#find(batch, reach);
        case 'poll':
          return await this.#poll(batch, reach);
        case 'cancel':
          await reach.driver.cancel(reach.http, this.#referenceOf(batch));
          return { news: { kind: 'cancel_taken' } };
        case 'settle':
          return await this.#settle(batch, reach);
      }
    } catch (thrown) {
      if (asError(thrown) === null)
        this.#deps.logger.error({ nativeBatchId: batch.id, err: thrown }, 'a step failed');
      return { news: { kind: 'lost', error: asError(thrown) } };
    }
  }

  async #reach(batch: NativeBatch, signal: AbortSignal): Promise<Reach | null> {
    const { credentials, upstream, clock } = this.#deps;
    const credential = await credentials.open(batch.tenantId, batch.providerKeyId);
    const driver = nativeBatchOf(batch.provider);
    if (credential === null || driver === null) return null;
    const provider = providerFor(credential);
    const http = createNativeBatchHttp({
      provider,
      credential,
      upstream,
      timeoutMs: CALL_TIMEOUT_MS,
      nowMs: () => clock.nowMs(),
      signal,
    });
    return { provider, driver, http };
  }

  #referenceOf({ id, reference }: NativeBatch): NativeBatchReference {
    if (reference === null) throw new TypeError(`${id} has no reference`);
    return reference;
  }

  #intentOf({ id, model, path, headers, lines, createdAtMs, windowHours }: NativeBatch): NativeBatchIntent {
    return { id, model, path, headers, lineCount: lines, createdAtMs, windowHours };
  }

  #inTurn(make: () => Promise<Done>): Promise<Done> {
    const made = this.#making.then(make);
    this.#making = made.catch(() => undefined);
    return made;
  }

  async #create(batch: NativeBatch, reach: Reach): Promise<Done> {
    const { clock, store, pollMs } = this.#deps;
    const jsonl = await this.#jsonlOf(batch, reach);
    const nowMs = clock.nowMs();
    const asking = afterNews(batch, { kind: 'asking' }, { nowMs, settleMs: 0 }).standing;
    await store.save({ ...batch, ...asking }, nowMs + pollMs);
    this.#lots.endHolds(batch.id, 1);
    const changes = { askedAtMs: nowMs, mayExist: true };
    faultPoint('jobs.native_creating');
    try {
      const reference = await reach.driver.create(reach.http, this.#intentOf(batch), jsonl);
      faultPoint('jobs.native_created');
      return { news: { kind: 'made' }, changes: { ...changes, reference } };
    } catch (thrown) {
      const error = asError(thrown);
      if (error !== null && wasNotMade(error)) return { news: { kind: 'not_made', error }, changes };
      return { news: { kind: 'lost', error }, changes };
    }
  }

  /** All lines as the provider takes them; the batch's bounds hold for what is in memory. */
  async #jsonlOf(batch: NativeBatch, { driver, provider }: Reach): Promise<Uint8Array> {
    const { store, seal } = this.#deps;
    const chunks: Uint8Array[] = [];
    const lineEnd = Buffer.from('\n');
    for (let after = ''; ;) {
      const page = await store.lines(batch.id, after, LINES_AT_ONCE);
      const last = page.at(-1);
      if (last === undefined) return Buffer.concat(chunks);
      after = last.id;
      for (const { id, header, body: sealed } of page) {
        if (sealed === null) continue;
        const place = { tenantId: batch.tenantId, kind: 'work request', id, part: 0 } as const;
        const body = await seal.open(place, sealed);
        chunks.push(encodeNativeLine(driver, provider, { header, body, model: batch.model }).line, lineEnd);
      }
    }
  }

  /** Before anything is asked for again: whether a call of which no answer came has made it. */
  async #find(batch: NativeBatch, { driver, http }: Reach): Promise<Done> {
    const { store, logger } = this.#deps;
    const known = await store.knownUnder(batch.providerKeyId, batch.id);
    const customIds = await store.customIds(batch.id);
    const search = await driver.find(http, this.#intentOf(batch), { known, customIds });
    if (search.kind === 'absent') return { news: { kind: 'absent' } };
    if (search.kind === 'undecided') return { news: { kind: 'pending' } };
    const [reference, ...others] = search.references;
    logger.warn(
      { nativeBatchId: batch.id, providerBatchId: reference.id, others: others.length },
      'a batch was made at its provider though no answer came; it is taken over',
    );
    // Two calls came through: what the others have run already is charged beside this one.
    for (const other of others) await driver.cancel(http, other);
    return { news: { kind: 'made' }, changes: { reference } };
  }

  async #poll(batch: NativeBatch, { driver, http }: Reach): Promise<Done> {
    const { reference, ...observed } = await driver.poll(http, this.#referenceOf(batch));
    const changes = { reference, observed: { ...observed, errors: [...observed.errors] } };
    if (observed.state === 'pending') return { news: { kind: 'pending' }, changes };
    if (observed.state === 'refused') {
      const { id: nativeBatchId, provider } = batch;
      this.#deps.logger.warn(
        { nativeBatchId, provider },
        'a provider turned a batch down; its lines are queued',
      );
    }
    return { news: { kind: 'ended' }, changes: { ...changes, endedAtMs: this.#deps.clock.nowMs() } };
  }

  async #settle(batch: NativeBatch, { driver, http, provider }: Reach): Promise<Done> {
    const reference = this.#referenceOf(batch);
    if (batch.observed?.state === 'refused') {
      const why = batch.observed.errors[0] ?? 'it does not say why';
      await this.#results.releaseAll(
        batch,
        new FloError('invalid_request', `The provider turned the batch down: ${why}`, {
          upstreamStatus: 400,
        }),
      );
    } else {
      await this.#results.takeOver(batch, provider, driver.results(http, reference));
    }
    try {
      await driver.dispose(http, reference);
    } catch (error) {
      // What stays with the provider goes by its own time.
      const code = asError(error)?.code ?? 'internal';
      this.#deps.logger.info({ nativeBatchId: batch.id, code }, 'a batch’s files stay with its provider');
    }
    return { news: { kind: 'settled' } };
  }

  async #release(batch: NativeBatch): Promise<Done> {
    this.#lots.endHolds(batch.id, 0);
    if (batch.askedAtMs === null) await this.#results.unclaimAll(batch);
    else {
      const code = batch.lastError !== null && isErrorCode(batch.lastError) ? batch.lastError : 'unavailable';
      const error = new FloError(code, 'The provider did not take the batch.');
      await this.#results.releaseAll(batch, error);
    }
    return { news: { kind: 'released' } };
  }

  async #abandon(batch: NativeBatch): Promise<Done> {
    const { id: nativeBatchId, provider, lines } = batch;
    this.#deps.logger.warn(
      { nativeBatchId, provider, lines },
      'a provider does not say how a batch ended; its lines may be charged twice',
    );
    await this.#results.abandonAll(batch);
    return { news: { kind: 'abandoned' } };
  }
}
