import { encodeSubjectToken } from '#contracts/subjects';
import type { ProviderKeyId, TenantId } from '#contracts/ids';
import type { ProviderId } from '#contracts/vocabulary';

/** Dates and versions behind a model's name: `-2024-07-18`, `-20250514`, `-0613`, `-001`, `-latest`. */
const SNAPSHOT = /[-@](?:\d{4}-\d{2}-\d{2}|\d{8}|\d{4}|\d{3}|latest)$/;

/** The models that providers count against one limit: a model and its dated snapshots. */
export const modelFamily = (model: string): string => model.replace(SNAPSHOT, '');

/**
 * The name of the bucket of an account's calls to a family of models; fit for a subject and a key-value store.
 * Keys of one declared account share it; any other key is an account of its own. Accounts are a tenant's own:
 * another tenant's account of the same name is another one.
 */
export const bucketName = (of: {
  tenantId: TenantId;
  provider: ProviderId;
  providerKeyId: ProviderKeyId;
  account: string | null;
  model: string;
}): string => {
  const account = of.account === null ? of.providerKeyId : `account-${encodeSubjectToken(of.account)}`;
  return `${of.tenantId}.${of.provider}.${account}.${encodeSubjectToken(modelFamily(of.model))}`;
};
