import { describe, expect, it } from 'vitest';
import { FairWindow, type WindowPlace } from './fair-window.ts';
import type { WeightedFlow } from './weighted-flows.ts';

const never = new AbortController().signal;

const flowOf = (tenant: string, weight = 1, team = ''): WeightedFlow => [
  { name: tenant, weight },
  { name: team, weight: 1 },
  { name: '', weight: 1 },
];

/** A window, its clock, and who came to the queue, in order. */
const start = () => {
  const clock = { nowMs: 0 };
  const window = new FairWindow(() => clock.nowMs);
  const entered: { name: string; place: WindowPlace }[] = [];
  const enter = (
    name: string,
    flow: WeightedFlow,
    options: { signal?: AbortSignal; deadlineInMs?: number } = {},
  ) =>
    window
      .enter({ flow, tokens: 1_000, deadlineInMs: 600_000, signal: never, ...options })
      .then((place) => entered.push({ name, place }));
  return { clock, window, entered, enter };
};

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('FairWindow', () => {
  it('holds nobody up while it has room', async () => {
    const { window, enter, entered } = start();
    for (let index = 0; index < 256; index += 1) void enter('one', flowOf('one'));
    await settle();
    expect(entered).toHaveLength(256);
    expect(window.waiting).toBe(0);
  });

  it('serves a newcomer next, however many of another wait', async () => {
    const { enter, entered } = start();
    for (let index = 0; index < 5_000; index += 1) void enter('flood', flowOf('flood'));
    await settle();
    void enter('newcomer', flowOf('newcomer'));
    for (const { place } of entered.slice(0, 3)) place.taken();
    await settle();
    expect(entered.slice(256).map(({ name }) => name)).toContain('newcomer');
  });

  it.each([
    ['tenants', flowOf('light', 1), flowOf('heavy', 3)],
    [
      'teams of a tenant',
      [
        { name: 't', weight: 1 },
        { name: 'light', weight: 1 },
        { name: '', weight: 1 },
      ],
      [
        { name: 't', weight: 1 },
        { name: 'heavy', weight: 3 },
        { name: '', weight: 1 },
      ],
    ],
  ] satisfies [string, WeightedFlow, WeightedFlow][])(
    'shares by the weights of %s',
    async (_, light, heavy) => {
      const { enter, entered } = start();
      for (let index = 0; index < 256; index += 1) void enter('before', flowOf('before'));
      for (let index = 0; index < 400; index += 1) {
        void enter('light', light);
        void enter('heavy', heavy);
      }
      await settle();
      for (let index = 0; index < 200; index += 1) {
        entered[index]?.place.taken();
        await settle();
      }
      const served = entered.slice(256).map(({ name }) => name);
      expect(served).toHaveLength(200);
      expect(served.filter((name) => name === 'heavy')).toHaveLength(150);
    },
  );

  it('shrinks to a small window where nobody takes what it holds, and grows where it is taken at once', async () => {
    const { clock, window, enter, entered } = start();
    for (let index = 0; index < 2_000; index += 1) void enter('one', flowOf('one'));
    await settle();
    for (let index = 0; index < 500; index += 1) {
      clock.nowMs += 50;
      entered[index]?.place.taken();
      await settle();
    }
    expect(window.window).toBeLessThan(64);
    for (let index = 500; window.waiting > 0 && index < entered.length; index += 1) {
      entered[index]?.place.taken();
      await settle();
    }
    expect(window.window).toBeGreaterThan(128);
  });

  it('refuses at once what would come to its turn after its deadline', async () => {
    const { clock, enter, entered } = start();
    for (let index = 0; index < 400; index += 1) void enter('one', flowOf('one'));
    await settle();
    for (let index = 0; index < 100; index += 1) {
      clock.nowMs += 100;
      entered[index]?.place.taken();
      await settle();
    }
    await expect(enter('late', flowOf('one'), { deadlineInMs: 1_000 })).rejects.toMatchObject({
      code: 'unavailable',
      retryAfterMs: expect.any(Number) as number,
    });
    await expect(
      Promise.race([enter('patient', flowOf('other'), { deadlineInMs: 60_000 }), settle()]),
    ).resolves.toBeUndefined();
  });

  it('forgets who goes away while it waits, and takes a place back once', async () => {
    const { window, enter, entered } = start();
    for (let index = 0; index < 256; index += 1) void enter('one', flowOf('one'));
    const left = new AbortController();
    const leaving = enter('left', flowOf('two'), { signal: left.signal });
    void enter('next', flowOf('three'));
    void enter('last', flowOf('three'));
    await settle();
    left.abort(new Error('gone'));
    await expect(leaving).rejects.toThrow('gone');
    entered[0]?.place.giveUp();
    entered[0]?.place.taken();
    await settle();
    expect(entered.slice(256).map(({ name }) => name)).toEqual(['next']);
    expect(window.waiting).toBe(1);
  });
});
