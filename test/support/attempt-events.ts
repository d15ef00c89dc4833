import type { AttemptEvent } from '#contracts/attempt-event';
import type { IdByPrefix } from '#contracts/ids';
import { IdMint } from '#domain/mint-id';

/** Numbers that look random and are the same in every run. */
export const seededRandom = (seed: number): (() => number) => {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
};

/** Mints ids from a seed. */
export const seededMint = (seed: number, nowMs: number): IdMint => {
  const random = seededRandom(seed);
  return new IdMint({
    nowMs: () => nowMs,
    fillRandom: (bytes) => {
      for (let index = 0; index < bytes.length; index += 1) bytes[index] = Math.floor(random() * 256);
    },
  });
};

export const EVENT_TIME_MS = Date.UTC(2026, 5, 15, 12);

type Ids = { mint: <Prefix extends keyof IdByPrefix>(prefix: Prefix) => IdByPrefix[Prefix] };

const random = seededRandom(2);
/** Ids of that time, never the same twice. */
const idsAt = (nowMs: number): Ids =>
  new IdMint({
    nowMs: () => nowMs,
    fillRandom: (bytes) => bytes.forEach((_, index) => (bytes[index] = random() * 256)),
  });

const mint = seededMint(1, EVENT_TIME_MS);
const fixed = {
  tenantId: mint.mint('ten'),
  apiKeyId: mint.mint('akey'),
  providerKeyId: mint.mint('pkey'),
};

/** A successful attempt of gpt-4o-mini with 1,000 tokens in and 100 out, with its own ids. */
export const attemptEventOf = (
  changes: Partial<AttemptEvent> = {},
  ids: Ids = idsAt(changes.startedAtMs ?? EVENT_TIME_MS),
): AttemptEvent => ({
  version: 1,
  attemptId: ids.mint('att'),
  revision: 1,
  requestId: ids.mint('req'),
  ...fixed,
  provider: 'openai',
  model: 'gpt-4o-mini',
  servedModel: 'gpt-4o-mini-2024-07-18',
  requestedModel: 'openai/gpt-4o-mini',
  route: null,
  lane: 'interactive',
  surface: 'openai-chat',
  stream: false,
  attribution: { tags: {} },
  attemptNumber: 1,
  step: 0,
  outcome: 'succeeded',
  errorCode: null,
  upstreamStatus: 200,
  upstreamRequestId: 'req_abc',
  providerResponseId: 'chatcmpl-1',
  finishReason: 'stop',
  startedAtMs: EVENT_TIME_MS,
  queueMs: 1,
  firstByteMs: 20,
  firstTokenMs: null,
  durationMs: 30,
  holds: [],
  usage: { source: 'provider', tokens: { input: 1_000, output: 100 } },
  ...changes,
});
