/** Where bytes lie that Postgres only keeps account of. All reject with `FloError` `unavailable`, `put` also with `storage_full`. */
export type ObjectStore = {
  put: (name: string, bytes: Uint8Array) => Promise<void>;
  /** Null where there is none of that name. */
  get: (name: string) => Promise<Buffer | null>;
  /** Also where there is none. */
  remove: (name: string) => Promise<void>;
};
