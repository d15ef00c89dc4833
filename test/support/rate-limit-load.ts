/** Offers more than a key's limit allows, at an even pace, and counts what became of it. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Simulator } from '#test/simulators/simulator';

export type RateLimitLoad = {
  url: string;
  apiKey: string;
  model: string;
  simulator: Simulator;
  limits: { requestsPerMinute: number; tokensPerMinute: number };
  /** How many times the limit is offered. */
  times: number;
  durationMs: number;
  /** Not counted in `usedShare`: the first answers bring the limits. */
  warmUpMs: number;
  /** What each request is ready to wait. */
  timeoutMs: number;
};

export type RateLimitFigures = {
  offered: number;
  /** Answered 200 to the client. */
  answered: number;
  /** Answered 429 by flo2, with a Retry-After, and any other way. */
  refused: number;
  otherwise: number;
  calls: number;
  /** Calls that the provider answered with 429. */
  limited: number;
  /** Of the calls that the limits allow in the time, how many were made. */
  usedShare: number;
  /** The longest time from sending a request to its refusal. */
  refusalMaxMs: number;
};

const body = (model: string, index: number): string =>
  JSON.stringify({
    model,
    max_tokens: 64,
    messages: [{ role: 'user', content: `request ${index}: answer as shortly as you can` }],
  });

export const offerOverLimit = async (load: RateLimitLoad): Promise<RateLimitFigures> => {
  const { simulator, limits, times, durationMs, warmUpMs } = load;
  const intervalMs = 60_000 / (limits.requestsPerMinute * times);
  const counts = { answered: 0, refused: 0, otherwise: 0, refusalMaxMs: 0 };
  const send = async (index: number): Promise<void> => {
    const sentMs = performance.now();
    const answer = await fetch(`${load.url}/v1/chat/completions`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${load.apiKey}`,
        'content-type': 'application/json',
        'x-flo2-timeout-ms': String(load.timeoutMs),
      },
      body: body(load.model, index),
    }).catch(() => null);
    await answer?.text();
    if (answer?.status === 200) counts.answered += 1;
    else if (answer?.status === 429 && answer.headers.has('retry-after')) {
      counts.refused += 1;
      counts.refusalMaxMs = Math.max(counts.refusalMaxMs, performance.now() - sentMs);
    } else counts.otherwise += 1;
  };

  const startedMs = performance.now();
  const before = simulator.log.calls.length;
  const pending: Promise<void>[] = [];
  for (let elapsedMs = 0; elapsedMs < durationMs; elapsedMs = performance.now() - startedMs) {
    const due = Math.floor(elapsedMs / intervalMs) + 1;
    while (pending.length < due) pending.push(send(pending.length));
    await sleep(Math.min(20, intervalMs));
  }
  const calls = simulator.log.calls.slice(before);
  const endedMs = Date.now();
  const fromMs = endedMs - (performance.now() - startedMs) + warmUpMs;
  const used = calls.filter(
    ({ limitedBy, startedAtMs }) => limitedBy === null && startedAtMs >= fromMs,
  ).length;
  const limited = calls.filter(({ limitedBy }) => limitedBy !== null).length;
  const allowed = (limits.requestsPerMinute * (endedMs - fromMs)) / 60_000;
  await Promise.all(pending);
  return {
    offered: pending.length,
    ...counts,
    calls: calls.length,
    limited,
    usedShare: used / allowed,
  };
};
