import { z } from 'zod';
import { attribution } from './attribution.ts';
import { attemptHolds } from './budget.ts';
import { apiKeyId, attemptId, providerKeyId, requestId, tenantId } from './ids.ts';
import { usage } from './usage.ts';
import { lane, providerId, surfaceId } from './vocabulary.ts';

/**
 * How one upstream attempt ended.
 * `succeeded`: a whole answer. `failed`: the provider answered with an error, or could not be reached.
 * `timed_out`: a time limit of ours passed. `cut`: the answer broke off after it began.
 * `cancelled`: the client left. `outcome_unknown`: the call was granted and its outcome was lost.
 */
export const ATTEMPT_OUTCOMES = [
  'succeeded',
  'failed',
  'timed_out',
  'cut',
  'cancelled',
  'outcome_unknown',
] as const;
export const attemptOutcome = z.enum(ATTEMPT_OUTCOMES);
export type AttemptOutcome = z.infer<typeof attemptOutcome>;

/**
 * One immutable record per upstream attempt, published to the event stream and stored by metering.
 * Its id is minted before the call.
 *
 * `revision` is 1 in the worker's own report and 0 in the ingress's report of a lost outcome, so a
 * worker that was only cut off for a while corrects the presumption instead of contradicting it.
 */
export const attemptEvent = z.object({
  version: z.literal(1),
  attemptId,
  revision: z.union([z.literal(0), z.literal(1)]),
  requestId,
  tenantId,
  apiKeyId,
  providerKeyId,
  provider: providerId,
  /** The model asked of the provider. */
  model: z.string(),
  /** The model the provider says it served. */
  servedModel: z.string().nullable(),
  /** What the client wrote in `model`. */
  requestedModel: z.string(),
  route: z.string().nullable(),
  lane,
  surface: surfaceId,
  stream: z.boolean(),
  attribution,
  /** 1 for the request's first attempt. */
  attemptNumber: z.int().positive(),
  /** The position of the target in the request's plan, from 0. */
  step: z.int().nonnegative(),
  outcome: attemptOutcome,
  /** The catalogue's code (see `libs/domain/errors.ts`), null when it succeeded. */
  errorCode: z.string().nullable(),
  upstreamStatus: z.int().nullable(),
  upstreamRequestId: z.string().nullable(),
  /** The provider's id of the answer (`chatcmpl-…`, `msg_…`). */
  providerResponseId: z.string().nullable(),
  finishReason: z.string().nullable(),
  /** Unix milliseconds. */
  startedAtMs: z.int().nonnegative(),
  /** From admission to the start of this attempt. */
  queueMs: z.int().nonnegative(),
  firstByteMs: z.int().nonnegative().nullable(),
  firstTokenMs: z.int().nonnegative().nullable(),
  durationMs: z.int().nonnegative(),
  /** What the attempt held of the tenant's budgets; recording the event gives it back. */
  holds: attemptHolds.default([]),
  usage,
});
export type AttemptEvent = z.infer<typeof attemptEvent>;
