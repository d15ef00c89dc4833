import { z } from 'zod';
import { providerKeyId } from './ids.ts';

/**
 * Room for one call under the limits of an account (`libs/domain/rate-limit-bucket.ts`), taken before the
 * call is queued. It travels with the dispatch; whoever makes the call settles it.
 */
export const reservation = z.object({
  /** Unique among what the bucket's owner has given out. */
  id: z.string(),
  /** The name of the bucket it was taken from (`libs/domain/bucket-name.ts`). */
  bucket: z.string(),
  /** Where in the plan it is: the target, and the key among the target's. */
  step: z.int().nonnegative(),
  keyIndex: z.int().nonnegative(),
  providerKeyId,
  /** What the call was taken to cost. */
  inputTokens: z.int().nonnegative(),
  outputTokens: z.int().nonnegative(),
});
export type Reservation = z.infer<typeof reservation>;
