import type {
  BucketNews,
  LimiterAsk,
  LimiterNotice,
  LimiterReply,
  LimiterReport,
} from '#contracts/limiter-line';
import { isErrorCode } from '#domain/errors';
import type { FleetState } from '#domain/fleet-state';
import type { Waiter } from '#domain/lane-queue';
import type { LiveWorkers } from '#domain/live-workers';
import type { CallOutcome, Clock } from '#domain/ports';
import { RateLimitBucket } from '#domain/rate-limit-bucket';
import { RecentMedian } from '#domain/recent-median';
import { loanCost } from '#domain/room-loans';
import type { LimiterOwnerLine } from '#nats/limiter-line';

export type BucketOwnerDeps = {
  workerId: string;
  workers: LiveWorkers;
  fleet: FleetState;
  clock: Clock;
};

type Owned = {
  bucket: RateLimitBucket;
  firstToken: RecentMedian;
  /** Who waits at it, by ticket. */
  clients: Map<string, string>;
  timer: NodeJS.Timeout | null;
  told: BucketNews | null;
  toldAtMs: number;
};

const BUCKETS_MAX = 50_000;
const IDLE_MS = 600_000;
const SWEEP_INTERVAL_MS = 30_000;
/** The least time between two pieces of news of one bucket that are not urgent. */
const NEWS_INTERVAL_MS = 1_000;
/** A change of this part is news. */
const NEWS_SHARE = 0.2;

const differs = (one: number | null, other: number | null): boolean => {
  if (one === null || other === null) return one !== other;
  return Math.abs(one - other) > Math.max(1, Math.abs(other) * NEWS_SHARE);
};

type WireOutcome = LimiterReport['settled'][number]['outcome'];
const decodeOutcome = ({ error, ...outcome }: WireOutcome): CallOutcome => ({
  ...outcome,
  error:
    error === null
      ? null
      : {
          code: isErrorCode(error.code) ? error.code : 'internal',
          retryAfterMs: error.retryAfterMs ?? undefined,
        },
});

/**
 * The buckets that this worker owns: it answers who asks for room, tells who waits, and learns from reports.
 * All of it is soft: a new owner starts from the last news and learns the rest anew.
 */
export class BucketOwner {
  readonly #deps: BucketOwnerDeps;
  readonly #owned = new Map<string, Owned>();
  #line: LimiterOwnerLine | null = null;
  #sweep: NodeJS.Timeout | null = null;
  #grants = 0;

