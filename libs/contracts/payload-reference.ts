import { z } from 'zod';

/** Bytes that are over what one message holds, kept in the object store until they are used. */
export const payloadReference = z.object({
  /** The request's or work item's id, under which there is one at a time. */
  name: z.string().min(1).max(128),
  bytes: z.int().positive(),
  /** Hex. */
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
});
export type PayloadReference = z.infer<typeof payloadReference>;
