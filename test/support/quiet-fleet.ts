import type { FleetState } from '#domain/fleet-state';

/** A fleet in which every key is healthy and nothing is in the way. */
export const quietFleet: FleetState = {
  keyHealth: () => null,
  troubledKeys: () => [],
  replaceKeyHealth: async () => true,
  bucketNews: () => null,
  tellBucketNews: () => undefined,
  onBucketNews: () => undefined,
};
