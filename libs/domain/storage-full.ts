import { FloError } from './errors.ts';

/** For a write that a disk or a bucket refused for want of room: what came with it is not kept. */
export const storageFull = (cause: unknown): FloError =>
  new FloError(
    'storage_full',
    'The storage of flo2 is full, and the request was not kept. Whoever runs flo2 has to make room; send it again after that.',
    { cause },
  );
