/** The bucket in virtual time, by itself: one rule a group, all over the same waiters and outcomes. */
import { describe, expect, it } from 'vitest';
import type { Lane } from '#contracts/vocabulary';
import { bucketOf, randomOf, success, waiterOf } from '#test/support/bucket-waiters';
import type { RateLimitBucket } from './rate-limit-bucket.ts';
import { CONCURRENCY_CEILING, type Notice } from './rate-limit-bucket.ts';

describe('the estimate of a wait for a place', () => {
  /** Calls of 100 ms, as many at once as there is room for, until so many are done; resolves to the time then. */
  const work = (bucket: RateLimitBucket, count: number, fromMs: number): number => {
    let nowMs = fromMs;
    for (let done = 0; done < count; nowMs += 100) {
      const ids: string[] = [];
      for (let asked = 0; asked < 300; asked += 1) {
        const verdict = bucket.ask(waiterOf(`${nowMs}.${asked}`), { mayWait: false, nowMs });
        if (verdict.kind === 'granted') ids.push(verdict.id);
      }
      for (const id of ids) {
        const endedAtMs = nowMs + 100;
        bucket.settle(id, success({ startedAtMs: nowMs, endedAtMs }), endedAtMs);
      }
      done += ids.length;
    }
    return nowMs;
  };

  it('does not take quiet times for slow ones: a crowd after ten minutes may wait', () => {
    const bucket = bucketOf();
    const nowMs = work(bucket, 200, 0) + 600_000;
    const first = bucket.ask(waiterOf('first'), { mayWait: true, nowMs });
    if (first.kind !== 'granted') throw new Error('an empty bucket refused');
    bucket.settle(first.id, success({ startedAtMs: nowMs, endedAtMs: nowMs + 100 }), nowMs + 100);
    const deadlineAtMs = nowMs + 30_000;
    const kinds = Array.from(
      { length: 1_000 },
      (_, index) =>
        bucket.ask(waiterOf(`crowd ${index}`, { deadlineAtMs }), { mayWait: true, nowMs: nowMs + 100 }).kind,
    );
    expect(kinds.filter((kind) => kind === 'refused')).toEqual([]);
  });

  it('is that of so many calls at so many places', () => {
    const bucket = bucketOf();
    const nowMs = work(bucket, 2_000, 0);
    let places = 0;
    while (bucket.ask(waiterOf(`held ${places}`), { mayWait: false, nowMs }).kind === 'granted') places += 1;
    let waitMs = 0;
    for (let index = 0; index < 2 * places; index += 1) {
      const verdict = bucket.ask(waiterOf(`waits ${index}`), { mayWait: true, nowMs });
      if (verdict.kind === 'queued') waitMs = verdict.waitMs;
    }
    // Two rounds of 100 ms each.
    expect(waitMs).toBeGreaterThan(150);
    expect(waitMs).toBeLessThan(600);
  });
});

describe('the places of a process that was lost', () => {
  /** Takes every place, and says when the first is free again though nothing is settled. */
  const freeAgainAfterMs = (bucket: RateLimitBucket, nowMs: number): number => {
    let taken = 0;
    while (bucket.ask(waiterOf(`lost ${taken}`), { mayWait: false, nowMs }).kind === 'granted') taken += 1;
    expect(taken).toBeGreaterThan(1);
    for (let afterMs = 0; afterMs <= 700_000; afterMs += 1_000) {
      bucket.advance(nowMs + afterMs);
      const asked = bucket.ask(waiterOf(`next ${afterMs}`), { mayWait: false, nowMs: nowMs + afterMs });
      if (asked.kind === 'granted') return afterMs;
    }
    throw new Error('its places are gone for ever');
  };
  /** A bucket whose calls last so long, and the time now. */
  const used = (callMs: number): [RateLimitBucket, number] => {
    const bucket = bucketOf();
    let nowMs = 0;
    for (let call = 0; call < 200; call += 1, nowMs += callMs) {
      const asked = bucket.ask(waiterOf(`call ${call}`), { mayWait: false, nowMs });
      if (asked.kind !== 'granted') throw new Error('an empty bucket refused');
      const endedAtMs = nowMs + callMs;
      bucket.settle(asked.id, success({ startedAtMs: nowMs, endedAtMs }), endedAtMs);
    }
    return [bucket, nowMs];
  };

  it('are free again within a quarter of a minute and some where calls are short', () => {
    expect(freeAgainAfterMs(...used(50))).toBeLessThan(20_000);
  });

  it('are held for five times as long as calls last and some, and for ten minutes where nothing is known', () => {
    const whileSlow = freeAgainAfterMs(...used(10_000));
    expect(whileSlow).toBeGreaterThan(60_000);
    expect(whileSlow).toBeLessThan(70_000);
    expect(freeAgainAfterMs(bucketOf(), 0)).toBe(600_000);
  });
});

