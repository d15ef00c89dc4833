import { z } from 'zod';
import { wireError, type WireError } from '#contracts/attempt-line';
import { attribution } from '#contracts/attribution';
import { batchMode } from '#contracts/batch';
import type { ApiKeyId, BatchId, FileId, TenantId, WorkItemId } from '#contracts/ids';
import { surfaceId, type SurfaceId } from '#contracts/vocabulary';
import type { BatchError, BatchStatus } from '#domain/batch';
import type { WorkState } from '#domain/work-item';
import type { SealedBytes } from '#domain/work-ports';

/** What all lines of a batch share, as its creator's key and request said it. */
export const batchOptions = z.object({
  attribution,
  /** The globs of the API key; null allows every model. */
  models: z.array(z.string()).nullable(),
  forwardedHeaders: z.record(z.string(), z.string()),
  dropInexpressible: z.boolean(),
  /** How its lines run; null leaves it to the tenant. */
  mode: batchMode.nullable().default(null),
});
export type BatchOptions = z.infer<typeof batchOptions>;

export type BatchDialect = 'openai' | 'anthropic';

export type NewBatch = {
  id: BatchId;
  tenantId: TenantId;
  apiKeyId: ApiKeyId;
  dialect: BatchDialect;
  endpoint: string;
  completionWindow: string;
  inputFileId: FileId;
  metadata: Record<string, string> | null;
  options: BatchOptions;
  outputSeconds: number;
  createdAt: Date;
  deadlineAt: Date;
};

export type StoredBatch = NewBatch & {
  status: BatchStatus;
  outputFileId: FileId | null;
  errorFileId: FileId | null;
  errors: BatchError[] | null;
  lines: number;
  waitingOn: unknown;
  inProgressAt: Date | null;
  finalizingAt: Date | null;
  cancellingAt: Date | null;
  endedAt: Date | null;
};

export type BatchRow = {
  id: string;
  tenant_id: string;
  api_key_id: string;
  dialect: BatchDialect;
  status: BatchStatus;
  endpoint: string;
  completion_window: string;
  input_file_id: string;
  output_file_id: string | null;
  error_file_id: string | null;
  metadata: Record<string, string> | null;
  options: unknown;
  errors: BatchError[] | null;
  lines: number;
  waiting_on: unknown;
  output_seconds: number;
  created_at: Date;
  deadline_at: Date;
  in_progress_at: Date | null;
  finalizing_at: Date | null;
  cancelling_at: Date | null;
  ended_at: Date | null;
};

export const decodeBatch = (row: BatchRow): StoredBatch => ({
  id: row.id as BatchId,
  tenantId: row.tenant_id as TenantId,
  apiKeyId: row.api_key_id as ApiKeyId,
  dialect: row.dialect,
  status: row.status,
  endpoint: row.endpoint,
  completionWindow: row.completion_window,
  inputFileId: row.input_file_id as FileId,
  outputFileId: row.output_file_id as FileId | null,
  errorFileId: row.error_file_id as FileId | null,
  metadata: row.metadata,
  options: batchOptions.parse(row.options),
  errors: row.errors,
  lines: row.lines,
  waitingOn: row.waiting_on,
  outputSeconds: row.output_seconds,
  createdAt: row.created_at,
  deadlineAt: row.deadline_at,
  inProgressAt: row.in_progress_at,
  finalizingAt: row.finalizing_at,
  cancellingAt: row.cancelling_at,
  endedAt: row.ended_at,
});

/** A line that has ended. */
export type EndedLine = {
  number: number;
  customId: string;
  id: WorkItemId;
  surface: SurfaceId;
  state: WorkState;
  status: number | null;
  error: WireError | null;
  answer: SealedBytes | null;
};

/** Which lines a file consists of: those with a good answer, the other ones, or all. */
export type LineKind = 'answered' | 'unanswered' | 'ended';

export const LINES_OF_KIND: Readonly<Record<LineKind, string>> = {
  answered: `item.state = 'completed'`,
  unanswered: `item.state not in ('queued', 'in_progress', 'completed')`,
  ended: `item.state not in ('queued', 'in_progress')`,
};

export type EndedLineRow = {
  line_number: number;
  custom_id: string;
  id: string;
  surface: string;
  state: WorkState;
  answer: { status: number } | null;
  error: unknown;
  data_key_version: number | null;
  sealed: Buffer | null;
};

export const decodeEndedLine = (row: EndedLineRow): EndedLine => ({
  number: row.line_number,
  customId: row.custom_id,
  id: row.id as WorkItemId,
  surface: surfaceId.parse(row.surface),
  state: row.state,
  status: row.answer?.status ?? null,
  error: row.error === null ? null : wireError.parse(row.error),
  answer:
    row.sealed === null || row.data_key_version === null
      ? null
      : { dataKeyVersion: row.data_key_version, sealed: row.sealed },
});
