import { setTimeout as sleep } from 'node:timers/promises';
import { openClients, type LeanClient } from './lean-clients.ts';
import { quantile, type Target } from './load.ts';
import { processorMs } from './processor-time.ts';

export type OverloadFigures = {
  /** Answered 200, a second. */
  goodput: number;
  /** Of all processes of the benchmark, clients and provider too, for each of these answers, refusals and all. */
  processorMsPerAnswer: number;
  answerP99Ms: number;
  refusals: number;
  refusalP50Ms: number;
  refusalP99Ms: number;
  /** Neither answered nor refused with a Retry-After. */
  otherwise: number;
};

/** In which all clients have sent their first: a crowd does not come within one millisecond. */
const ARRIVAL_MS = 1_000;

const ascending = (one: number, other: number): number => one - other;

/**
 * So many lean clients at once; they wait as long as a refusal asks before they come again. What they did while
 * they were still arriving is not counted as goodput, but refusals are timed from the first.
 */
export const overload = async (
  target: Target,
  { body, connections, durationMs }: { body: string; connections: number; durationMs: number },
): Promise<OverloadFigures> => {
  const clients = await openClients(target, body, connections);
  const answeredMs: number[] = [];
  const refusedMs: number[] = [];
  let otherwise = 0;
  const startMs = performance.now();
  const countedFromMs = startMs + ARRIVAL_MS;
  const endMs = countedFromMs + durationMs;
  const run = async (client: LeanClient, index: number): Promise<void> => {
    await sleep((index * ARRIVAL_MS) / connections);
    while (performance.now() < endMs) {
      const answer = await client.send();
      const nowMs = performance.now();
      if (answer === null) {
        otherwise += 1;
        return;
      }
      const { status, retryAfterSeconds, tookMs } = answer;
      if (status === 200) {
        if (nowMs >= countedFromMs && nowMs < endMs) answeredMs.push(tookMs);
      } else if ((status === 429 || status === 503) && retryAfterSeconds > 0) {
        refusedMs.push(tookMs);
        await sleep(Math.max(0, Math.min(retryAfterSeconds * 1_000, endMs - nowMs)));
      } else otherwise += 1;
    }
  };
  let processor = Number.NaN;
  try {
    const running = Promise.all(clients.map(run));
    await sleep(ARRIVAL_MS);
    const beforeMs = await processorMs();
    await sleep(durationMs);
    processor = (await processorMs()) - beforeMs;
    await running;
  } finally {
    for (const client of clients) client.close();
  }
  answeredMs.sort(ascending);
  refusedMs.sort(ascending);
  return {
    goodput: (answeredMs.length * 1_000) / durationMs,
    processorMsPerAnswer: processor / answeredMs.length,
    answerP99Ms: quantile(answeredMs, 0.99),
    refusals: refusedMs.length,
    refusalP50Ms: quantile(refusedMs, 0.5),
    refusalP99Ms: quantile(refusedMs, 0.99),
    otherwise,
  };
};