describe('room ahead of need', () => {
  const cost = { inputTokens: 1_024, outputTokens: 1_024, lane: 'interactive' } as const;

  it('is lent while calls go well, and not from the first failure on until the next success', () => {
    const bucket = bucketOf();
    const call = (code: 'server' | null, nowMs: number): void => {
      const verdict = bucket.ask(waiterOf(`call ${nowMs}`), { mayWait: false, nowMs });
      if (verdict.kind !== 'granted') throw new Error('an idle bucket refused');
      const error = code === null ? null : { code, retryAfterMs: undefined };
      bucket.settle(verdict.id, success({ error, startedAtMs: nowMs, endedAtMs: nowMs }), nowMs);
    };
    call(null, 0);
    expect(bucket.lend(cost, 1, 1)).toHaveLength(1);
    call('server', 2);
    expect(bucket.lend(cost, 1, 3)).toEqual([]);
    call(null, 4);
    expect(bucket.lend(cost, 1, 5)).toHaveLength(1);
  });
});

describe('the repetition of failed calls', () => {
  it('is a tenth of the other calls and three, whoever asks for it', () => {
    const bucket = bucketOf();
    let nowMs = 0;
    let repeated = 0;
    for (let call = 0; call < 500; call += 1) {
      nowMs += 100;
      const first = bucket.ask(waiterOf(`first ${call}`), { mayWait: false, nowMs });
      if (first.kind !== 'granted') throw new Error('an idle bucket refused');
      const failed = success({
        error: { code: 'invalid_request', retryAfterMs: undefined },
        startedAtMs: nowMs,
        endedAtMs: nowMs,
      });
      bucket.settle(first.id, failed, nowMs);
      const again = bucket.ask(waiterOf(`again ${call}`, { isRepeat: true }), { mayWait: false, nowMs });
      if (again.kind === 'granted') {
        repeated += 1;
        bucket.settle(again.id, failed, nowMs);
      } else expect(again).toEqual({ kind: 'refused', obstacle: { of: 'repeats', waitMs: 0 } });
    }
    expect(repeated).toBeGreaterThanOrEqual(50);
    expect(repeated).toBeLessThanOrEqual(53);
  });
});

