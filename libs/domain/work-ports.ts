/** What the lanes of queued work ask of their store; `libs/domain/work-item.ts` has the rules. */
import { z } from 'zod';
import { attribution } from '#contracts/attribution';
import { attemptHolds } from '#contracts/budget';
import { attemptId, providerKeyId, type ApiKeyId, type TenantId, type WorkItemId } from '#contracts/ids';
import { OPERATIONS, providerId, type Lane, type SurfaceId } from '#contracts/vocabulary';
import type { WorkResult } from '#contracts/work-result';
import type { PayloadOwner } from './ports.ts';
import type { OnUnknown } from './work-item.ts';

export type QueuedLane = Exclude<Lane, 'interactive'>;
/** Where an item stands: lines under `native` wait for their provider's own batch, and the queue lets them be. */
export type WorkLane = QueuedLane | 'native';

/** What an item was asked with, beside its body. */
export const workOptions = z.object({
  attribution,
  forwardedHeaders: z.record(z.string(), z.string()),
  dropInexpressible: z.boolean(),
  operation: z.enum(OPERATIONS),
  /** The request's own bound on one answer, and how many answers it asks for. */
  maxOutputTokens: z.int().nonnegative().nullable(),
  answers: z.int().positive(),
});
export type WorkOptions = z.infer<typeof workOptions>;

/** The attempt under way, as it is stored with its item. */
export const workClaim = z.object({
  attemptId,
  step: z.int().nonnegative(),
  provider: providerId,
  model: z.string(),
  providerKeyId,
  route: z.string().nullable(),
  /** What it holds of budgets; absent for nothing. Where its worker is lost, nobody else knows. */
  holds: attemptHolds.optional(),
  /** Unix milliseconds. */
  claimedAtMs: z.int().nonnegative(),
});
export type WorkClaim = z.infer<typeof workClaim>;

export type SealedBytes = { dataKeyVersion: number; sealed: Uint8Array };

export type AskedClaim = { id: WorkItemId; attempt: number; claim: WorkClaim };

/** What workers ask. All reject with the driver's error when the store is down. */
export type WorkClaims = {
  /** The compare-and-set of each attempt, all in one go: resolves to the bodies of those that were won. */
  claim: (workerId: string, asked: readonly AskedClaim[]) => Promise<Map<WorkItemId, SealedBytes>>;
  /** Says that the worker lives; resolves to what it holds and should give up. */
  beat: (workerId: string) => Promise<WorkItemId[]>;
  /** Takes the worker from the list of those that could be lost. */
  leave: (workerId: string) => Promise<void>;
};

/** Seals payloads under their tenant's data key; what is sealed for one place opens in no other. */
export type PayloadPlace = Omit<PayloadOwner, 'dataKeyVersion'>;
export type PayloadSeal = {
  /** Rejects when the tenant, and with it its key, is gone. */
  seal: (place: PayloadPlace, bytes: Uint8Array) => Promise<SealedBytes>;
  /** Rejects when the key is gone, or the bytes were changed or moved. */
  open: (place: PayloadPlace, sealed: SealedBytes) => Promise<Buffer>;
};

/** What one message brought. */
export type ReceivedResults = {
  results: WorkResult[];
  /** May be lost on its way: the results come again then. */
  ack: () => void;
  retryLater: () => void;
};

/** An item that has reached a terminal state just now. */
export type EndedItem = { id: WorkItemId; tenantId: TenantId; batchId: string | null };

/** Whose work waits, and for what. */
export type WorkFlow = {
  lane: QueuedLane;
  tenantId: TenantId;
  requestedModel: string;
  team: string;
  feature: string;
};

/** An item to be taken on. Times are Unix milliseconds. */
export type NewWorkItem = {
  id: WorkItemId;
  tenantId: TenantId;
  apiKeyId: ApiKeyId;
  lane: WorkLane;
  requestedModel: string;
  surface: SurfaceId;
  line: { batchId: string; number: number; customId: string } | null;
  estimatedInputTokens: number;
  estimatedOutputTokens: number;
  createdAtMs: number;
  deadlineAtMs: number;
  onUnknown: OnUnknown;
  options: WorkOptions;
  body: SealedBytes;
};
