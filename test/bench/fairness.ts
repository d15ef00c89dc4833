/** What batches do to others: to who waits at a connection, and to each other. */
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { submitBatch } from './batch-lines.ts';
import type { Flo2 } from './gateways.ts';
import { openClients } from './lean-clients.ts';
import { quantile, type Target } from './load.ts';

export type BesideFigures = {
  requests: number;
  /** Not answered 200. */
  otherwise: number;
  p50Ms: number;
  p99Ms: number;
  /** Lines of the batch that were answered meanwhile, a second. */
  linesPerSecond: number;
};

const LINES = 20_000;
const WEIGHTS = [1, 3] as const;
/** Each sends its next request so long after the last was sent, and all of them spread over it. */
const SEND_EVERY_MS = 100;
const POLL_MS = 100;
/** Lines answered of both before the shares are counted, so that the queue's first window is behind them. */
const SHARE_SKIPPED = 400;
const SHARE_COUNTED = 8_000;

const batchState = z.looseObject({ request_counts: z.object({ completed: z.number(), failed: z.number() }) });

const answeredOf = async ({ origin, headers }: Target, id: string): Promise<number> => {
  const { authorization = '' } = headers;
  const answer = await fetch(`${origin}/v1/batches/${id}`, { headers: { authorization } });
  const { completed, failed } = batchState.parse(await answer.json()).request_counts;
  return completed + failed;
};

const cancel = async ({ origin, headers }: Target, id: string): Promise<void> => {
  const { authorization = '' } = headers;
  await fetch(`${origin}/v1/batches/${id}/cancel`, { method: 'POST', headers: { authorization } });
};

type Measured = { tookMs: number[]; otherwise: number };

/** People at work: so many clients, each at its own even pace, whatever the answers take. */
const measureInteractive = async (
  target: Target,
  { body, connections, durationMs }: { body: string; connections: number; durationMs: number },
): Promise<Measured> => {
  const clients = await openClients(target, body, connections);
  const tookMs: number[] = [];
  let otherwise = 0;
  const endMs = performance.now() + durationMs;
  try {
    await Promise.all(
      clients.map(async (client, index) => {
        let dueMs = performance.now() + (index * SEND_EVERY_MS) / connections;
        while (dueMs < endMs) {
          await sleep(Math.max(0, dueMs - performance.now()));
          const answer = await client.send();
          if (answer?.status === 200) tookMs.push(answer.tookMs);
          else otherwise += 1;
          dueMs = Math.max(dueMs + SEND_EVERY_MS, performance.now());
        }
      }),
    );
  } finally {
    for (const client of clients) client.close();
  }
  return { tookMs: tookMs.toSorted((one, other) => one - other), otherwise };
};

/** One tenant's interactive requests alone, then while another tenant's 20,000 lines wait for the same model. */
export const measureBeside = async (
  flo2: Flo2,
  options: { body: string; connections: number; durationMs: number },
): Promise<{ alone: BesideFigures; beside: BesideFigures }> => {
  const [person, batcher] = [await flo2.newTenant(1), await flo2.newTenant(1)];
  await measureInteractive(person, { ...options, durationMs: 2_000 });
  const figuresOf = ({ tookMs, otherwise }: Measured, linesPerSecond: number): BesideFigures => ({
    requests: tookMs.length,
    otherwise,
    p50Ms: quantile(tookMs, 0.5),
    p99Ms: quantile(tookMs, 0.99),
    linesPerSecond,
  });
  const alone = figuresOf(await measureInteractive(person, options), 0);
  const id = await submitBatch(batcher, LINES);
  while ((await answeredOf(batcher, id)) === 0) await sleep(POLL_MS);
  const before = await answeredOf(batcher, id);
  const startedMs = performance.now();
  const measured = await measureInteractive(person, options);
  const seconds = (performance.now() - startedMs) / 1_000;
  const beside = figuresOf(measured, ((await answeredOf(batcher, id)) - before) / seconds);
  await cancel(batcher, id);
  return { alone, beside };
};

/** The part of the second of two tenants, of weights 1 and 3, in what is answered while both have lines waiting. */
export const measureShares = async (flo2: Flo2): Promise<{ lines: number; share: number }> => {
  const tenants = [await flo2.newTenant(WEIGHTS[0]), await flo2.newTenant(WEIGHTS[1])] as const;
  const ids = [await submitBatch(tenants[0], LINES), await submitBatch(tenants[1], LINES)] as const;
  const count = (): Promise<[number, number]> =>
    Promise.all([answeredOf(tenants[0], ids[0]), answeredOf(tenants[1], ids[1])]);
  const until = async (reached: (counts: [number, number]) => boolean): Promise<[number, number]> => {
    for (;;) {
      const counts = await count();
      if (reached(counts)) return counts;
      await sleep(POLL_MS);
    }
  };
  const from = await until(([light, heavy]) => light >= SHARE_SKIPPED && heavy >= SHARE_SKIPPED);
  const to = await until(([light, heavy]) => light + heavy >= from[0] + from[1] + SHARE_COUNTED);
  await Promise.all([cancel(tenants[0], ids[0]), cancel(tenants[1], ids[1])]);
  const [light, heavy] = [to[0] - from[0], to[1] - from[1]];
  return { lines: light + heavy, share: heavy / (light + heavy) };
};