describe('who goes first', () => {
  /** A bucket that lets one call out at a time, with one under way. */
  const busyBucket = (): { bucket: RateLimitBucket; underWay: string } => {
    const bucket = bucketOf();
    bucket.declare({ concurrency: 1 }, 0);
    const verdict = bucket.ask(waiterOf('first'), { mayWait: true, nowMs: 0 });
    if (verdict.kind !== 'granted') throw new Error('an empty bucket refused');
    return { bucket, underWay: verdict.id };
  };

  /** Ends the call under way again and again; the tickets in the order in which they went out. */
  const drain = (bucket: RateLimitBucket, underWay: string, count: number): string[] => {
    const order: string[] = [];
    let id = underWay;
    for (let nowMs = 1; order.length < count && nowMs < 10 * count; nowMs += 1) {
      bucket.settle(id, success({ startedAtMs: nowMs, endedAtMs: nowMs }), nowMs);
      for (const { ticket, verdict } of bucket.advance(nowMs)) {
        if (verdict.kind !== 'granted') continue;
        order.push(ticket);
        id = verdict.id;
      }
    }
    return order;
  };

  const flowOf = (team: string, weight: number) => [
    { name: team, weight },
    { name: '', weight: 1 },
  ];

  it('is decided by weight between teams, cost counted in tokens', () => {
    const { bucket, underWay } = busyBucket();
    for (let index = 0; index < 400; index += 1) {
      const sizes = { inputTokens: 500, outputTokens: 500 };
      bucket.ask(waiterOf(`one ${index}`, { flow: flowOf('one', 1), ...sizes }), { mayWait: true, nowMs: 0 });
      bucket.ask(waiterOf(`three ${index}`, { flow: flowOf('three', 3), ...sizes }), {
        mayWait: true,
        nowMs: 0,
      });
    }
    const order = drain(bucket, underWay, 400);
    const ofThree = order.filter((ticket) => ticket.startsWith('three')).length;
    expect(ofThree / (order.length - ofThree)).toBeGreaterThan(2.7);
    expect(ofThree / (order.length - ofThree)).toBeLessThan(3.3);
  });

  it('lets a newcomer in after one call of a team with a thousand waiting', () => {
    const { bucket, underWay } = busyBucket();
    for (let index = 0; index < 1_000; index += 1) {
      bucket.ask(waiterOf(`flood ${index}`, { flow: flowOf('flood', 1), inputTokens: 1_000 }), {
        mayWait: true,
        nowMs: 0,
      });
    }
    bucket.ask(waiterOf('newcomer', { flow: flowOf('new', 1), inputTokens: 1_000 }), {
      mayWait: true,
      nowMs: 0,
    });
    expect(drain(bucket, underWay, 3)).toContain('newcomer');
  });

  it('is interactive before async before batch, with one in twenty for a lower lane', () => {
    const { bucket, underWay } = busyBucket();
    for (const lane of ['batch', 'async', 'interactive'] satisfies Lane[]) {
      for (let index = 0; index < 100; index += 1) {
        bucket.ask(waiterOf(`${lane} ${index}`, { lane }), { mayWait: true, nowMs: 0 });
      }
    }
    const order = drain(bucket, underWay, 100);
    const lower = order.filter((ticket) => !ticket.startsWith('interactive')).length;
    expect(order.slice(0, 19).every((ticket) => ticket.startsWith('interactive'))).toBe(true);
    expect(lower).toBeGreaterThanOrEqual(4);
    expect(lower).toBeLessThanOrEqual(5);
  });

  it('leaves a fifth of every limit to others than batch', () => {
    const bucket = bucketOf();
    bucket.declare({ requestsPerMinute: 600 }, 0);
    bucket.ask(waiterOf('earlier'), { mayWait: false, nowMs: 0 });
    const nowMs = 60_000;
    let granted = 0;
    while (
      bucket.ask(waiterOf(`b${granted}`, { lane: 'batch' }), { mayWait: false, nowMs }).kind === 'granted'
    )
      granted += 1;
    const capacity = 600 * 0.98;
    expect(granted).toBeLessThanOrEqual(Math.min(capacity, CONCURRENCY_CEILING) * 0.8 + 1);
    expect(bucket.ask(waiterOf('person'), { mayWait: false, nowMs }).kind).toBe('granted');
  });
});

describe('a batch at an account of which nothing has been used', () => {
  it('begins at once, at four fifths of the pace, and leaves as much to others as ever once it could', () => {
    const bucket = bucketOf();
    bucket.declare({ requestsPerMinute: 600 }, 0);
    let lines = 0;
    const linesUpTo = (endMs: number, nowMs: number): number => {
      for (; nowMs < endMs; nowMs += 100) {
        for (;;) {
          const asked = bucket.ask(waiterOf(`${lines}`, { lane: 'batch' }), { mayWait: false, nowMs });
          if (asked.kind !== 'granted') break;
          bucket.settle(asked.id, success({ startedAtMs: nowMs, endedAtMs: nowMs }), nowMs);
          lines += 1;
        }
      }
      return lines;
    };
    expect(linesUpTo(5_000, 0)).toBeGreaterThan(0.75 * 5 * 10);
    expect(linesUpTo(60_000, 5_000)).toBeLessThan(0.82 * 60 * 10);
    const people = Array.from(
      { length: 100 },
      (_, index) => bucket.ask(waiterOf(`person ${index}`), { mayWait: false, nowMs: 60_000 }).kind,
    );
    expect(people.filter((kind) => kind === 'granted')).toHaveLength(100);
  });
});

