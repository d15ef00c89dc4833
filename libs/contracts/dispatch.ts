import { z } from 'zod';
import { attribution } from './attribution.ts';
import { attemptHolds } from './budget.ts';
import { apiKeyId, providerKeyId, requestId, tenantId, workItemId } from './ids.ts';
import { reservation } from './reservation.ts';
import { payloadReference } from './payload-reference.ts';
import { lane, providerId, streamFraming, surfaceId } from './vocabulary.ts';

export const TARGETS_MAX = 16;
export const KEYS_PER_TARGET_MAX = 32;

/** One target of a request's plan: a model at a provider, and the tenant's keys for it in order. */
export const planStep = z.object({
  provider: providerId,
  model: z.string().min(1),
  providerKeyIds: z.array(providerKeyId).min(1).max(KEYS_PER_TARGET_MAX),
  /** For each of the keys the declared account whose rate limits it shares; null is an account of its own. */
  accounts: z.array(z.string().nullable()).optional(),
});
export type PlanStep = z.infer<typeof planStep>;

export const requestPlan = z.object({
  steps: z.array(planStep).min(1).max(TARGETS_MAX),
  /** Upstream attempts the whole request may make. */
  maxAttempts: z.int().positive(),
  /** How long one attempt may take to its first byte; null leaves it to the deadline's share. */
  attemptTimeoutMs: z.int().positive().nullable(),
});
export type RequestPlan = z.infer<typeof requestPlan>;

/**
 * The header of a message on a model's subject; the client's body follows it as the bytes it sent.
 * Provider keys are named by id only.
 */
export const dispatchHeader = z.object({
  version: z.literal(1),
  requestId,
  tenantId,
  apiKeyId,
  lane,
  surface: surfaceId,
  stream: z.boolean(),
  streamFraming,
  /** Whether to leave out what a target cannot be asked, instead of refusing the request. */
  dropInexpressible: z.boolean(),
  requestedModel: z.string(),
  route: z.string().nullable(),
  attribution,
  /** The client's headers that its dialect passes on to a provider of the same dialect, lower case. */
  forwardedHeaders: z.record(z.string(), z.string()),
  plan: requestPlan,
  /** What each attempt holds of the tenant's budgets. */
  holds: attemptHolds.default([]),
  /** Which step of the plan this message is for. */
  step: z.int().nonnegative(),
  /** Room for the first attempt; without one the worker asks for it itself. */
  reservation: reservation.nullable().optional(),
  /** The number of the first attempt this message may make; earlier numbers belong to earlier steps. */
  firstAttempt: z.int().positive(),
  /** How many of a work item's attempts at earlier steps of this round called nobody; absent for none. */
  uncalled: z.int().positive().optional(),
  /** The ingress that holds the client's connection and grants the attempts; null in the other lanes. */
  ingressId: z.string().nullable(),
  /**
   * What the dispatch is for in the lanes `async` and `batch`: whoever claims it there gets the body, which
   * the message does not carry. `round` counts from 1 how often it was given to the queue.
   */
  workItem: z.object({ id: workItemId, round: z.int().positive() }).nullable().optional(),
  /** Where the client's body is, when it is not behind this header. */
  payload: payloadReference.optional(),
  /** Unix milliseconds. */
  admittedAtMs: z.int().nonnegative(),
  deadlineAtMs: z.int().nonnegative(),
});
export type DispatchHeader = z.infer<typeof dispatchHeader>;

export type Dispatch = { header: DispatchHeader; body: Uint8Array };

/** Dispatches of lanes without a client's connection may travel together, those of one subject in one message. */
export const DISPATCHES_TOGETHER_MAX = 8;

/**
 * The header of a message as it travels: a dispatch's own fields, and of `others` the fields that differ from
 * them. Each is a `dispatchHeader` once those are put over it.
 */
export const travellingHeader = z.looseObject({
  others: z
    .array(z.record(z.string(), z.unknown()))
    .max(DISPATCHES_TOGETHER_MAX - 1)
    .default([]),
});
