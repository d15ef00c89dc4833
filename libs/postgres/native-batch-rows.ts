import { z } from 'zod';
import { dispatchHeader, type DispatchHeader } from '#contracts/dispatch';
import type { AttemptId, BatchId, NativeBatchId, ProviderKeyId, TenantId, WorkItemId } from '#contracts/ids';
import { providerId, type ProviderId } from '#contracts/vocabulary';
import { nativeBatchState, type NativeBatchStanding } from '#domain/native-batch';
import type { OnUnknown } from '#domain/work-item';
import type { SealedBytes, WorkClaim } from '#domain/work-ports';

/** What its driver knows the provider's batch by. */
const reference = z.object({ id: z.string(), parts: z.record(z.string(), z.string()) });
/** What the last look showed. */
const observed = z.object({
  state: z.enum(['pending', 'ended', 'refused']),
  status: z.string(),
  counts: z.object({ total: z.number(), succeeded: z.number(), failed: z.number() }).nullable(),
  errors: z.array(z.string()),
});
export type StoredReference = z.infer<typeof reference>;
export type StoredObservation = z.infer<typeof observed>;

export type NativeBatch = NativeBatchStanding & {
  id: NativeBatchId;
  tenantId: TenantId;
  batchId: BatchId;
  provider: ProviderId;
  providerKeyId: ProviderKeyId;
  model: string;
  path: string;
  headers: Record<string, string>;
  lines: number;
  windowHours: number;
  reference: StoredReference | null;
  observed: StoredObservation | null;
  lastError: string | null;
  endedAtMs: number | null;
};

/** A line that is to be in one, with the attempt that it then is. */
export type NativeLineClaim = {
  id: WorkItemId;
  attemptNumber: number;
  claim: WorkClaim;
  header: DispatchHeader;
};

/** A line that is in one. `body`: what was asked, sealed; null where the line has ended since. */
export type NativeLine = {
  id: WorkItemId;
  attemptId: AttemptId;
  attemptNumber: number;
  header: DispatchHeader;
  claimedAtMs: number;
  /** Whether the item is still in this attempt. */
  isHeld: boolean;
  isRecorded: boolean;
  rounds: number;
  onUnknown: OnUnknown;
  possibleDuplicateCharge: boolean;
  cancelRequested: boolean;
  body: SealedBytes | null;
};

export type NativeBatchRow = {
  id: string;
  tenant_id: string;
  batch_id: string;
  provider: string;
  provider_key_id: string;
  model: string;
  path: string;
  headers: unknown;
  lines: number;
  window_hours: number;
  state: string;
  may_exist: boolean;
  asked_at: Date | null;
  refusals: number;
  failures: number;
  is_abandoned: boolean;
  reference: unknown;
  observed: unknown;
  last_error: string | null;
  created_at: Date;
  escalate_at: Date;
  abandon_at: Date;
  forget_at: Date;
  ended_at: Date | null;
  cancelling_at: Date | null;
};

export const decodeNativeBatch = (row: NativeBatchRow): NativeBatch => ({
  id: row.id as NativeBatchId,
  tenantId: row.tenant_id as TenantId,
  batchId: row.batch_id as BatchId,
  provider: providerId.parse(row.provider),
  providerKeyId: row.provider_key_id as ProviderKeyId,
  model: row.model,
  path: row.path,
  headers: z.record(z.string(), z.string()).parse(row.headers),
  lines: row.lines,
  windowHours: row.window_hours,
  state: nativeBatchState.parse(row.state),
  mayExist: row.may_exist,
  askedAtMs: row.asked_at?.getTime() ?? null,
  refusals: row.refusals,
  failures: row.failures,
  isAbandoned: row.is_abandoned,
  cancelledAtMs: row.cancelling_at?.getTime() ?? null,
  createdAtMs: row.created_at.getTime(),
  escalateAtMs: row.escalate_at.getTime(),
  abandonAtMs: row.abandon_at.getTime(),
  forgetAtMs: row.forget_at.getTime(),
  reference: row.reference === null ? null : reference.parse(row.reference),
  observed: row.observed === null ? null : observed.parse(row.observed),
  lastError: row.last_error,
  endedAtMs: row.ended_at?.getTime() ?? null,
});

export type NativeLineRow = {
  work_item_id: string;
  attempt_id: string;
  attempt_number: number;
  header: unknown;
  claimed_at: Date;
  is_recorded: boolean;
  is_held: boolean;
  rounds: number;
  on_unknown: OnUnknown;
  possible_duplicate_charge: boolean;
  cancel_requested: boolean;
  data_key_version: number | null;
  sealed: Buffer | null;
};

export const decodeNativeLine = (row: NativeLineRow): NativeLine => ({
  id: row.work_item_id as WorkItemId,
  attemptId: row.attempt_id as AttemptId,
  attemptNumber: row.attempt_number,
  header: dispatchHeader.parse(row.header),
  claimedAtMs: row.claimed_at.getTime(),
  isHeld: row.is_held,
  isRecorded: row.is_recorded,
  rounds: row.rounds,
  onUnknown: row.on_unknown,
  possibleDuplicateCharge: row.possible_duplicate_charge,
  cancelRequested: row.cancel_requested,
  body:
    row.sealed === null || row.data_key_version === null
      ? null
      : { dataKeyVersion: row.data_key_version, sealed: row.sealed },
});
