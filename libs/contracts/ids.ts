import { z } from 'zod';

/**
 * Prefixed opaque ids: `<prefix>_` and 26 characters of lower-case Crockford base32 (48 bits of
 * milliseconds, 80 random bits). They sort by creation time as plain text.
 */
const identifier = <Brand extends string>(prefix: string, brand: Brand) =>
  z
    .string()
    .regex(new RegExp(`^${prefix}_[0-9a-hjkmnp-tv-z]{26}$`), `must look like ${prefix}_…`)
    .brand(brand);

export const tenantId = identifier('ten', 'TenantId');
export const providerKeyId = identifier('pkey', 'ProviderKeyId');
export const apiKeyId = identifier('akey', 'ApiKeyId');
export const requestId = identifier('req', 'RequestId');
export const attemptId = identifier('att', 'AttemptId');
/** A job, or a line of a batch. */
export const workItemId = identifier('job', 'WorkItemId');
export const fileId = identifier('file', 'FileId');
/** A batch of OpenAI's dialect, or of Anthropic's. */
export const batchId = z.union([identifier('batch', 'BatchId'), identifier('msgbatch', 'BatchId')]);
/** A batch at a provider. */
export const nativeBatchId = identifier('nbat', 'NativeBatchId');
export const budgetId = identifier('bud', 'BudgetId');
export const negotiatedRateId = identifier('rate', 'NegotiatedRateId');
export const repricingId = identifier('repr', 'RepricingId');

export type TenantId = z.infer<typeof tenantId>;
export type ProviderKeyId = z.infer<typeof providerKeyId>;
export type ApiKeyId = z.infer<typeof apiKeyId>;
export type RequestId = z.infer<typeof requestId>;
export type AttemptId = z.infer<typeof attemptId>;
export type WorkItemId = z.infer<typeof workItemId>;
export type FileId = z.infer<typeof fileId>;
export type BatchId = z.infer<typeof batchId>;
export type NativeBatchId = z.infer<typeof nativeBatchId>;
export type BudgetId = z.infer<typeof budgetId>;
export type NegotiatedRateId = z.infer<typeof negotiatedRateId>;
export type RepricingId = z.infer<typeof repricingId>;

/** The ids by prefix, for code that mints them. */
export type IdByPrefix = {
  ten: TenantId;
  pkey: ProviderKeyId;
  akey: ApiKeyId;
  req: RequestId;
  att: AttemptId;
  job: WorkItemId;
  file: FileId;
  batch: BatchId;
  msgbatch: BatchId;
  nbat: NativeBatchId;
  bud: BudgetId;
  rate: NegotiatedRateId;
  repr: RepricingId;
  /** A part of a budget that one process may hand out. */
  bls: string;
  /** An address that a tenant is told things at, and one thing told. */
  whk: string;
  msg: string;
  /** A running ingress or worker; gone with its process. */
  ing: string;
  wrk: string;
  /** A process that asks for room under rate limits. */
  lic: string;
};
