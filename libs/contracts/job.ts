import { z } from 'zod';
import { webhookTarget } from './webhook.ts';

const DAY_SECONDS = 86_400;
/** How far a deadline may be away. */
export const WORK_DEADLINE_SECONDS_MAX = 7 * DAY_SECONDS;
export const WORK_DEADLINE_SECONDS_DEFAULT = DAY_SECONDS;
const RESULT_SECONDS_MAX = 30 * DAY_SECONDS;

/** OpenAI's bounds on what a caller may write on an object for itself. */
export const callerMetadata = z
  .record(z.string().min(1).max(64), z.string().max(512))
  .refine((value) => Object.keys(value).length <= 16, 'must have at most 16 entries');

/** `POST /v1/jobs`. */
export const jobBody = z.strictObject({
  /** The path of a data-plane endpoint. */
  endpoint: z.string().min(1).max(512),
  /** What would be posted there. */
  body: z.record(z.string(), z.unknown()),
  webhook: webhookTarget.optional(),
  metadata: callerMetadata.default({}),
  deadline: z.iso
    .datetime({ offset: true, error: 'must be an RFC 3339 time like 2027-01-31T00:00:00Z' })
    .optional(),
  /** Seconds the answer is kept after the end; 0 only until it is fetched. @default what the server is set to */
  result_ttl: z.int().min(0).max(RESULT_SECONDS_MAX).optional(),
  /** What becomes of it where a call may have happened and its outcome was lost. */
  on_unknown: z.enum(['repeat', 'fail']).default('repeat'),
});
export type JobBody = z.infer<typeof jobBody>;

/** Longest time one `GET /v1/jobs/{id}?wait=` waits, seconds. */
const WAIT_SECONDS_MAX = 60;

export const jobQuery = z.strictObject({ wait: z.coerce.number().min(0).max(WAIT_SECONDS_MAX).default(0) });

export const jobListQuery = z.strictObject({
  limit: z.coerce.number().int().min(1).max(100).default(20),
  cursor: z.string().max(512).optional(),
  status: z
    .enum(['queued', 'in_progress', 'completed', 'failed', 'cancelled', 'expired', 'outcome_unknown'])
    .optional(),
});
