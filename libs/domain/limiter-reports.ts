import type { LimiterReport } from '#contracts/limiter-line';

/** Reports travel together; a grant that ends is free again so much later. */
const INTERVAL_MS = 5;

export type LimiterReportsDeps = {
  transport: { report: (workerId: string, report: LimiterReport) => void };
  /** Calls back once after so many milliseconds. */
  schedule: (milliseconds: number, callback: () => void) => () => void;
};

/** What is told to the owners of buckets and needs no answer, gathered for each owner. */
export class LimiterReports {
  readonly #deps: LimiterReportsDeps;
  #waiting = new Map<string, LimiterReport>();

  constructor(deps: LimiterReportsDeps) {
    this.#deps = deps;
  }

  /** The report to add to; it leaves within `INTERVAL_MS`. */
  to(owner: string): LimiterReport {
    if (this.#waiting.size === 0) this.#deps.schedule(INTERVAL_MS, () => this.send());
    const known = this.#waiting.get(owner);
    if (known !== undefined) return known;
    const report: LimiterReport = { settled: [], released: [], cancelled: [] };
    this.#waiting.set(owner, report);
    return report;
  }

  send(): void {
    const reports = this.#waiting;
    this.#waiting = new Map();
    for (const [owner, report] of reports) this.#deps.transport.report(owner, report);
  }
}
