import { hash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Objm, type ObjectStore } from '@nats-io/obj';
import { nanos, type NatsConnection } from '@nats-io/transport-node';
import { StorageType } from '@nats-io/jetstream';
import type { PayloadReference } from '#contracts/payload-reference';
import { PAYLOAD_BUCKET } from '#contracts/subjects';
import { FloError } from '#domain/errors';

/** A read that hangs, as one of an object whose chunks are lost does, ends with it. */
const TIMEOUT_MS = 15_000;

/**
 * Claim checks: bytes over what one message holds. Every method rejects with `FloError` `unavailable` where
 * they cannot be stored, or are not there whole within 15 s.
 */
export type PayloadStore = {
  put: (name: string, bytes: Uint8Array) => Promise<PayloadReference>;
  /** Only what is whole, by its length and its SHA-256. */
  get: (reference: PayloadReference) => Promise<Uint8Array>;
  /** Never rejects: what is left behind goes with its age. */
  remove: (name: string) => Promise<void>;
};

const unavailable = (message: string, cause?: unknown): FloError =>
  new FloError('unavailable', message, { retryAfterMs: 1_000, cause });

const inTime = async <Value>(work: Promise<Value>): Promise<Value> => {
  const timer = new AbortController();
  const late = sleep(TIMEOUT_MS, null, { signal: timer.signal }).then(() => {
    throw new Error('it took too long');
  });
  late.catch(() => undefined);
  try {
    return await Promise.race([work, late]);
  } finally {
    timer.abort();
  }
};

export const createPayloadStore = (connection: NatsConnection): PayloadStore => {
  let opened: Promise<ObjectStore> | null = null;
  const open = (): Promise<ObjectStore> => {
    opened ??= new Objm(connection)
      .create(PAYLOAD_BUCKET.name, {
        storage: StorageType.File,
        ttl: nanos(PAYLOAD_BUCKET.maxAgeMs),
        max_bytes: PAYLOAD_BUCKET.bytesMax,
      })
      .catch((error: unknown) => {
        opened = null;
        throw error;
      });
    return opened;
  };
  return {
    put: async (name, bytes) => {
      try {
        await inTime(open().then((store) => store.putBlob({ name }, bytes)));
      } catch (error) {
        throw unavailable('A large payload cannot be stored now. Try again shortly.', error);
      }
      return { name, bytes: bytes.length, sha256: hash('sha256', bytes, 'hex') };
    },
    get: async ({ name, bytes, sha256 }) => {
      let found: Uint8Array | null;
      try {
        found = await inTime(open().then((store) => store.getBlob(name)));
      } catch (error) {
        throw unavailable('A large payload cannot be read now.', error);
      }
      if (found?.length !== bytes || hash('sha256', found, 'hex') !== sha256) {
        throw unavailable('A large payload is gone, or not whole.');
      }
      return found;
    },
    remove: async (name) => {
      await inTime(open().then((store) => store.delete(name))).catch(() => undefined);
    },
  };
};
