import { z } from 'zod';

/** What one header of a provider's answer says of one of its limits. */
export const rateLimitReading = z.object({
  unit: z.enum(['requests', 'tokens', 'input_tokens', 'output_tokens']),
  /** The period the limit is for; null where the provider does not say. */
  windowMs: z.int().positive().nullable(),
  limit: z.number().nonnegative().nullable(),
  remaining: z.number().nonnegative().nullable(),
  /** Unix milliseconds. */
  resetAtMs: z.number().nonnegative().nullable(),
});
export type RateLimitReading = z.infer<typeof rateLimitReading>;
