import { expect, it } from 'vitest';
import type { Dispatch } from '#contracts/dispatch';
import type { DispatchSource, ReceivedDispatch, ReceivedMessage } from '#nats/dispatch-queue';
import { pull } from './pull-loop.ts';
import { Slots } from './slots.ts';

const received = (name: string, told: string[]): ReceivedDispatch => ({
  dispatch: { header: { requestId: name }, body: new Uint8Array() } as unknown as Dispatch,
  done: () => told.push(`done ${name}`),
  retryLater: () => told.push(`later ${name}`),
  deliveries: 1,
  bury: async () => undefined,
});

const setUp = (slots: number, messages: string[][]) => {
  const told: string[] = [];
  const stopping = new AbortController();
  const running = new Map<string, () => void>();
  let most = 0;
  const asked: number[] = [];
  const waiting: ReceivedMessage[] = messages.map((names) => ({
    dispatches: names.map((name) => received(name, told)),
    stillWaits: () => undefined,
  }));
  const source: DispatchSource = {
    fetch: async function* ({ maxMessages }) {
      asked.push(maxMessages);
      yield* waiting.splice(0, maxMessages);
      if (waiting.length === 0) stopping.abort();
    },
  };
  const loop = pull({
    source,
    slots: new Slots(slots),
    handle: ({ dispatch }) =>
      new Promise((resolve) => {
        running.set(dispatch.header.requestId, resolve);
        most = Math.max(most, running.size);
      }),
    signal: stopping.signal,
    logger: { info: () => undefined, warn: () => undefined, error: () => undefined },
    onReachable: () => undefined,
  });
  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  const end = async (name: string): Promise<void> => {
    running.get(name)?.();
    running.delete(name);
    await turn();
  };
  return { loop, told, running, stopping, turn, end, asked, most: () => most };
};

it('begins of a message what it has slots for, and the rest as they come free', async () => {
  const { loop, running, turn, end, most } = setUp(2, [['a', 'b', 'c', 'd', 'e']]);
  await turn();
  expect([...running.keys()]).toEqual(['a', 'b']);
  await end('b');
  expect([...running.keys()]).toEqual(['a', 'c']);
  for (const name of ['a', 'c', 'd', 'e']) await end(name);
  await loop;
  expect(most()).toBe(2);
});

it('hands a message back when it is stopped before all of it has begun', async () => {
  const { loop, told, turn, end, stopping, running } = setUp(1, [['a', 'b', 'c']]);
  await turn();
  stopping.abort();
  await end('a');
  await loop;
  expect(told).toEqual(['later b']);
  expect(running.size).toBe(0);
});

it('asks for fewer messages where each brings several dispatches', async () => {
  const names = (from: number): string[] => Array.from({ length: 4 }, (_, index) => String(from + index));
  const { loop, turn, end, asked, running } = setUp(
    64,
    Array.from({ length: 80 }, (_, index) => names(index * 4)),
  );
  for (let done = 0; done < 320;) {
    await turn();
    for (const name of running.keys()) {
      await end(name);
      done += 1;
    }
  }
  await loop;
  expect(asked[0]).toBe(64);
  expect(Math.max(...asked.slice(1))).toBeLessThanOrEqual(16);
});
