/**
 * The line between the ingress that holds a client's connection and the worker that makes a call for
 * it: grants, frames, credit, cancellation and heartbeats, all over core NATS.
 *
 * An attempt's life as the ingress sees it:
 *
 *   queued ──grant──▶ attempting ──head──▶ answering ──end──▶ closed
 *     ▲                 │    ▲               │
 *     │ hand-over       │    └─grant n+1─────┤ (before the head only: a retry of the same worker)
 *     └─────────────────┘                    │
 *   any state ──fail | client left | deadline | worker lost──▶ closed
 *
 * Invariants: attempt n is granted at most once, and only after attempt n−1 is over; after the head of
 * an attempt no other attempt of the request is granted; frames of any attempt but the granted one are
 * dropped; a closed request grants nothing.
 */
import { z } from 'zod';
import { attemptId, providerKeyId, requestId } from './ids.ts';
import { providerId } from './vocabulary.ts';

export const grantRequest = z.object({
  requestId,
  step: z.int().nonnegative(),
  attemptNumber: z.int().positive(),
  attemptId,
  workerId: z.string(),
  provider: providerId,
  model: z.string(),
  providerKeyId,
  /** False where the worker only has to end the request, or to hand it over: no event follows then. */
  willCall: z.boolean().default(true),
});
export type GrantRequest = z.infer<typeof grantRequest>;

/** `gone`: no such request here (client left, answered, expired). `stale`: the attempt was granted before. */
export const grantReply = z.object({
  granted: z.boolean(),
  reason: z.enum(['gone', 'stale']).optional(),
});
export type GrantReply = z.infer<typeof grantReply>;

/** What a worker asks one ingress in one turn of its event loop travels together, and so do the answers. */
export const GRANTS_TOGETHER_MAX = 128;
export const grantRequests = z.array(grantRequest).min(1).max(GRANTS_TOGETHER_MAX);
export const grantReplies = z.array(grantReply).max(GRANTS_TOGETHER_MAX);

/** An error as it travels; `libs/domain/errors.ts` gives its code meaning. */
export const wireError = z.object({
  code: z.string(),
  message: z.string(),
  param: z.string().nullable(),
  /** What the provider asked to wait. */
  retryAfterMs: z.int().nonnegative().nullable(),
  upstreamStatus: z.int().nullable(),
});
export type WireError = z.infer<typeof wireError>;

const answerHead = z.object({
  status: z.int(),
  contentType: z.string(),
  provider: providerId,
  model: z.string(),
  upstreamRequestId: z.string().nullable(),
  /** From admission to the grant of the attempt that answers. */
  queueMs: z.int().nonnegative(),
  /** What the client asked for and the target could not be asked, where it asked to have it left out. */
  droppedParams: z.array(z.string()),
});
export type AnswerHead = z.infer<typeof answerHead>;

const position = { requestId, attemptNumber: z.int().positive(), sequence: z.int().nonnegative() };

/**
 * Frames of one attempt, their `sequence` contiguous from 0. Bytes, where a kind has them, follow the
 * header. `answer` is a whole answer in one frame; a stream is `head`, `data`…, `end`. `fail` closes
 * the request; `hand_over` says the next step is on its subject and this attempt is over.
 */
export const frameHeader = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('answer'), ...position, head: answerHead }),
  z.object({ kind: z.literal('head'), ...position, head: answerHead }),
  z.object({ kind: z.literal('data'), ...position }),
  z.object({ kind: z.literal('end'), ...position }),
  z.object({ kind: z.literal('hand_over'), ...position, step: z.int().positive() }),
  z.object({
    kind: z.literal('fail'),
    ...position,
    error: wireError,
    upstreamRequestId: z.string().nullable(),
  }),
]);
export type FrameHeader = z.infer<typeof frameHeader>;
export type Frame = { header: FrameHeader; bytes: Uint8Array };

/** Frames for one ingress travel together, of one attempt or of several, their bytes one behind the other. */
export const FRAMES_TOGETHER_MAX = 128;
export const framesHeader = z.object({
  frames: z
    .array(z.object({ header: frameHeader, bytes: z.int().nonnegative() }))
    .min(1)
    .max(FRAMES_TOGETHER_MAX),
});

/** From the ingress to the worker of an attempt. `credit` carries the bytes the client has taken so far. */
export const attemptControl = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('cancel'), requestId }),
  z.object({ kind: z.literal('credit'), requestId, takenBytes: z.int().nonnegative() }),
]);
export type AttemptControl = z.infer<typeof attemptControl>;

/** Sent by a worker every second to each ingress it works for; the answer names requests to abandon. */
export const heartbeat = z.object({
  workerId: z.string(),
  requestIds: z.array(requestId),
});
export type Heartbeat = z.infer<typeof heartbeat>;
export const heartbeatReply = z.object({ abandon: z.array(requestId) });
export type HeartbeatReply = z.infer<typeof heartbeatReply>;
