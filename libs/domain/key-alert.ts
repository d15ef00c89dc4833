import type { ProviderKeyId } from '#contracts/ids';
import type { WebhookEvent } from '#contracts/webhook';
import type { KeyTrouble } from './key-health.ts';

/** A key that fell, to be told to its tenant once. */
export type KeyAlert = { providerKeyId: ProviderKeyId; trouble: KeyTrouble };

export const keyAlertType = ({ reason }: KeyTrouble): WebhookEvent => `provider_key.${reason}`;

/** The same for as long as the key stays in its state, however often it is tried in vain. */
export const keyAlertOccurrence = ({ providerKeyId, trouble }: KeyAlert): string =>
  `${providerKeyId} ${trouble.reason} ${trouble.fellAtMs}`;

/** The `data` of the webhook that tells of it, in the words in which the control plane shows a key. */
export const keyAlertData = (
  key: { id: ProviderKeyId; provider: string; name: string },
  { reason, code, fellAtMs, probeAtMs }: KeyTrouble,
) => ({
  id: key.id,
  object: 'provider_key',
  provider: key.provider,
  name: key.name,
  status: reason,
  status_detail: {
    code,
    since: new Date(fellAtMs).toISOString(),
    next_try_at: new Date(probeAtMs).toISOString(),
  },
});
