import { closeSync, openSync, writeSync } from 'node:fs';
import type { TokenClass } from '#contracts/usage';

/** What a provider charges for; classes as in the ledger, and `reasoning`, which is a part of `output`. */
export type ChargedTokens = Partial<Record<TokenClass, number>> & { reasoning?: number };

/**
 * `open` until something is decided. `whole`: all of the answer was handed over. `aborted`: the client
 * left first. `cut`: this side broke the answer off on purpose.
 */
export type CallOutcome = 'open' | 'whole' | 'aborted' | 'cut';

export type CallRecord = {
  sequence: number;
  startedAtMs: number;
  endedAtMs: number | null;
  provider: string;
  method: string;
  path: string;
  /** In full: keys sent to a simulator are made up. */
  credential: string | null;
  model: string | null;
  stream: boolean;
  bodySha256: string;
  /** The `x-flo2-attempt-id` header. */
  attemptId: string | null;
  /** The id in the answer's request-id header. */
  requestId: string;
  /** Null until the answer's head is sent. */
  status: number | null;
  /** The enforced limit the call was refused for with a 429; null where it was let through. */
  limitedBy: 'requests' | 'tokens' | null;
  /** Charged so far; empty for an error. */
  tokens: ChargedTokens;
  outcome: CallOutcome;
  /** A line of a batch, charged at the batch price: no call of its own, so that it has no attempt id. */
  batch?: { id: string; customId: string };
  /** The request body, where the simulator was told to keep bodies. */
  body?: string;
};

export type CallLogOptions = {
  /** Off keeps nothing at all, for benchmarks. */
  enabled: boolean;
  /** NDJSON: a line when a call arrives and one each time its outcome is decided; the last line of a sequence counts. */
  file: string | null;
  /** The oldest calls are dropped from memory beyond this. */
  limit: number;
};

export class CallLog {
  readonly calls: CallRecord[] = [];
  readonly #options: CallLogOptions;
  #file: number | null;

  constructor(options: CallLogOptions) {
    this.#options = options;
    this.#file = options.file === null ? null : openSync(options.file, 'a', 0o600);
  }

  /** The calls made for an attempt; a key that is registered is asked for its models too, at a time of its own. */
  get attempts(): CallRecord[] {
    return this.calls.filter(({ attemptId }) => attemptId !== null);
  }

  /** The lines of batches that were answered, failed ones included. */
  get batchLines(): (CallRecord & { batch: { id: string; customId: string } })[] {
    return this.calls.flatMap(({ batch, ...call }) => (batch === undefined ? [] : [{ ...call, batch }]));
  }

  add(record: CallRecord): void {
    if (!this.#options.enabled) return;
    this.calls.push(record);
    // Dropped in blocks: shifting a long array once per call would cost its length each time.
    if (this.calls.length >= this.#options.limit * 2)
      this.calls.splice(0, this.calls.length - this.#options.limit);
    this.#write(record);
  }

  decide(record: CallRecord, outcome: CallOutcome): void {
    record.outcome = outcome;
    record.endedAtMs = Date.now();
    if (this.#options.enabled) this.#write(record);
  }

  /** Calls with a greater sequence, oldest first. */
  after(sequence: number): CallRecord[] {
    return this.calls.filter((record) => record.sequence > sequence);
  }

  clear(): void {
    this.calls.length = 0;
  }

  close(): void {
    if (this.#file !== null) closeSync(this.#file);
    this.#file = null;
  }

  #write(record: CallRecord): void {
    if (this.#file !== null) writeSync(this.#file, `${JSON.stringify(record)}\n`);
  }
}
