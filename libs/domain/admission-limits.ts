import type { ApiKeyId } from '#contracts/ids';
import type { ApiKey } from './api-key.ts';
import { FloError } from './errors.ts';

const MINUTE_MS = 60_000;
const KEYS_MAX = 50_000;

/** Fills with time up to a minute's worth. */
type Bucket = { level: number; updatedAtMs: number };
type Usage = { requests: Bucket; tokens: Bucket; open: number };

const refill = (bucket: Bucket, perMinute: number, nowMs: number): void => {
  const elapsedMs = Math.max(0, nowMs - bucket.updatedAtMs);
  bucket.level = Math.min(perMinute, bucket.level + (elapsedMs * perMinute) / MINUTE_MS);
  bucket.updatedAtMs = nowMs;
};

const waitMs = (bucket: Bucket, wanted: number, perMinute: number): number =>
  Math.ceil(((wanted - bucket.level) * MINUTE_MS) / perMinute);

const exceeded = (limit: string, perMinute: number, retryAfterMs: number): FloError =>
  new FloError('rate_limited', `This API key's limit of ${perMinute} ${limit} is reached.`, { retryAfterMs });

/**
 * The limits of API keys, as one process counts them: requests and tokens by the minute, and requests
 * open at once. A request of more tokens than a minute has waits for a full bucket instead of for ever.
 */
export class AdmissionLimits {
  readonly #usages = new Map<ApiKeyId, Usage>();

  /** Takes from the key's limits, or throws `FloError` `rate_limited`. The result gives back what is held. */
  admit(apiKey: Pick<ApiKey, 'id' | 'limits'>, request: { tokens: number; nowMs: number }): () => void {
    const { requestsPerMinute, tokensPerMinute, concurrency } = apiKey.limits;
    if (requestsPerMinute === undefined && tokensPerMinute === undefined && concurrency === undefined) {
      return () => undefined;
    }
    const { nowMs } = request;
    const usage = this.#usageOf(apiKey, nowMs);
    if (concurrency !== undefined && usage.open >= concurrency) {
      throw exceeded('requests at once', concurrency, 1_000);
    }
    if (requestsPerMinute !== undefined) {
      refill(usage.requests, requestsPerMinute, nowMs);
      if (usage.requests.level < 1) {
        throw exceeded('requests a minute', requestsPerMinute, waitMs(usage.requests, 1, requestsPerMinute));
      }
    }
    if (tokensPerMinute !== undefined) {
      refill(usage.tokens, tokensPerMinute, nowMs);
      const wanted = Math.min(request.tokens, tokensPerMinute);
      if (usage.tokens.level < wanted) {
        throw exceeded('tokens a minute', tokensPerMinute, waitMs(usage.tokens, wanted, tokensPerMinute));
      }
      usage.tokens.level -= wanted;
    }
    if (requestsPerMinute !== undefined) usage.requests.level -= 1;
    usage.open += 1;
    let held = true;
    return () => {
      if (held) usage.open -= 1;
      held = false;
    };
  }

  #usageOf({ id, limits }: Pick<ApiKey, 'id' | 'limits'>, nowMs: number): Usage {
    const known = this.#usages.get(id);
    if (known !== undefined) {
      this.#usages.delete(id);
      this.#usages.set(id, known);
      return known;
    }
    const usage = {
      requests: { level: limits.requestsPerMinute ?? 0, updatedAtMs: nowMs },
      tokens: { level: limits.tokensPerMinute ?? 0, updatedAtMs: nowMs },
      open: 0,
    };
    this.#usages.set(id, usage);
    if (this.#usages.size > KEYS_MAX) this.#forgetIdle();
    return usage;
  }

  /** The least recently used key that has nothing open; its buckets start full again. */
  #forgetIdle(): void {
    for (const [id, { open }] of this.#usages) {
      if (open > 0) continue;
      this.#usages.delete(id);
      return;
    }
  }
}
