import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'undici';
import { quantile, type Target } from './load.ts';

export type OverloadFigures = {
  /** Answered 200, a second. */
  goodput: number;
  refusals: number;
  refusalP99Ms: number;
  /** Neither answered nor refused with a Retry-After. */
  otherwise: number;
};

/**
 * Closed loop, as `load`, of clients that wait as long as a refusal asks before they come again. Counts what was
 * refused instead of ending there.
 */
export const overload = async (
  target: Target,
  { body, connections, durationMs }: { body: string; connections: number; durationMs: number },
): Promise<OverloadFigures> => {
  const clients = Array.from({ length: connections }, () => new Client(target.origin));
  const refusedMs: number[] = [];
  let answered = 0;
  let otherwise = 0;
  const startedMs = performance.now();
  const isOver = (): boolean => performance.now() - startedMs >= durationMs;
  const sendOne = async (client: Client): Promise<void> => {
    const sentMs = performance.now();
    const { path, headers } = target;
    const answer = await client.request({ method: 'POST', path, headers, body });
    await answer.body.dump();
    const retryAfter = Number(answer.headers['retry-after']);
    if (answer.statusCode === 200) answered += isOver() ? 0 : 1;
    else if ((answer.statusCode === 429 || answer.statusCode === 503) && retryAfter > 0) {
      refusedMs.push(performance.now() - sentMs);
      await sleep(Math.min(retryAfter * 1_000, Math.max(0, durationMs - (performance.now() - startedMs))));
    } else otherwise += 1;
  };
  try {
    await Promise.all(
      clients.map(async (client) => {
        while (!isOver()) await sendOne(client).catch(() => void (otherwise += 1));
      }),
    );
  } finally {
    await Promise.all(clients.map((client) => client.destroy()));
  }
  refusedMs.sort((one, other) => one - other);
  return {
    goodput: (answered * 1_000) / durationMs,
    refusals: refusedMs.length,
    refusalP99Ms: quantile(refusedMs, 0.99),
    otherwise,
  };
};
