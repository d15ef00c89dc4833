import { z } from 'zod';
import { wireError } from './attempt-line.ts';
import { tenantId, workItemId } from './ids.ts';
import { payloadReference } from './payload-reference.ts';
import { providerId } from './vocabulary.ts';

/**
 * What a worker says came of a work item, for the stream `RES`. Of an answer the body follows the header,
 * sealed under the tenant's data key of that version. `again` gives the item back to the feeder, for a wait
 * that is too long to hold a slot.
 */
export const workResultHeader = z.object({
  version: z.literal(1),
  workItemId,
  tenantId,
  /** The item's attempts so far. */
  attempts: z.int().positive(),
  /** How many of this round's attempts called nobody, and leave no event; absent for none. */
  uncalled: z.int().positive().optional(),
  provider: providerId,
  model: z.string(),
  upstreamRequestId: z.string().nullable(),
  /** Where the sealed body is, when it is not behind this header. */
  payload: payloadReference.optional(),
  /** Unix milliseconds. */
  endedAtMs: z.int().nonnegative(),
  outcome: z.discriminatedUnion('kind', [
    z.object({ kind: z.literal('answered'), status: z.int(), dataKeyVersion: z.int().positive() }),
    z.object({ kind: z.literal('failed'), error: wireError }),
    z.object({ kind: z.literal('again'), error: wireError, notBeforeMs: z.int().nonnegative() }),
  ]),
});
export type WorkResultHeader = z.infer<typeof workResultHeader>;

/** Results of one tenant travel together; a message of `RES` holds so many, their bodies one behind the other. */
export const RESULTS_TOGETHER_MAX = 32;
export const workResultsHeader = z.object({
  results: z
    .array(z.object({ header: workResultHeader, bytes: z.int().nonnegative() }))
    .min(1)
    .max(RESULTS_TOGETHER_MAX),
});
export type WorkResult = { header: WorkResultHeader; body: Uint8Array };
