import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FairShare, type FlowPath } from './fair-share.ts';

const share = (weights: Record<string, number> = {}, quantum = 100) =>
  new FairShare<string>({ quantum, weightOf: (path: FlowPath) => weights[path.join('/')] ?? 1 });

const take = (queue: FairShare<string>, count: number): Record<string, number> => {
  const served: Record<string, number> = {};
  for (let taken = 0; taken < count; taken += 1) {
    const item = queue.next();
    if (item !== null) served[item] = (served[item] ?? 0) + 1;
  }
  return served;
};

describe('sharing between flows that all have more than they get', () => {
  it('serves by weight', () => {
    const queue = share({ small: 1, large: 3 });
    for (let count = 0; count < 1_000; count += 1) {
      queue.add(['small'], 50, 'small');
      queue.add(['large'], 50, 'large');
    }
    expect(take(queue, 400)).toEqual({ small: 100, large: 300 });
  });

  it('counts what is served by its cost', () => {
    const queue = share();
    for (let count = 0; count < 1_000; count += 1) {
      queue.add(['long'], 400, 'long');
      queue.add(['short'], 100, 'short');
    }
    const served = take(queue, 500);
    expect((served['short'] ?? 0) / (served['long'] ?? 0)).toBeCloseTo(4, 1);
  });

  it('shares a tenant’s part between its teams, whatever their number', () => {
    const queue = share({ 'one/loud': 2 });
    for (let count = 0; count < 2_000; count += 1) {
      queue.add(['one', 'loud'], 100, 'one/loud');
      queue.add(['one', 'quiet'], 100, 'one/quiet');
      queue.add(['other', 'only'], 100, 'other/only');
    }
    expect(take(queue, 600)).toEqual({ 'one/loud': 200, 'one/quiet': 100, 'other/only': 300 });
  });

  it('never strays from the weights by more than a quantum and an item', () => {
    const flows = fc.array(
      fc.record({ weight: fc.integer({ min: 1, max: 8 }), cost: fc.integer({ min: 1, max: 500 }) }),
      { minLength: 2, maxLength: 6 },
    );
    fc.assert(
      fc.property(flows, (given) => {
        const quantum = 100;
        const queue = new FairShare<number>({
          quantum,
          weightOf: ([name]) => given[Number(name)]?.weight ?? 1,
        });
        for (const [index, { cost }] of given.entries()) {
          for (let count = 0; count < 400; count += 1) queue.add([String(index)], cost, index);
        }
        const cost = given.map(() => 0);
        for (let taken = 0; taken < 300; taken += 1) {
          const index = queue.next() ?? 0;
          cost[index] = (cost[index] ?? 0) + (given[index]?.cost ?? 0);
        }
        const rounds = given.map(({ weight }, index) => (cost[index] ?? 0) / weight);
        const slack = Math.max(...given.map(({ weight, cost: one }) => quantum + one / weight));
        expect(Math.max(...rounds) - Math.min(...rounds)).toBeLessThanOrEqual(2 * slack);
      }),
      { seed: 7, numRuns: 60 },
    );
  });
});

it('serves a newcomer within one round, however much was there before', () => {
  const queue = share();
  for (let count = 0; count < 100_000; count += 1) queue.add(['full'], 50, 'full');
  take(queue, 10);
  queue.add(['new'], 50, 'new');
  expect(take(queue, 3)['new']).toBe(1);
});

it('saves nothing up for a flow that wants nothing', () => {
  const queue = share();
  for (let count = 0; count < 100; count += 1) queue.add(['steady'], 100, 'steady');
  queue.add(['seldom'], 100, 'seldom');
  take(queue, 50);
  for (let count = 0; count < 50; count += 1) queue.add(['seldom'], 100, 'seldom');
  expect(take(queue, 10)).toEqual({ steady: 5, seldom: 5 });
});

it('serves what costs many rounds without turning them one by one', () => {
  const queue = share({}, 1);
  queue.add(['one'], 1e12, 'one');
  queue.add(['other'], 2e12, 'other');
  expect([queue.next(), queue.next(), queue.next()]).toEqual(['one', 'other', null]);
});

it('keeps the order within a flow, also over many items', () => {
  const queue = share();
  const items = Array.from({ length: 500 }, (_, index) => String(index));
  for (const item of items) queue.add(['flow'], 1, item);
  expect(items.map(() => queue.next())).toEqual(items);
});

it('takes out what is not wanted any more', () => {
  const queue = share();
  queue.add(['one', 'a'], 1, 'keep');
  queue.add(['one', 'a'], 1, 'drop');
  queue.add(['other', 'a'], 1, 'drop');
  expect(queue.removeWhere(['one'], (item) => item === 'drop')).toBe(1);
  expect(queue.size).toBe(2);
  expect(queue.removeWhere([], (item) => item === 'drop')).toBe(1);
  expect([queue.next(), queue.next()]).toEqual(['keep', null]);
});
