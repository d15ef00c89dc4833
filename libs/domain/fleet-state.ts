import type { ProviderKeyId } from '#contracts/ids';
import type { BucketNews } from '#contracts/limiter-line';
import type { KeyHealth, KeyTrouble } from './key-health.ts';

/**
 * What all processes know of keys and buckets within moments. Reading asks nobody; a write that fails is told to
 * nobody, since the next outcome writes again.
 */
export type FleetState = {
  keyHealth: (id: ProviderKeyId) => KeyHealth;
  /** All that are not healthy now. */
  troubledKeys: () => { providerKeyId: ProviderKeyId; trouble: KeyTrouble }[];
  /**
   * Puts a state in the place of the one last read. Resolves to whether it was so, false where somebody was
   * faster or the store is away: of several who saw the same, one succeeds.
   */
  replaceKeyHealth: (id: ProviderKeyId, health: KeyHealth) => Promise<boolean>;
  bucketNews: (bucket: string) => BucketNews | null;
  tellBucketNews: (bucket: string, news: BucketNews) => void;
  onBucketNews: (listener: (bucket: string) => void) => void;
};
