import { Client } from 'undici';

/** What is loaded: one address and the request that is sent to it again and again. */
export type Target = {
  name: string;
  origin: string;
  path: string;
  headers: Record<string, string>;
};

export type Figures = {
  requestsPerSecond: number;
  p50Ms: number;
  p99Ms: number;
};

export const quantile = (sorted: readonly number[], share: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;

const ascending = (one: number, other: number): number => one - other;

/** One request, timed to the last byte, or to the first byte of the body. */
const timeRequest = async (
  client: Client,
  target: Target,
  body: string,
  until: 'first_byte' | 'last_byte',
): Promise<number> => {
  const startedMs = performance.now();
  const answer = await client.request({ method: 'POST', path: target.path, headers: target.headers, body });
  let firstByteMs: number | null = null;
  let text = '';
  answer.body.setEncoding('utf8');
  for await (const chunk of answer.body) {
    firstByteMs ??= performance.now();
    text += chunk;
  }
  if (answer.statusCode !== 200 || !text.includes('chatcmpl-bench')) {
    throw new Error(`${target.name} answered ${answer.statusCode}: ${text.slice(0, 300)}`);
  }
  return (until === 'first_byte' ? (firstByteMs ?? Number.NaN) : performance.now()) - startedMs;
};

/** Closed loop: each connection sends its next request when it has its answer. Rejects at any wrong answer. */
export const load = async (
  target: Target,
  options: { body: string; connections: number; durationMs: number; until: 'first_byte' | 'last_byte' },
): Promise<Figures> => {
  const clients = Array.from({ length: options.connections }, () => new Client(target.origin));
  const durationsMs: number[] = [];
  const startedMs = performance.now();
  try {
    await Promise.all(
      clients.map(async (client) => {
        while (performance.now() - startedMs < options.durationMs) {
          durationsMs.push(await timeRequest(client, target, options.body, options.until));
        }
      }),
    );
  } finally {
    await Promise.all(clients.map((client) => client.destroy()));
  }
  const elapsedSeconds = (performance.now() - startedMs) / 1_000;
  durationsMs.sort(ascending);
  return {
    requestsPerSecond: durationsMs.length / elapsedSeconds,
    p50Ms: quantile(durationsMs, 0.5),
    p99Ms: quantile(durationsMs, 0.99),
  };
};
