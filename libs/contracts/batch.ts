import { z } from 'zod';
import { callerMetadata } from './job.ts';

const DAY_SECONDS = 86_400;

/**
 * How a batch's lines run. `queued`: through the queue, at once and at the ordinary price. `native`: by the
 * provider's own batch API wherever there is one. `auto`: so where the price book says that it is cheaper and
 * there is a day's time.
 */
export const BATCH_MODES = ['queued', 'native', 'auto'] as const;
export const batchMode = z.enum(BATCH_MODES, { error: `must be one of ${BATCH_MODES.join(', ')}` });
export type BatchMode = z.infer<typeof batchMode>;

export const FILE_BYTES_MAX = 200 * 1024 * 1024;
export const FILENAME_LENGTH_MAX = 512;
export const BATCH_LINES_MAX = 50_000;
/** A line that is longer could not be queued either. */
export const BATCH_LINE_BYTES_MAX = 7 * 1024 * 1024;
export const CUSTOM_ID_LENGTH_MAX = 512;
/** What is wrong is told up to this many times; a caller mends the rest alike. */
export const BATCH_ERRORS_MAX = 100;
/** How long results are kept where the batch does not say it. */
export const OUTPUT_SECONDS_DEFAULT = 30 * DAY_SECONDS;

const expiresAfter = z.strictObject({
  anchor: z.literal('created_at'),
  seconds: z.coerce.number().int().min(3_600).max(OUTPUT_SECONDS_DEFAULT),
});

/** The fields beside the file; a form writes nested ones as `expires_after[anchor]`. */
export const fileFields = z.strictObject({
  purpose: z.enum(['assistants', 'batch', 'fine-tune', 'vision', 'user_data', 'evals']),
  expires_after: expiresAfter.optional(),
});

export const fileListQuery = z.strictObject({
  after: z.string().max(64).optional(),
  limit: z.coerce.number().int().min(1).max(10_000).default(10_000),
  order: z.enum(['asc', 'desc']).default('desc'),
  purpose: z.string().max(64).optional(),
});

/** Hours, or days: `24h`, `7d`. */
const completionWindow = z
  .string()
  .regex(/^(?:[1-9]\d{0,2}h|[1-7]d)$/, 'must be a time such as 24h or 7d')
  .refine((text) => windowSeconds(text) <= 7 * DAY_SECONDS, 'must be 7 days at most');

export const windowSeconds = (text: string): number =>
  Number.parseInt(text, 10) * (text.endsWith('d') ? DAY_SECONDS : 3_600);

export const batchBody = z.strictObject({
  input_file_id: z.string().min(1).max(64),
  endpoint: z.enum(['/v1/chat/completions', '/v1/responses', '/v1/embeddings', '/v1/messages']),
  completion_window: completionWindow,
  metadata: callerMetadata.nullable().optional(),
  output_expires_after: expiresAfter.optional(),
});

export const batchListQuery = z.strictObject({
  after: z.string().max(64).optional(),
  limit: z.coerce.number().int().min(1).max(100).default(20),
});

/** One line of an input file. */
export const batchLine = z.object({
  custom_id: z.string().min(1).max(CUSTOM_ID_LENGTH_MAX),
  method: z.literal('POST'),
  url: z.string(),
  body: z.record(z.string(), z.unknown()),
});

/** `POST /v1/messages/batches`. */
export const messageBatchBody = z.strictObject({
  requests: z
    .array(
      z.strictObject({
        custom_id: z.string().regex(/^[a-zA-Z0-9_-]{1,64}$/, 'must be 1 to 64 letters, digits, "_" or "-"'),
        params: z.record(z.string(), z.unknown()),
      }),
    )
    .min(1)
    .max(BATCH_LINES_MAX),
});

export const messageBatchListQuery = z.strictObject({
  after_id: z.string().max(64).optional(),
  before_id: z.string().max(64).optional(),
  limit: z.coerce.number().int().min(1).max(1_000).default(20),
  beta: z.string().max(64).optional(),
});
