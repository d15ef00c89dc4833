import { describe, expect, it } from 'vitest';
import type { ProviderKeyId, TenantId } from '#contracts/ids';
import { bucketName, modelFamily } from './bucket-name.ts';
import { LiveWorkers } from './live-workers.ts';
import { RecentMedian } from './recent-median.ts';
import { RoomLoans } from './room-loans.ts';

const living = (...workerIds: string[]): LiveWorkers => {
  const workers = new LiveWorkers();
  for (const workerId of workerIds) workers.seen({ workerId, isLeaving: false }, 0);
  return workers;
};
const NAMES = Array.from({ length: 1_000 }, (_, index) => `bucket ${index}`);

describe('the owner of a bucket', () => {
  it('is the same for everybody who knows the same workers, and spread evenly', () => {
    const [one, other] = [living('a', 'b', 'c'), living('c', 'a', 'b')];
    const owners = NAMES.map((name) => one.ownerOf(name));
    expect(NAMES.map((name) => other.ownerOf(name))).toEqual(owners);
    for (const worker of ['a', 'b', 'c']) {
      expect(owners.filter((owner) => owner === worker).length).toBeGreaterThan(250);
    }
  });

  it('changes for the buckets of a worker that leaves or falls silent alone', () => {
    const workers = living('a', 'b', 'c');
    const before = NAMES.map((name) => workers.ownerOf(name));
    workers.seen({ workerId: 'b', isLeaving: true }, 10);
    for (const [index, name] of NAMES.entries()) {
      if (before[index] !== 'b') expect(workers.ownerOf(name)).toBe(before[index]);
      else expect(workers.ownerOf(name)).not.toBe('b');
    }
    workers.seen({ workerId: 'a', isLeaving: false }, 3_000);
    workers.forgetSilent(3_000);
    expect(new Set(NAMES.map((name) => workers.ownerOf(name)))).toEqual(new Set(['a']));
    workers.forgetSilent(9_000);
    expect(workers.ownerOf('bucket')).toBe(null);
  });
});

describe('the name of a bucket', () => {
  const of = (changes: { account?: string; key?: string; model?: string; tenant?: string }) =>
    bucketName({
      tenantId: (changes.tenant ?? 'ten_1') as TenantId,
      provider: 'openai',
      providerKeyId: (changes.key ?? 'pkey_1') as ProviderKeyId,
      account: changes.account ?? null,
      model: changes.model ?? 'gpt-4o',
    });

  it('is shared by the keys of an account and the dated names of a model, and by no other tenant', () => {
    expect(of({ account: 'a', key: 'pkey_1' })).toBe(of({ account: 'a', key: 'pkey_2' }));
    expect(of({ key: 'pkey_1' })).not.toBe(of({ key: 'pkey_2' }));
    expect(of({ account: 'pkey_1' })).not.toBe(of({ key: 'pkey_1' }));
    expect(of({ model: 'gpt-4o-2024-08-06' })).toBe(of({ model: 'gpt-4o' }));
    expect(of({ account: 'a', tenant: 'ten_2' })).not.toBe(of({ account: 'a' }));
    expect(of({ account: 'a.b>*' })).toMatch(/^[-/=.\w]+$/);
    expect(modelFamily('claude-sonnet-4-20250514')).toBe('claude-sonnet-4');
    expect(modelFamily('gpt-4o-mini')).toBe('gpt-4o-mini');
  });
});

describe('room that was lent', () => {
  const key = { bucket: 'b', lane: 'interactive' } as const;
  const cost = { inputTokens: 1_024, outputTokens: 1_024 };

  it('is taken once or given back once', () => {
    const loans = new RoomLoans();
    loans.add(key, ['1', '2', '3'], cost, 0);
    const taken = loans.take(key, { inputTokens: 10, outputTokens: 10 }, 500);
    expect(loans.take(key, { inputTokens: 2_000, outputTokens: 10 }, 500)).toBe(null);
    const back = loans.drop(() => false, 1_000).map(({ id }) => id);
    expect(new Set([taken, ...back])).toEqual(new Set(['1', '2', '3']));
    expect(loans.take(key, cost, 1_000)).toBe(null);
    expect(loans.drop(() => true, 1_000)).toEqual([]);
  });

  it('is asked for by one at a time, and for more by who ran dry', () => {
    const loans = new RoomLoans();
    expect(loans.wanted(key)).toBe(4);
    loans.asking(key, true);
    expect(loans.wanted(key)).toBe(0);
    loans.asking(key, false);
    loans.add(key, ['1'], cost, 0);
    loans.take(key, cost, 1);
    expect(loans.wanted(key)).toBe(8);
  });
});

describe('the recent median', () => {
  it('forgets what is long ago and is not moved by the odd one', () => {
    const median = new RecentMedian();
    expect(median.value()).toBe(null);
    for (let index = 0; index < 100; index += 1) median.add(900);
    for (let index = 0; index < 31; index += 1) median.add(index === 7 ? 60_000 : 100);
    expect(median.value()).toBe(100);
  });
});
