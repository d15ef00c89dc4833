/**
 * A batch as every provider has one; what it is called and shown as is the provider's.
 *
 *   validating ──▶ in_progress ──▶ finalizing ──▶ ended: completed, cancelled, expired or failed
 *       └──────────────┴─────────────────────────────▲
 *
 * Of a line only its state, when it was answered and the sequence of its record are kept: its answer depends
 * on these and the request alone and is made again whenever it is downloaded.
 */
import type { BatchAccount } from './batch-room.ts';
import type { Behaviour } from '../behaviour.ts';
import type { ChargedTokens } from '../call-log.ts';
import type { SimulatedProvider } from '../provider.ts';
import type { JsonLines } from './json-lines.ts';

export const LINE_STATES = ['open', 'succeeded', 'failed', 'expired', 'cancelled'] as const;
export type LineState = (typeof LINE_STATES)[number];
export type BatchPhase = 'validating' | 'in_progress' | 'finalizing' | 'ended';
export type BatchEnd = 'completed' | 'cancelled' | 'expired' | 'failed';

/** Why a batch as a whole failed. */
export type BatchProblem = { code: string; message: string; line: number | null; param: string | null };

/** What a line asks for, as a call of the same provider would. */
export type LineCall = {
  customId: string;
  path: string;
  body: string;
  headers: Readonly<Record<string, string>>;
};

export type LineResult = { customId: string; unique: string; requestId: string } & (
  | { state: 'succeeded' | 'failed'; status: number; body: unknown }
  | { state: 'open' | 'expired' | 'cancelled' }
);

/** How a provider's batches are read and written. */
export type BatchFormat = {
  /** Problems that fail the batch before any line is answered; `asked` is what a test asks for. */
  validate: (batch: SimulatedBatch, asked: Behaviour) => BatchProblem[];
  readLine: (text: string, batch: SimulatedBatch) => LineCall;
  /** A line of the results. */
  writeLine: (result: LineResult, batch: SimulatedBatch) => unknown;
  /** Whether results come in the order of the requests. */
  keepsOrder?: boolean;
  /** The ends after which no answer can be had, so that none is charged. */
  forgetsAnswers?: readonly BatchEnd[];
  /** Once no line is open: where results are files, these are laid down. */
  onEnd?: (batch: SimulatedBatch, account: BatchAccount) => void;
};

/** What was said when the batch was made; null where the provider knows no such thing. */
export type BatchFacts = {
  endpoint: string;
  model: string | null;
  inputFileId: string | null;
  completionWindow: string | null;
  metadata: Readonly<Record<string, string>> | null;
  displayName: string | null;
};

export type BatchInput = {
  id: string;
  provider: SimulatedProvider;
  credential: string;
  format: BatchFormat;
  facts: BatchFacts;
  /** Headers of the batch that go for each of its lines. */
  headers?: Readonly<Record<string, string>>;
  lines: JsonLines;
  createdAtMs: number;
  hold: Behaviour['hold'];
};

const STATE_NUMBERS: Readonly<Record<LineState, number>> = {
  open: 0,
  succeeded: 1,
  failed: 2,
  expired: 3,
  cancelled: 4,
};

/** Lines without an answer have no record; their sequences are beyond those of any. */
const UNANSWERED_SEQUENCE = 0xf000_0000;

export class SimulatedBatch {
  readonly id: string;
  readonly provider: SimulatedProvider;
  readonly credential: string;
  readonly format: BatchFormat;
  readonly facts: BatchFacts;
  readonly headers: Readonly<Record<string, string>>;
  readonly lines: JsonLines;
  readonly createdAtMs: number;
  readonly hold: Behaviour['hold'];
  phase: BatchPhase = 'validating';
  end: BatchEnd | null = null;
  problems: BatchProblem[] = [];
  startedAtMs: number | null = null;
  finalizingAtMs: number | null = null;
  cancellingAtMs: number | null = null;
  endedAtMs: number | null = null;
  /** Ids of the files that hold the results, where the provider has such. */
  outputFileId: string | null = null;
  errorFileId: string | null = null;
  /** Charged so far, all lines together. */
  readonly tokens: ChargedTokens = {};
  /** What a test asked for a line; the others behave soundly. */
  readonly behaviours = new Map<number, Behaviour>();
  readonly #states: Uint8Array;
  readonly #sequences: Uint32Array;
  readonly #answeredAtMs: Float64Array;
  readonly #counts: Record<LineState, number>;
  #next = 0;

  constructor(input: BatchInput) {
    this.id = input.id;
    this.provider = input.provider;
    this.credential = input.credential;
    this.format = input.format;
    this.facts = input.facts;
    this.headers = input.headers ?? {};
    this.lines = input.lines;
    this.createdAtMs = input.createdAtMs;
    this.hold = input.hold;
    const { count } = input.lines;
    this.#states = new Uint8Array(count);
    this.#sequences = new Uint32Array(count);
    this.#answeredAtMs = new Float64Array(count);
    this.#counts = { open: count, succeeded: 0, failed: 0, expired: 0, cancelled: 0 };
  }

  get counts(): Readonly<Record<LineState, number>> {
    return this.#counts;
  }

  /** The next line without an answer; null where there is none. */
  nextOpen(): number | null {
    return this.#next < this.lines.count ? this.#next : null;
  }

  stateOf(index: number): LineState {
    return LINE_STATES[this.#states[index] ?? 0] ?? 'open';
  }

  sequenceOf(index: number): number {
    return this.#sequences[index] ?? 0;
  }

  answeredAtMs(index: number): number {
    return this.#answeredAtMs[index] ?? 0;
  }

  /** Lines are answered in their order. */
  settle(state: 'succeeded' | 'failed', sequence: number, nowMs: number, tokens: ChargedTokens): void {
    this.#close(this.#next, state, sequence, nowMs);
    this.#next += 1;
    for (const [name, count] of Object.entries(tokens)) {
      const key = name as keyof ChargedTokens;
      this.tokens[key] = (this.tokens[key] ?? 0) + count;
    }
  }

  /** Ends the batch; what is not answered is not going to be. */
  finish(end: BatchEnd, nowMs: number): void {
    if (this.format.forgetsAnswers?.includes(end) === true) this.#next = 0;
    if (end === 'expired' || end === 'cancelled') {
      for (let index = this.#next; index < this.lines.count; index += 1)
        this.#close(index, end, UNANSWERED_SEQUENCE + index, nowMs);
      this.#next = this.lines.count;
    }
    this.phase = 'ended';
    this.end = end;
    this.finalizingAtMs ??= end === 'failed' ? null : nowMs;
    this.endedAtMs = nowMs;
  }

  /** Where a provider promises no order, it is another than that of the requests. */
  *inOrderOfResults(states: readonly LineState[]): Generator<number> {
    const last = this.lines.count - 1;
    for (let place = 0; place <= last; place += 1) {
      const index = this.format.keepsOrder === true ? place : last - place;
      if (states.includes(this.stateOf(index))) yield index;
    }
  }

  #close(index: number, state: LineState, sequence: number, nowMs: number): void {
    this.#counts[this.stateOf(index)] -= 1;
    this.#counts[state] += 1;
    this.#states[index] = STATE_NUMBERS[state];
    this.#sequences[index] = sequence;
    this.#answeredAtMs[index] = nowMs;
  }
}
