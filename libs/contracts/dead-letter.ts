import { z } from 'zod';
import { tenantId } from './ids.ts';

/**
 * `unreadable`: no reader of the queue can make sense of it. `exhausted`: it was delivered as often as it
 * may be, and no worker came to an end with it. `refused`: it can be read, and will never be carried out.
 */
export const deadLetterReason = z.enum(['unreadable', 'exhausted', 'refused']);
export type DeadLetterReason = z.infer<typeof deadLetterReason>;

/** What is known of a message that was taken out of its queue; the message's own bytes follow it. */
export const deadLetter = z.object({
  version: z.literal(1),
  reason: deadLetterReason,
  /** For people: what happened, without a payload. */
  explanation: z.string(),
  /** Where it was, and where a replay puts it back. */
  stream: z.string(),
  subject: z.string(),
  streamSequence: z.int().nonnegative(),
  deliveries: z.int().nonnegative(),
  messageId: z.string().nullable(),
  tenantId: tenantId.nullable(),
  /** Unix milliseconds. */
  diedAtMs: z.int().nonnegative(),
  /** The message's size, bytes. */
  bytes: z.int().nonnegative(),
  /** Whether only the beginning is kept; such a one cannot be replayed. */
  truncated: z.boolean(),
});
export type DeadLetter = z.infer<typeof deadLetter>;

/** What JetStream says when a message has used up its deliveries. */
export const maxDeliveriesAdvisory = z.object({
  stream: z.string(),
  consumer: z.string(),
  stream_seq: z.int().positive(),
  deliveries: z.int().nonnegative(),
});
