import type { RequestRecord, SendOptions, TaggedTenant } from '../history.ts';
import { sendAll } from '../history.ts';
import type { Rig } from '../rig.ts';
import { pick } from '../scenario.ts';

export const ingressUrls = (rig: Rig): string[] => rig.roles.ingress.flatMap(({ url }) => url ?? []);

/** A mixture of streams and whole answers of both providers, over all ingresses. */
export const mixed = (rig: Rig, tenant: TaggedTenant, random: () => number): (() => SendOptions) => {
  const urls = ingressUrls(rig);
  return () => {
    const stream = random() < 0.5;
    const provider = random() < 0.5 ? 'openai/gpt-4o-mini' : 'anthropic/claude-haiku-4-5';
    return {
      url: urls[pick(random, 0, urls.length - 1)] ?? '',
      tenant,
      model: `${provider}-sim-${stream ? 'pace-1' : 'latency-5'}`,
      stream,
      words: pick(random, 1, 12),
    };
  };
};

/** Sends until `isOver`, `atOnce` at a time. */
export const sendUntil = (
  atOnce: number,
  next: () => SendOptions,
  isOver: () => boolean,
): Promise<RequestRecord[]> => sendAll(atOnce, () => (isOver() ? null : next()));

/** Sends so many. */
export const sendCount = (
  count: number,
  atOnce: number,
  next: () => SendOptions,
): Promise<RequestRecord[]> => {
  let sent = 0;
  return sendAll(atOnce, () => {
    sent += 1;
    return sent > count ? null : next();
  });
};

export const percentile = (values: readonly number[], share: number): number => {
  const sorted = values.toSorted((one, other) => one - other);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
};

export const tookMs = ({ startedAtMs, endedAtMs }: RequestRecord): number => endedAtMs - startedAtMs;
