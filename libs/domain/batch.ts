/**
 * The life of a batch. Its lines are work items (`work-item.ts`), and what is counted is counted from them.
 *
 *   validating ──▶ in_progress ──▶ finalizing ──▶ completed
 *       │  │           │               ├────────▶ expired    (some lines met the deadline)
 *       │  └─▶ failed  │               └────────▶ cancelled  (it was cancelled)
 *       └──────────────┴─▶ cancelling ─┘
 *
 * A batch is finalizing once none of its lines is open; nothing leaves a last status.
 */
import { BATCH_ERRORS_MAX, BATCH_LINES_MAX, batchLine, CUSTOM_ID_LENGTH_MAX } from '#contracts/batch';
import { FloError } from './errors.ts';
import type { WorkState } from './work-item.ts';

export const BATCH_STATUSES = [
  'validating',
  'failed',
  'in_progress',
  'finalizing',
  'completed',
  'expired',
  'cancelling',
  'cancelled',
] as const;
export type BatchStatus = (typeof BATCH_STATUSES)[number];
export type LastBatchStatus = 'failed' | 'completed' | 'expired' | 'cancelled';

/** Lines by their state. */
export type LineCounts = Partial<Record<WorkState, number>>;

export const sumOf = (counts: LineCounts, ...states: readonly WorkState[]): number =>
  states.reduce((sum, state) => sum + (counts[state] ?? 0), 0);

/** The status of a batch without an open line. */
export const lastStatusOf = (isCancelling: boolean, counts: LineCounts): LastBatchStatus => {
  if (isCancelling) return 'cancelled';
  return sumOf(counts, 'expired') > 0 ? 'expired' : 'completed';
};

/** What is wrong with an input, as the API tells it; lines count from 1. */
export type BatchError = { code: string; line: number | null; message: string; param: string | null };

export type BatchLine = { number: number; customId: string; body: Record<string, unknown> };

/**
 * Reads the lines of an input file one by one and gathers what is wrong with them. It knows a line's form
 * and the file's rules; `check` says what is wrong with its body, by throwing a `FloError`.
 */
export class BatchLineReader {
  readonly errors: BatchError[] = [];
  readonly #endpoint: string;
  readonly #check: (body: Record<string, unknown>) => void;
  readonly #customIds = new Set<string>();
  #lines = 0;
  /** Requests so far: lines that are not blank. */
  requests = 0;

  constructor(endpoint: string, check: (body: Record<string, unknown>) => void) {
    this.#endpoint = endpoint;
    this.#check = check;
  }

  /** The line, or null where it is blank or wrong. `text` is null for one that is too long to be read. */
  read(text: string | null): BatchLine | null {
    this.#lines += 1;
    const number = this.#lines;
    if (text === null) return this.#refuse(number, 'line_too_long', 'This line is too long.', null);
    if (text.trim() === '') return null;
    this.requests += 1;
    if (this.requests === BATCH_LINES_MAX + 1) {
      this.#refuse(null, 'too_many_requests', `The file has more than ${BATCH_LINES_MAX} requests.`, null);
    }
    if (this.requests > BATCH_LINES_MAX) return null;
    let json: unknown;
    try {
      json = JSON.parse(text);
    } catch {
      return this.#refuse(number, 'invalid_json_line', 'This line is not parseable as valid JSON.', null);
    }
    const parsed = batchLine.safeParse(json);
    if (!parsed.success) {
      const [issue] = parsed.error.issues;
      const param = String(issue?.path[0] ?? '');
      const isMissing = issue?.code === 'invalid_type' && issue.message.includes('received undefined');
      if (param === 'method' && !isMissing) {
        return this.#refuse(number, 'invalid_method', 'The method must be POST.', 'method');
      }
      const code = isMissing ? 'missing_required_parameter' : 'invalid_request';
      const limit = param === 'custom_id' ? ` of 1 to ${CUSTOM_ID_LENGTH_MAX} characters` : '';
      const message = isMissing
        ? `Missing required parameter: '${param}'.`
        : `The parameter '${param}' is not what it must be${limit}.`;
      return this.#refuse(number, code, message, param === '' ? null : param);
    }
    const { custom_id: customId, url, body } = parsed.data;
    if (url !== this.#endpoint) {
      const message = `The URL of this line does not match the batch's endpoint ${this.#endpoint}.`;
      return this.#refuse(number, 'invalid_url', message, 'url');
    }
    if (this.#customIds.has(customId)) {
      const message = `The custom_id of this line was already used by a line before it.`;
      return this.#refuse(number, 'duplicate_custom_id', message, 'custom_id');
    }
    this.#customIds.add(customId);
    try {
      this.#check(body);
    } catch (error) {
      if (!(error instanceof FloError)) throw error;
      const param = error.param === undefined ? 'body' : `body.${error.param}`;
      return this.#refuse(number, error.code, error.message, param);
    }
    return { number, customId, body };
  }

  /** To be called after the last line. */
  finish(): void {
    if (this.requests === 0) this.#refuse(null, 'empty_file', 'The input file has no requests.', null);
  }

  #refuse(line: number | null, code: string, message: string, param: string | null): null {
    if (this.errors.length < BATCH_ERRORS_MAX) this.errors.push({ code, line, message, param });
    return null;
  }
}
