import { expect, it } from 'vitest';
import { quietFleet } from '#test/support/quiet-fleet';
import type { LimiterAsk, LimiterNotice } from '#contracts/limiter-line';
import { LiveWorkers } from '#domain/live-workers';
import { BucketOwner } from './bucket-owner.ts';

const setUp = () => {
  const told: { clientId: string; notice: LimiterNotice }[] = [];
  const owner = new BucketOwner({
    workerId: 'wrk_1',
    workers: new LiveWorkers(),
    fleet: quietFleet,
    clock: { nowMs: () => 1_000 },
  });
  owner.start({
    notify: (clientId, notice) => void told.push({ clientId, notice }),
    leave: async () => undefined,
  });
  let tickets = 0;
  const ask = (clientId: string, mayWait: boolean) => {
    tickets += 1;
    const asked: LimiterAsk = {
      clientId,
      ticket: `${clientId}.${tickets}`,
      bucket: 'one',
      lane: 'batch',
      flow: [
        { name: '', weight: 1 },
        { name: '', weight: 1 },
      ],
      inputTokens: 1,
      outputTokens: 1,
      deadlineAtMs: 86_400_000,
      mayWait,
      isCall: true,
      loan: 0,
      declared: undefined,
    };
    return owner.ask(asked).verdict;
  };
  return { owner, told, ask };
};

it('frees what a process that is gone was granted, and lets others have its turns', () => {
  const { owner, told, ask } = setUp();
  const held: string[] = [];
  for (let verdict = ask('worker', false); verdict.kind === 'granted'; verdict = ask('worker', false)) {
    held.push(verdict.id);
  }
  expect(held.length).toBeGreaterThan(0);
  for (let waiting = 0; waiting < 100; waiting += 1) expect(ask('dead', true).kind).toBe('queued');
  expect(ask('living', true).kind).toBe('queued');

  owner.report({ settled: [], released: [{ bucket: 'one', id: held[0] ?? '' }], cancelled: [] });
  expect(told.map(({ clientId }) => clientId)).toEqual(['dead']);
  owner.forgetClient(
    'dead',
    told.map(({ notice }) => notice),
  );
  expect(told.slice(1).map(({ clientId, notice }) => [clientId, notice.verdict.kind])).toEqual([
    ['living', 'granted'],
  ]);
  owner.stop();
});
