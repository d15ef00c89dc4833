import { z } from 'zod';

/** Tokens charged instead of those counted; classes as in the ledger. `reasoning` is a part of `output`. */
const tokenOverrides = z.strictObject({
  input: z.int().optional(),
  cache_read: z.int().optional(),
  cache_write_5m: z.int().optional(),
  cache_write_1h: z.int().optional(),
  cache_write_other: z.int().optional(),
  output: z.int().optional(),
  reasoning: z.int().optional(),
});

const count = z.int().nonnegative();

/**
 * How a simulated provider answers one call. Everything is optional; `{}` is a sound answer at once.
 * "Events" are SSE events of a stream; for a whole answer the same numbers count bytes of the body.
 */
export const behaviour = z.strictObject({
  /** An error answer with this HTTP status, in the provider's own words. */
  status: z.int().min(400).max(599).optional(),
  /** Which limit a 429 speaks of; `quota` is spent credit, in the provider's own shape. */
  limit: z.enum(['requests', 'tokens', 'quota']).optional(),
  /** The `retry-after` header as it is sent: seconds or an HTTP date. */
  retryAfter: z.string().optional(),
  retryAfterMs: count.optional(),
  /** What is sent for a body: `half_json` stops in the middle, `text` has the wrong content type. */
  body: z.enum(['json', 'empty', 'html', 'half_json', 'text']).optional(),
  /** Time before the headers. */
  latencyMs: count.optional(),
  /** Time between the events of a stream; each is then written by itself. */
  paceMs: count.optional(),
  /** One byte at a time, with this pause between them. */
  dripMs: count.optional(),
  /** Never answer: not even headers. */
  hangBeforeHeaders: z.boolean().optional(),
  /** Stop after so many events (bytes) and keep the connection open; 0 sends headers alone. */
  hangAfter: count.optional(),
  /** Destroy the connection after so many events (bytes). */
  cutAfter: count.optional(),
  /** Do what was asked and destroy the connection before the first byte of the answer. */
  loseAnswer: z.boolean().optional(),
  /** Where a batch that is created waits until it is advanced. */
  hold: z.enum(['validating', 'in_progress', 'finalizing']).optional(),
  /** An error event after so many events, then the end of the stream. */
  streamErrorAfter: count.optional(),
  /** End the stream properly, but without the dialect's own end mark. */
  omitEnd: z.boolean().optional(),
  /** Words in the answer. */
  outputTokens: count.optional(),
  /** The answer's text. */
  reply: z.string().optional(),
  /** Finish as a refusal of the model. */
  refuse: z.boolean().optional(),
  tokens: tokenOverrides.optional(),
  /** Sent as the usage object as it is (impossible counts, unknown fields); the log keeps the sound ones. */
  rawUsage: z.unknown().optional(),
  /** No usage anywhere in the answer. */
  omitUsage: z.boolean().optional(),
});
export type Behaviour = z.infer<typeof behaviour>;

/** The words a model name may carry after `sim-`; the README's table is made of the same. */
const WORDS: Record<string, (argument: string | null) => Behaviour> = {
  error: (status) => ({ status: Number(status ?? 500) }),
  retry: (seconds) => ({ retryAfter: seconds ?? '1' }),
  retryms: (milliseconds) => ({ retryAfterMs: Number(milliseconds ?? 100) }),
  requests: () => ({ limit: 'requests' }),
  tokenlimit: () => ({ limit: 'tokens' }),
  quota: () => ({ status: 429, limit: 'quota' }),
  html: () => ({ body: 'html' }),
  empty: () => ({ body: 'empty' }),
  halfjson: () => ({ body: 'half_json' }),
  text: () => ({ body: 'text' }),
  latency: (milliseconds) => ({ latencyMs: Number(milliseconds ?? 100) }),
  pace: (milliseconds) => ({ paceMs: Number(milliseconds ?? 20) }),
  drip: (milliseconds) => ({ dripMs: Number(milliseconds ?? 1) }),
  hang: (events) => (events === null ? { hangBeforeHeaders: true } : { hangAfter: Number(events) }),
  cut: (events) => ({ cutAfter: Number(events ?? 3) }),
  streamerror: (events) => ({ streamErrorAfter: Number(events ?? 3) }),
  noend: () => ({ omitEnd: true }),
  tokens: (words) => ({ outputTokens: Number(words ?? 100) }),
  refuse: () => ({ refuse: true }),
  cached: (tokens) => ({ tokens: { cache_read: Number(tokens ?? 1000) } }),
  cachewrite: (tokens) => ({ tokens: { cache_write_5m: Number(tokens ?? 1000) } }),
  cachewrite1h: (tokens) => ({ tokens: { cache_write_1h: Number(tokens ?? 1000) } }),
  nousage: () => ({ omitUsage: true }),
};

export const mergeBehaviours = (base: Behaviour, over: Behaviour): Behaviour => ({
  ...base,
  ...over,
  ...(base.tokens && over.tokens ? { tokens: { ...base.tokens, ...over.tokens } } : {}),
});

/**
 * Reads `error-429-retry-2`: words with at most one number each, separated by hyphens.
 * Null where a word is unknown.
 */
export const parseBehaviourWords = (text: string): Behaviour | null => {
  const segments = text.split('-');
  let parsed: Behaviour = {};
  for (let index = 0; index < segments.length; index += 1) {
    const word = WORDS[segments[index] ?? ''];
    if (word === undefined) return null;
    const next = segments[index + 1];
    const argument = next !== undefined && /^\d{1,9}$/.test(next) ? next : null;
    if (argument !== null) index += 1;
    parsed = mergeBehaviours(parsed, word(argument));
  }
  return behaviour.safeParse(parsed).success ? parsed : null;
};

const MODEL_MARK = /(?:^|-)sim-(.+)$/;
const SOUND: Behaviour = Object.freeze({});

/**
 * The behaviour a model name asks for: what follows `sim-`, at the start (`sim-hang`) or behind a real
 * name (`gpt-4o-mini-sim-cut-3`). A name without it, or with unknown words, behaves soundly.
 */
export const behaviourOfModel = (model: string): Behaviour => {
  if (!model.includes('sim-')) return SOUND;
  const words = MODEL_MARK.exec(model)?.[1];
  return (words === undefined ? null : parseBehaviourWords(words)) ?? SOUND;
};