describe('a bucket whose tenant changes its mind', () => {
  /** Calls at once, as many as there is room for, in so many rounds; the most of a round. */
  const mostAtOnce = (bucket: RateLimitBucket, rounds: number, fromMs: number): number => {
    let most = 0;
    for (let round = 0; round < rounds; round += 1) {
      const nowMs = fromMs + round * 100;
      const ids: string[] = [];
      for (;;) {
        const asked = bucket.ask(waiterOf(`${nowMs} ${ids.length}`), { mayWait: false, nowMs });
        if (asked.kind !== 'granted') break;
        ids.push(asked.id);
      }
      most = Math.max(most, ids.length);
      for (const id of ids) bucket.settle(id, success({ startedAtMs: nowMs, endedAtMs: nowMs }), nowMs);
    }
    return most;
  };

  it('has room for all that is declared at once where limits are known', () => {
    const bucket = bucketOf();
    bucket.declare({ concurrency: 1, requestsPerMinute: 60_000 }, 0);
    expect(mostAtOnce(bucket, 5, 0)).toBe(1);
    bucket.declare({ concurrency: 64, requestsPerMinute: 60_000 }, 60_000);
    expect(mostAtOnce(bucket, 1, 60_000)).toBe(64);
  });
});

describe('a bucket that cannot serve', () => {
  const refusedAt = (bucket: RateLimitBucket, nowMs: number, deadlineAtMs: number) => {
    const verdict = bucket.ask(waiterOf('late', { deadlineAtMs }), { mayWait: true, nowMs });
    return verdict.kind === 'refused' ? verdict.obstacle : null;
  };

  it('refuses at once, with the wait it would have been', () => {
    const bucket = bucketOf();
    bucket.declare({ requestsPerMinute: 60 }, 0);
    expect(bucket.ask(waiterOf('first'), { mayWait: true, nowMs: 0 }).kind).toBe('granted');
    for (let index = 0; index < 10; index += 1)
      bucket.ask(waiterOf(`w${index}`), { mayWait: true, nowMs: 0 });
    const obstacle = refusedAt(bucket, 0, 5_000);
    expect(obstacle?.of).toBe('requests');
    expect(obstacle?.waitMs).toBeGreaterThan(9_000);
    expect(obstacle?.waitMs).toBeLessThan(13_000);
    expect(refusedAt(bucket, 0, 30_000)).toBe(null);
  });

  it('pauses as long as a 429 asks, and refuses who would wait past it', () => {
    const bucket = bucketOf();
    const first = bucket.ask(waiterOf('first'), { mayWait: true, nowMs: 0 });
    if (first.kind !== 'granted') throw new Error('refused');
    const error = { code: 'rate_limit_tokens' as const, retryAfterMs: 8_000 };
    bucket.settle(first.id, success({ error }), 100);
    expect(refusedAt(bucket, 100, 4_000)).toEqual({ of: 'tokens', waitMs: 8_000, why: 'pause' });
    bucket.ask(waiterOf('patient', { deadlineAtMs: 20_000 }), { mayWait: true, nowMs: 100 });
    expect(bucket.advance(8_000)).toEqual([]);
    expect(bucket.advance(8_200)).toMatchObject([{ ticket: 'patient', verdict: { kind: 'granted' } }]);
  });

  it('says of those whose time runs out what they waited for', () => {
    const bucket = bucketOf();
    bucket.declare({ tokensPerMinute: 6_000 }, 0);
    const sizes = { inputTokens: 1_000, outputTokens: 1_000 };
    const first = bucket.ask(waiterOf('first', { inputTokens: 50, outputTokens: 40 }), {
      mayWait: true,
      nowMs: 0,
    });
    if (first.kind !== 'granted') throw new Error('refused');
    // Found out while it waits: calls last longer than the time that is left.
    expect(
      bucket.ask(waiterOf('slow', { ...sizes, deadlineAtMs: 30_000 }), { mayWait: true, nowMs: 0 }).kind,
    ).toBe('queued');
    bucket.settle(first.id, success({ startedAtMs: 0, endedAtMs: 290_000 }), 5_000);
    expect(bucket.advance(5_000)).toMatchObject([
      { ticket: 'slow', verdict: { kind: 'refused', obstacle: { of: 'tokens' } } },
    ]);
  });

  it('refuses nobody for what one before names as its bound, and no answer comes near', () => {
    const bucket = bucketOf();
    bucket.declare({ tokensPerMinute: 60_000 }, 0);
    const greedy = waiterOf('greedy', { outputTokens: 1e15 });
    expect(bucket.ask(greedy, { mayWait: true, nowMs: 0 }).kind).toBe('queued');
    const modest = waiterOf('modest', { deadlineAtMs: 200_000 });
    expect(bucket.ask(modest, { mayWait: true, nowMs: 0 }).kind).toBe('queued');
    const told = new Map<string, Notice['verdict']>();
    for (let nowMs = 0; nowMs < 180_000 && told.size < 2; nowMs += 500) {
      for (const { ticket, verdict } of bucket.advance(nowMs)) told.set(ticket, verdict);
    }
    expect(told.get('greedy')?.kind).toBe('granted');
    expect(told.get('modest')?.kind).toBe('granted');
  });

  it('says that too many wait, where they do', () => {
    const bucket = bucketOf();
    bucket.declare({ requestsPerMinute: 6_000 }, 0);
    let kind = 'queued';
    for (let index = 0; index < 5_200; index += 1) {
      const verdict = bucket.ask(waiterOf(`w${index}`), { mayWait: true, nowMs: 0 });
      kind = verdict.kind === 'refused' ? (verdict.obstacle.why ?? '') : verdict.kind;
    }
    expect(kind).toBe('crowd');
  });

  it('lets nobody through after five failures, then one, then all', () => {
    const bucket = bucketOf();
    const error = { code: 'server' as const, retryAfterMs: undefined };
    for (let index = 0; index < 5; index += 1) {
      const verdict = bucket.ask(waiterOf(`t${index}`), { mayWait: true, nowMs: index });
      if (verdict.kind !== 'granted') throw new Error('refused');
      bucket.settle(verdict.id, success({ error, startedAtMs: index }), index);
    }
    expect(refusedAt(bucket, 10, 60_000)?.of).toBe('trouble');
    const probe = bucket.ask(waiterOf('probe'), { mayWait: true, nowMs: 6_000 });
    expect(probe.kind).toBe('granted');
    expect(refusedAt(bucket, 6_001, 60_000)?.of).toBe('trouble');
    if (probe.kind === 'granted') bucket.settle(probe.id, success({ startedAtMs: 6_000 }), 6_010);
    expect(bucket.ask(waiterOf('after'), { mayWait: true, nowMs: 6_011 }).kind).toBe('granted');
  });
});

