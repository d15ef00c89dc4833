import type { Lane } from '#contracts/vocabulary';
import type { CallCost } from './account-limits.ts';

/**
 * Room that a bucket's owner has lent to this process ahead of need, so that most calls ask nobody.
 *
 *   lent ──a call fits──▶ taken
 *     └────1 s | news of a pause | another owner──▶ to be given back
 *
 * Invariant: what was lent is taken once or given back once.
 */
const LOAN_MS = 1_000;
const WANTED_FIRST = 4;
const WANTED_MAX = 64;

const LOAN_TOKENS_MIN = 1_024;
const roundUp = (tokens: number): number => 2 ** Math.ceil(Math.log2(Math.max(LOAN_TOKENS_MIN, tokens)));

/** What a loan is made out for, so that calls of about the same size can use each other's. */
export const loanCost = ({ inputTokens, outputTokens }: CallCost): CallCost => ({
  inputTokens: roundUp(inputTokens),
  outputTokens: roundUp(outputTokens),
});

type Loan = { ids: string[]; cost: CallCost; untilMs: number; wanted: number; isAsking: boolean };

export type LoanKey = { bucket: string; lane: Lane };
const nameOf = ({ bucket, lane }: LoanKey): string => `${lane}/${bucket}`;

export class RoomLoans {
  readonly #loans = new Map<string, Loan & { bucket: string }>();

  /** An id that the call may use, null where there is none or the call is dearer than what was lent. */
  take(key: LoanKey, cost: CallCost, nowMs: number): string | null {
    const loan = this.#loans.get(nameOf(key));
    if (loan === undefined || nowMs >= loan.untilMs) return null;
    if (cost.inputTokens > loan.cost.inputTokens || cost.outputTokens > loan.cost.outputTokens) return null;
    return loan.ids.pop() ?? null;
  }

  /** How many to ask for now, 0 while there are enough or they are being asked for. */
  wanted(key: LoanKey): number {
    const loan = this.#loans.get(nameOf(key));
    if (loan === undefined) return WANTED_FIRST;
    if (loan.isAsking || loan.ids.length * 2 > loan.wanted) return 0;
    // Who ran dry within the time of a loan uses more than was thought.
    if (loan.ids.length === 0) loan.wanted = Math.min(WANTED_MAX, loan.wanted * 2);
    return loan.wanted - loan.ids.length;
  }

  /** While the answer is awaited, nobody asks again. */
  asking(key: LoanKey, isAsking: boolean): void {
    const loan = this.#loans.get(nameOf(key));
    if (loan !== undefined) loan.isAsking = isAsking;
    else if (isAsking) {
      const cost = { inputTokens: 0, outputTokens: 0 };
      const { bucket } = key;
      this.#loans.set(nameOf(key), { bucket, ids: [], cost, untilMs: 0, wanted: WANTED_FIRST, isAsking });
    }
  }

  /** Takes in what was lent for calls of this cost; returns the ids that have no place any more. */
  add(key: LoanKey, ids: readonly string[], cost: CallCost, nowMs: number): string[] {
    const known = this.#loans.get(nameOf(key));
    const isSame =
      known !== undefined &&
      nowMs < known.untilMs &&
      known.cost.inputTokens === cost.inputTokens &&
      known.cost.outputTokens === cost.outputTokens;
    const before = known === undefined || isSame ? [] : known.ids;
    this.#loans.set(nameOf(key), {
      bucket: key.bucket,
      ids: isSame ? [...known.ids, ...ids] : [...ids],
      cost,
      untilMs: nowMs + LOAN_MS,
      wanted: known?.wanted ?? WANTED_FIRST,
      isAsking: known?.isAsking ?? false,
    });
    return before;
  }

  /** Forgets what has run out or matches; returns it, to be given back. */
  drop(concerns: (bucket: string) => boolean, nowMs: number): { bucket: string; id: string }[] {
    const dropped: { bucket: string; id: string }[] = [];
    for (const [name, loan] of this.#loans) {
      if (nowMs < loan.untilMs && !concerns(loan.bucket)) continue;
      for (const id of loan.ids) dropped.push({ bucket: loan.bucket, id });
      if (loan.isAsking) loan.ids = [];
      else this.#loans.delete(name);
    }
    return dropped;
  }
}
