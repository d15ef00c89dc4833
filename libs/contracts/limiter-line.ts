/**
 * The line between those who need room under a provider's limits (ingresses, workers, the feeder of jobs) and
 * the worker that owns the bucket, all over core NATS:
 *
 *   client ──ask──▶ owner          granted | queued | refused | elsewhere, at once
 *   client ◀─notice── owner        granted | refused, for who was queued
 *   client ──report──▶ owner       what came of calls, what is given back, who gives up waiting
 *   worker ──presence──▶ everybody, twice a second: which worker owns which bucket follows from who lives
 */
import { z } from 'zod';
import { rateLimitReading } from './rate-limit-reading.ts';
import { lane } from './vocabulary.ts';

const count = z.int().nonnegative();

export const limiterAsk = z.object({
  clientId: z.string(),
  /** Unique at the client. */
  ticket: z.string(),
  bucket: z.string(),
  lane,
  /** Team and feature. */
  flow: z.array(z.object({ name: z.string(), weight: z.number().positive() })).length(2),
  inputTokens: count,
  outputTokens: count,
  deadlineAtMs: count,
  /** Whether to queue where there is no room now. */
  mayWait: z.boolean(),
  /** False asks for a loan alone. */
  isCall: z.boolean(),
  /** A failed call made again, at the same target; true is said only where it is so. */
  isRepeat: z.boolean().optional(),
  /** How many such calls more the client would like room for, ahead of need. */
  loan: count,
  /** What the tenant says of the account; absent where the client does not know. */
  declared: z
    .object({
      requestsPerMinute: z.number().optional(),
      tokensPerMinute: z.number().optional(),
      concurrency: z.number().optional(),
    })
    .optional(),
});
export type LimiterAsk = z.infer<typeof limiterAsk>;

const obstacle = z.object({
  of: z.enum(['requests', 'tokens', 'concurrency', 'trouble', 'repeats']),
  waitMs: z.number().nonnegative(),
  /** What is more to say; what a newer owner says here that is not known is let be. */
  why: z.enum(['pause', 'crowd', 'late']).optional().catch(undefined),
});
const granted = z.object({ kind: z.literal('granted'), id: z.string() });
const refused = z.object({ kind: z.literal('refused'), obstacle });
/** Another worker owns the bucket now. */
const elsewhere = z.object({ kind: z.literal('elsewhere') });

export const limiterReply = z.object({
  verdict: z.discriminatedUnion('kind', [
    granted,
    refused,
    elsewhere,
    z.object({ kind: z.literal('queued'), waitMs: z.number().nonnegative() }),
    z.object({ kind: z.literal('loan_only') }),
  ]),
  loan: z.array(z.string()),
});
export type LimiterReply = z.infer<typeof limiterReply>;

export const limiterNotice = z.object({
  ticket: z.string(),
  bucket: z.string(),
  verdict: z.discriminatedUnion('kind', [granted, refused, elsewhere]),
});
export type LimiterNotice = z.infer<typeof limiterNotice>;

const callOutcome = z.object({
  error: z.object({ code: z.string(), retryAfterMs: z.number().nonnegative().nullable() }).nullable(),
  inputTokens: count.nullable(),
  outputTokens: count.nullable(),
  readings: z.array(rateLimitReading),
  startedAtMs: z.number(),
  firstTokenAtMs: z.number().nullable(),
  endedAtMs: z.number(),
});

export const limiterReport = z.object({
  settled: z.array(z.object({ bucket: z.string(), id: z.string(), outcome: callOutcome })),
  released: z.array(z.object({ bucket: z.string(), id: z.string() })),
  cancelled: z.array(z.object({ bucket: z.string(), ticket: z.string() })),
});
export type LimiterReport = z.infer<typeof limiterReport>;

export const workerPresence = z.object({ workerId: z.string(), isLeaving: z.boolean() });
export type WorkerPresence = z.infer<typeof workerPresence>;

/** What the owner tells the fleet of a bucket, in the key-value store. */
export const bucketNews = z.object({
  limits: z.array(
    z.object({ unit: rateLimitReading.shape.unit, limit: z.number(), windowMs: z.number().positive() }),
  ),
  concurrency: z.number(),
  starting: z.boolean(),
  /** Until when the provider asked for no calls, and until when the breaker lets none through. */
  pausedUntilMs: z.number(),
  ejectedUntilMs: z.number(),
  /** The median of the last answers' time to their first token; null before there is one. */
  firstTokenMs: z.number().nullable(),
});
export type BucketNews = z.infer<typeof bucketNews>;

/** A provider key that is not healthy (`libs/domain/key-health.ts`), in the key-value store. */
export const keyTrouble = z.object({
  reason: z.enum(['quarantined', 'parked']),
  code: z.string(),
  sinceMs: z.number(),
  /** Absent in what was written before it was told apart from `sinceMs`. */
  fellAtMs: z.number().optional(),
  probeAtMs: z.number(),
  keptMs: z.number(),
});
