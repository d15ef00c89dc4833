import type { ObjectStore } from '#domain/object-store';
import { openS3ObjectStore, type S3Options } from '#http/s3-object-store';
import type { ProcessContext } from './connections.ts';

/** The configured object store, closed with the process's resources; null where there is none. */
export const openObjectStore = async (
  { resources }: ProcessContext,
  { role, options }: { role: string; options: S3Options | null },
): Promise<ObjectStore | null> =>
  options === null
    ? null
    : resources.open(
        `the object store of ${role}`,
        () => openS3ObjectStore(options),
        (store) => store.close(),
      );