describe('whatever comes in whatever order', () => {
  it('answers each ticket once, keeps to the concurrency, and loses no waiter', () => {
    for (let seed = 1; seed <= 40; seed += 1) {
      const random = randomOf(seed);
      const pick = (count: number): number => Math.floor(random() * count);
      const bucket = bucketOf();
      const concurrency = 1 + pick(6);
      bucket.declare({ concurrency, ...(pick(2) === 0 && { requestsPerMinute: 600 }) }, 0);
      const underWay: string[] = [];
      const waiting = new Set<string>();
      const take = (notices: Notice[]): void => {
        for (const { ticket, verdict } of notices) {
          expect(waiting.delete(ticket)).toBe(true);
          if (verdict.kind === 'granted') underWay.push(verdict.id);
        }
      };
      let nowMs = 0;
      for (let step = 0; step < 300; step += 1) {
        nowMs += pick(50);
        const action = pick(10);
        const [ticket] = waiting;
        const [id] = underWay;
        if (action < 5) {
          const lane = (['interactive', 'async', 'batch'] as const)[pick(3)] ?? 'batch';
          const waiter = waiterOf(`s${step}`, {
            lane,
            flow: [
              { name: `t${pick(3)}`, weight: 1 + pick(3) },
              { name: '', weight: 1 },
            ],
          });
          const verdict = bucket.ask(waiter, { mayWait: pick(2) === 0, nowMs });
          if (verdict.kind === 'granted') underWay.push(verdict.id);
          if (verdict.kind === 'queued') waiting.add(waiter.ticket);
        } else if (action < 8 && id !== undefined) {
          underWay.shift();
          if (pick(3) === 0) bucket.release(id, nowMs);
          else bucket.settle(id, success({ startedAtMs: nowMs, endedAtMs: nowMs }), nowMs);
        } else if (action === 8 && ticket !== undefined) {
          bucket.cancel(ticket, nowMs);
          waiting.delete(ticket);
        } else underWay.push(...bucket.lend({ ...waiterOf(''), lane: 'interactive' }, pick(4), nowMs));
        take(bucket.advance(nowMs));
        expect(bucket.waiting).toBe(waiting.size);
        expect(bucket.underWay).toBe(underWay.length);
        expect(underWay.length).toBeLessThanOrEqual(concurrency);
      }
      for (; waiting.size > 0; nowMs += 200) {
        for (const id of underWay.splice(0))
          bucket.settle(id, success({ startedAtMs: nowMs, endedAtMs: nowMs }), nowMs);
        take(bucket.advance(nowMs));
        expect(nowMs).toBeLessThan(200_000);
      }
    }
  });
});
