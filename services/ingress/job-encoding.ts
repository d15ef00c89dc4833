import type { StoredJob } from '#postgres/jobs';

/** A job as the API shows it; `body` is the answer's, where there is one and it is wanted. */
export const encodeJob = (job: StoredJob, body: unknown) => ({
  id: job.id,
  object: 'job',
  status: job.state,
  model: job.model,
  request_id: job.requestId,
  metadata: job.metadata,
  attempts: job.attempts,
  cancel_requested: job.cancelRequested,
  possible_duplicate_charge: job.possibleDuplicateCharge,
  created_at: job.createdAt.toISOString(),
  started_at: job.startedAt?.toISOString() ?? null,
  ended_at: job.endedAt?.toISOString() ?? null,
  deadline: job.deadlineAt.toISOString(),
  /** Null where there is none yet, or none any more: `result_forgotten_at` says so. */
  response: job.status === null || body === null ? null : { status_code: job.status, body },
  result_forgotten_at: job.forgottenAt?.toISOString() ?? null,
  error:
    job.error === null || job.state === 'in_progress'
      ? null
      : {
          code: job.error.code,
          message: job.error.message,
          ...(job.error.param !== null && { param: job.error.param }),
        },
});