  constructor(deps: BucketOwnerDeps) {
    this.#deps = deps;
    deps.workers.onChange(() => this.#yieldWhatIsNotOurs());
  }

  start(line: LimiterOwnerLine): void {
    this.#line = line;
    this.#sweep = setInterval(() => this.#forgetIdle(), SWEEP_INTERVAL_MS);
  }

  /** Everybody who waits is sent to the next owner. */
  stop(): void {
    if (this.#sweep !== null) clearInterval(this.#sweep);
    for (const [name, owned] of this.#owned) this.#yield(name, owned);
  }

  #isOurs(name: string): boolean {
    const owner = this.#deps.workers.ownerOf(name);
    return owner === null || owner === this.#deps.workerId;
  }

  ask(asked: LimiterAsk): LimiterReply {
    const { bucket: name, ticket, lane, flow, inputTokens, outputTokens, deadlineAtMs } = asked;
    if (!this.#isOurs(name)) return { verdict: { kind: 'elsewhere' }, loan: [] };
    const nowMs = this.#deps.clock.nowMs();
    const owned = this.#own(name, nowMs);
    const { bucket } = owned;
    if (asked.declared !== undefined) bucket.declare(asked.declared, nowMs);
    const cost = { inputTokens, outputTokens, lane };
    const lent = { ...loanCost(cost), lane };
    if (!asked.isCall) {
      return { verdict: { kind: 'loan_only' }, loan: bucket.lend(lent, asked.loan, nowMs) };
    }
    const waiter: Waiter = { ...cost, ticket, flow, deadlineAtMs, isRepeat: asked.isRepeat };
    const verdict = bucket.ask(waiter, { mayWait: asked.mayWait, nowMs });
    if (verdict.kind === 'queued') owned.clients.set(ticket, asked.clientId);
    const loan = verdict.kind === 'granted' ? bucket.lend(lent, asked.loan, nowMs) : [];
    this.#advance(name, owned, nowMs);
    return { verdict, loan };
  }

  report({ settled, released, cancelled }: LimiterReport): void {
    const nowMs = this.#deps.clock.nowMs();
    const touched = new Set<string>();
    for (const { bucket: name, id, outcome } of settled) {
      if (!this.#isOurs(name)) continue;
      const owned = this.#own(name, nowMs);
      owned.bucket.settle(id, decodeOutcome(outcome), nowMs);
      if (outcome.error === null) {
        owned.firstToken.add((outcome.firstTokenAtMs ?? outcome.endedAtMs) - outcome.startedAtMs);
      }
      touched.add(name);
    }
    for (const { bucket: name, id } of released) {
      this.#owned.get(name)?.bucket.release(id, nowMs);
      touched.add(name);
    }
    for (const { bucket: name, ticket } of cancelled) {
      const owned = this.#owned.get(name);
      owned?.bucket.cancel(ticket, nowMs);
      owned?.clients.delete(ticket);
      touched.add(name);
    }
    for (const name of touched) {
      const owned = this.#owned.get(name);
      if (owned === undefined) continue;
      this.#advance(name, owned, nowMs);
      this.#tellNews(name, owned, nowMs);
    }
  }

  /**
   * A process that waited here is gone: what was granted to it is free again, and its other places in the queue
   * are others'. Without it a killed feeder's hundreds of waiters would each take a place and keep it.
   */
  forgetClient(clientId: string, notices: readonly LimiterNotice[]): void {
    const nowMs = this.#deps.clock.nowMs();
    for (const { bucket: name, verdict } of notices) {
      if (verdict.kind === 'granted') this.#owned.get(name)?.bucket.release(verdict.id, nowMs);
    }
    for (const [name, owned] of this.#owned) {
      const tickets = [...owned.clients]
        .filter(([, client]) => client === clientId)
        .map(([ticket]) => ticket);
      for (const ticket of tickets) {
        owned.bucket.cancel(ticket, nowMs);
        owned.clients.delete(ticket);
      }
      if (tickets.length > 0 || notices.some(({ bucket }) => bucket === name)) {
        this.#advance(name, owned, nowMs);
      }
    }
  }

  #own(name: string, nowMs: number): Owned {
    const known = this.#owned.get(name);
    if (known !== undefined) return known;
    if (this.#owned.size >= BUCKETS_MAX) this.#forgetIdle(0);
    const news = this.#deps.fleet.bucketNews(name);
    const mintId = (): string => {
      this.#grants += 1;
      return `${this.#deps.workerId}.${this.#grants}`;
    };
    const owned: Owned = {
      bucket: new RateLimitBucket({ mintId, nowMs, snapshot: news }),
      firstToken: new RecentMedian(),
      clients: new Map(),
      timer: null,
      told: news,
      toldAtMs: 0,
    };
    this.#owned.set(name, owned);
    return owned;
  }

  #advance(name: string, owned: Owned, nowMs: number): void {
    for (const { ticket, verdict } of owned.bucket.advance(nowMs)) {
      const client = owned.clients.get(ticket);
      owned.clients.delete(ticket);
      if (client !== undefined) this.#line?.notify(client, { ticket, bucket: name, verdict });
    }
    if (owned.timer !== null) clearTimeout(owned.timer);
    const nextAtMs = owned.bucket.nextAdvanceAtMs(nowMs);
    owned.timer =
      nextAtMs === null
        ? null
        : setTimeout(() => this.#advance(name, owned, this.#deps.clock.nowMs()), nextAtMs - nowMs);
  }

  /** A pause or an ejection at once, the rest when it differs enough and not too often. */
  #tellNews(name: string, owned: Owned, nowMs: number): void {
    const { bucket, firstToken, told } = owned;
    const ejectedUntilMs = bucket.breakerState === 'closed' ? 0 : bucket.ejectedUntilMs;
    const news: BucketNews = { ...bucket.snapshot(), ejectedUntilMs, firstTokenMs: firstToken.value() };
    const isUrgent =
      news.ejectedUntilMs !== (told?.ejectedUntilMs ?? 0) ||
      (news.pausedUntilMs > nowMs && news.pausedUntilMs > (told?.pausedUntilMs ?? 0) + NEWS_INTERVAL_MS / 2);
    const isNews =
      told === null ||
      differs(news.concurrency, told.concurrency) ||
      differs(news.firstTokenMs, told.firstTokenMs) ||
      JSON.stringify(news.limits) !== JSON.stringify(told.limits);
    if (!isUrgent && (!isNews || nowMs - owned.toldAtMs < NEWS_INTERVAL_MS)) return;
    owned.told = news;
    owned.toldAtMs = nowMs;
    this.#deps.fleet.tellBucketNews(name, news);
  }

  #yieldWhatIsNotOurs(): void {
    for (const [name, owned] of this.#owned) {
      if (!this.#isOurs(name)) this.#yield(name, owned);
    }
  }

  #yield(name: string, owned: Owned): void {
    if (owned.timer !== null) clearTimeout(owned.timer);
    this.#owned.delete(name);
    for (const [ticket, client] of owned.clients) {
      this.#line?.notify(client, { ticket, bucket: name, verdict: { kind: 'elsewhere' } });
    }
  }

  #forgetIdle(idleMs = IDLE_MS): void {
    const nowMs = this.#deps.clock.nowMs();
    for (const [name, { bucket, timer }] of this.#owned) {
      if (bucket.waiting > 0 || bucket.underWay > 0 || nowMs - bucket.usedAtMs < idleMs) continue;
      if (timer !== null) clearTimeout(timer);
      this.#owned.delete(name);
    }
  }
}
