import { setImmediate as nextTurn } from 'node:timers/promises';
import type { BehaviourRules } from '../behaviour-rules.ts';
import { LineAnswerer, type LineAnswererOptions } from './line-answerer.ts';
import { SimulatedBatch } from './simulated-batch.ts';
import type { BatchEnd, BatchInput, BatchProblem, LineState } from './simulated-batch.ts';
import type { StartedUpload, StoredFile } from './stored-files.ts';

/** Batches of an account beyond this go, the oldest that have ended first. */
const BATCHES_MAX = 1_000;
/** Lines answered before others get a turn. */
const LINES_PER_TURN = 100;

const GIVEN_UP: BatchProblem = {
  code: 'internal_error',
  message: 'The batch failed for a reason on our side.',
  line: null,
  param: null,
};

/** What one credential has here. In order of creation. */
export type BatchAccount = {
  files: Map<string, StoredFile>;
  /** Files that come in several calls, as far as they have come. */
  uploads: Map<string, StartedUpload>;
  batches: Map<string, SimulatedBatch>;
  /** Takes a batch on; it is checked and answered once the answer to this call is under way. */
  create: (input: Omit<BatchInput, 'credential'>) => SimulatedBatch;
  cancel: (batch: SimulatedBatch) => void;
  /** Takes a batch that has ended out of the account; tests still see it. */
  remove: (batch: SimulatedBatch) => void;
  /** What the results say of the lines in one of these states. */
  results: (batch: SimulatedBatch, states: readonly LineState[]) => Iterable<unknown>;
};

/** Batches a test speaks of; all where nothing is said. */
export type BatchSelection = { id?: string; provider?: string };

/** Keeps the files and batches of every provider, and works on the batches. */
export class BatchRoom {
  readonly #accounts = new Map<string, BatchAccount>();
  readonly #answerer: LineAnswerer;
  readonly #rules: BehaviourRules;
  readonly #removed: SimulatedBatch[] = [];
  #isClosed = false;

  constructor(options: LineAnswererOptions) {
    this.#answerer = new LineAnswerer(options);
    this.#rules = options.rules;
  }

  /** Every batch, the oldest of each account first, and then those that were deleted. */
  all(selection: BatchSelection = {}): SimulatedBatch[] {
    const { id, provider } = selection;
    const kept = [...this.#accounts.values()].flatMap(({ batches }) => [...batches.values()]);
    return [...kept, ...this.#removed].filter(
      (batch) =>
        (id === undefined || batch.id === id) && (provider === undefined || batch.provider.id === provider),
    );
  }

  /**
   * Lets batches that are held go on: at most `lines` lines of each are answered, all without it, and where
   * none is left the batch ends, after one more call where it was to be held while finalizing.
   */
  async advance({
    lines = Number.POSITIVE_INFINITY,
    ...selection
  }: BatchSelection & { lines?: number } = {}) {
    for (const batch of this.all(selection)) {
      if (batch.phase === 'finalizing') this.#end(batch, 'completed');
      else if (batch.phase !== 'ended') await this.#work(batch, lines);
    }
  }

  /** What has no answer yet expires. */
  expire(selection: BatchSelection = {}): void {
    this.#endOpen(selection, 'expired');
  }

  /** The provider gives a batch up as a whole. */
  fail(selection: BatchSelection = {}): void {
    for (const batch of this.all(selection)) if (batch.phase !== 'ended') batch.problems = [GIVEN_UP];
    this.#endOpen(selection, 'failed');
  }

  close(): void {
    this.#isClosed = true;
  }

  accountOf(provider: string, credential: string): BatchAccount {
    const key = `${provider} ${credential}`;
    const known = this.#accounts.get(key);
    if (known !== undefined) return known;
    const account: BatchAccount = {
      files: new Map(),
      uploads: new Map(),
      batches: new Map(),
      create: (input) => {
        const batch = new SimulatedBatch({ ...input, credential });
        forgetEnded(account);
        account.batches.set(batch.id, batch);
        if (batch.hold !== 'validating') setImmediate(() => void this.#work(batch, linesAtOnce(batch)));
        return batch;
      },
      // What is held ends when it is advanced, what is at work sees it by itself.
      cancel: (batch) => {
        batch.cancellingAtMs ??= Date.now();
      },
      remove: (batch) => {
        account.batches.delete(batch.id);
        this.#removed.push(batch);
        if (this.#removed.length > BATCHES_MAX) this.#removed.shift();
      },
      results: (batch, states) => this.#results(batch, states),
    };
    this.#accounts.set(key, account);
    return account;
  }

  *#results(batch: SimulatedBatch, states: readonly LineState[]): Generator {
    for (const index of batch.inOrderOfResults(states))
      yield batch.format.writeLine(this.#answerer.resultOf(batch, index), batch);
  }

  async #work(batch: SimulatedBatch, lines: number): Promise<void> {
    if (this.#isClosed || batch.phase === 'ended' || (batch.phase === 'validating' && !this.#begin(batch)))
      return;
    let answered = 0;
    while (answered < lines && batch.nextOpen() !== null) {
      if (this.#isClosed || batch.end !== null) return;
      if (batch.cancellingAtMs !== null && batch.hold === undefined) break;
      this.#answerer.answerNext(batch);
      answered += 1;
      if (answered % LINES_PER_TURN === 0) await nextTurn();
    }
    if (batch.end !== null) return;
    if (batch.cancellingAtMs !== null) return this.#end(batch, 'cancelled');
    if (batch.nextOpen() !== null) return;
    batch.phase = 'finalizing';
    batch.finalizingAtMs = Date.now();
    if (batch.hold !== 'finalizing') this.#end(batch, 'completed');
  }

  /** False where the batch is refused. */
  #begin(batch: SimulatedBatch): boolean {
    const { provider, credential, facts, format } = batch;
    const asked = this.#rules.apply(
      { provider: provider.id, operation: 'batch_validation', model: facts.model, key: credential },
      {},
    );
    batch.problems = format.validate(batch, asked);
    if (batch.problems.length > 0) {
      this.#end(batch, 'failed');
      return false;
    }
    batch.phase = 'in_progress';
    batch.startedAtMs = Date.now();
    return true;
  }

  #end(batch: SimulatedBatch, end: BatchEnd): void {
    batch.finish(end, Date.now());
    if (batch.format.forgetsAnswers?.includes(end) === true) this.#answerer.discharge(batch);
    batch.format.onEnd?.(batch, this.accountOf(batch.provider.id, batch.credential));
  }

  #endOpen(selection: BatchSelection, end: BatchEnd): void {
    for (const batch of this.all(selection)) if (batch.phase !== 'ended') this.#end(batch, end);
  }
}

const linesAtOnce = ({ hold }: SimulatedBatch): number =>
  hold === 'in_progress' ? 0 : Number.POSITIVE_INFINITY;

const forgetEnded = ({ batches }: BatchAccount): void => {
  if (batches.size < BATCHES_MAX) return;
  for (const { id, phase } of batches.values())
    if (phase === 'ended') {
      batches.delete(id);
      return;
    }
};
