import { z } from 'zod';

/** What a provider allows one credential. */
export const rateLimits = z.strictObject({
  requestsPerMinute: z.int().positive().optional(),
  tokensPerMinute: z.int().positive().optional(),
  /** How many seconds' worth may be spent at once; a minute's, as the providers' headers say it. */
  burstSeconds: z.number().positive().max(60).optional(),
});
export type RateLimits = z.infer<typeof rateLimits>;

/** Limits for the calls that match; the newest rule that matches holds, and no others. */
export const rateLimitRule = z.strictObject({
  match: z.strictObject({ provider: z.string().optional(), key: z.string().optional() }).default({}),
  limits: rateLimits,
});
export type RateLimitRule = z.input<typeof rateLimitRule>;

/** `remaining` is whole; `resetMs` is the time until the whole burst may be spent again. */
export type LimitState = { limit: number; remaining: number; resetMs: number };

/** What a call has found, as the headers of its answer tell it. A limit that is not set is null. */
export type LimitReading = {
  requests: LimitState | null;
  tokens: LimitState | null;
  /** Set where the call was refused; `requested` counts what it asked for, `waitMs` is null where no wait helps. */
  refused: { limit: 'requests' | 'tokens'; requested: number; waitMs: number | null } | null;
};

const MINUTE_MS = 60_000;
/** Credentials are forgotten beyond so many: each has a bucket. */
const CREDENTIALS_MAX = 10_000;

/** Refills steadily, as the providers' do: no window at whose edge twice the limit would pass. */
class Bucket {
  readonly limit: number;
  readonly capacity: number;
  #level: number;
  #atMs: number;

  constructor(limit: number, burstSeconds: number, nowMs: number) {
    this.limit = limit;
    this.capacity = Math.max(1, (limit * burstSeconds) / 60);
    this.#level = this.capacity;
    this.#atMs = nowMs;
  }

  /** Milliseconds until so much is there: 0 now, null never. */
  waitMsFor(amount: number, nowMs: number): number | null {
    this.#refill(nowMs);
    if (amount > this.capacity) return null;
    return Math.max(0, Math.ceil(((amount - this.#level) / this.limit) * MINUTE_MS));
  }

  take(amount: number): void {
    this.#level -= amount;
  }

  state(): LimitState {
    return {
      limit: this.limit,
      remaining: Math.max(0, Math.floor(this.#level)),
      resetMs: Math.ceil(((this.capacity - this.#level) / this.limit) * MINUTE_MS),
    };
  }

  #refill(nowMs: number): void {
    this.#level = Math.min(this.capacity, this.#level + ((nowMs - this.#atMs) * this.limit) / MINUTE_MS);
    this.#atMs = nowMs;
  }
}

type Buckets = { rule: object; requests: Bucket | null; tokens: Bucket | null };

const bucketOf = (limit: number | undefined, burstSeconds: number, nowMs: number): Bucket | null =>
  limit === undefined ? null : new Bucket(limit, burstSeconds, nowMs);

/** Holds credentials to their limits. A call that is refused spends nothing. */
export class RateLimiter {
  #rules: z.infer<typeof rateLimitRule>[] = [];
  readonly #buckets = new Map<string, Buckets>();

  get isActive(): boolean {
    return this.#rules.length > 0;
  }

  /** Every credential the rule matches starts with a full burst. */
  add(rule: RateLimitRule): void {
    this.#rules.unshift(rateLimitRule.parse(rule));
  }

  clear(): void {
    this.#rules = [];
    this.#buckets.clear();
  }

  /** Null where no limit is set for the credential. */
  take(call: { provider: string; key: string; tokens: number; nowMs: number }): LimitReading | null {
    const buckets = this.#bucketsFor(call);
    if (buckets === null) return null;
    const { requests, tokens } = buckets;
    const waits = [
      { limit: 'requests' as const, bucket: requests, requested: 1 },
      { limit: 'tokens' as const, bucket: tokens, requested: call.tokens },
    ].map(({ limit, bucket, requested }) => ({
      limit,
      requested,
      waitMs: bucket === null ? 0 : bucket.waitMsFor(requested, call.nowMs),
    }));
    const refused = waits.find(({ waitMs }) => waitMs !== 0) ?? null;
    if (refused === null) {
      requests?.take(1);
      tokens?.take(call.tokens);
    }
    return { requests: requests?.state() ?? null, tokens: tokens?.state() ?? null, refused };
  }

  #bucketsFor({ provider, key, nowMs }: { provider: string; key: string; nowMs: number }): Buckets | null {
    const rule = this.#rules.find(
      ({ match }) =>
        (match.provider === undefined || match.provider === provider) &&
        (match.key === undefined || match.key === key),
    );
    if (rule === undefined) return null;
    const name = `${provider} ${key}`;
    const known = this.#buckets.get(name);
    if (known?.rule === rule) return known;
    const { requestsPerMinute, tokensPerMinute, burstSeconds = 60 } = rule.limits;
    const made: Buckets = {
      rule,
      requests: bucketOf(requestsPerMinute, burstSeconds, nowMs),
      tokens: bucketOf(tokensPerMinute, burstSeconds, nowMs),
    };
    if (this.#buckets.size >= CREDENTIALS_MAX) this.#buckets.clear();
    this.#buckets.set(name, made);
    return made;
  }
}
