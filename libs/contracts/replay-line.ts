/**
 * The line between an ingress that runs an idempotent request and another whose client sent it too: the
 * second asks to follow, and is sent the answer from its beginning, over core NATS.
 */
import { z } from 'zod';

export const followRequest = z.object({
  /** The scope of the request, base64. */
  scope: z.base64().max(128),
  /** The subject to send the answer to. */
  replyTo: z.string().max(256),
});
export type FollowRequest = z.infer<typeof followRequest>;

/** `unknown`: no such request runs here now. `too_large`: its beginning was not kept. */
export const followReply = z.object({ state: z.enum(['following', 'unknown', 'too_large']) });
export type FollowReply = z.infer<typeof followReply>;

/** Sequences are contiguous from 0; bytes follow the header of `data`. `broken`: broken off without an end. */
export const replayFrameHeader = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('head'),
    sequence: z.int().nonnegative(),
    status: z.int(),
    headers: z.record(z.string(), z.string()),
  }),
  z.object({ kind: z.literal('data'), sequence: z.int().nonnegative() }),
  z.object({ kind: z.literal('comment'), sequence: z.int().nonnegative(), text: z.string() }),
  z.object({ kind: z.literal('end'), sequence: z.int().nonnegative() }),
  z.object({ kind: z.literal('broken'), sequence: z.int().nonnegative() }),
]);
export type ReplayFrameHeader = z.infer<typeof replayFrameHeader>;
