/** How evenly a stream's words come: the time between two of them, where the provider sends one every 20 ms. */
import { Client } from 'undici';
import { quantile, type Target } from './load.ts';

export const WORD_INTERVAL_MS = 20;
/** What the mock provider takes for its sign to send one word at a time. */
export const PACED_PROMPT = 'Answer one word at a time.';

export type Pace = { p50Ms: number; p99Ms: number };

const STREAMS_AT_ONCE = 4;

/** Between the pieces of one stream, as they arrive. */
const readGaps = async (client: Client, target: Target, body: string): Promise<number[]> => {
  const answer = await client.request({ method: 'POST', path: target.path, headers: target.headers, body });
  const gapsMs: number[] = [];
  let lastMs: number | null = null;
  for await (const piece of answer.body) {
    // The end of a stream follows its last word at once.
    if (!Buffer.from(piece).toString('utf8').includes('"content":"')) continue;
    const nowMs = performance.now();
    if (lastMs !== null) gapsMs.push(nowMs - lastMs);
    lastMs = nowMs;
  }
  if (answer.statusCode !== 200 || gapsMs.length === 0) throw new Error(`${target.name} streamed no words`);
  return gapsMs;
};

export const measurePace = async (target: Target, body: string, durationMs: number): Promise<Pace> => {
  const startedMs = performance.now();
  const gapsMs: number[] = [];
  await Promise.all(
    Array.from({ length: STREAMS_AT_ONCE }, async () => {
      const client = new Client(target.origin);
      try {
        while (performance.now() - startedMs < durationMs) {
          gapsMs.push(...(await readGaps(client, target, body)));
        }
      } finally {
        await client.destroy();
      }
    }),
  );
  gapsMs.sort((one, other) => one - other);
  return { p50Ms: quantile(gapsMs, 0.5), p99Ms: quantile(gapsMs, 0.99) };
};
