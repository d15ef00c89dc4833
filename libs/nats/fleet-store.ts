import { setTimeout as sleep } from 'node:timers/promises';
import { jetstream, JetStreamApiError, StorageType } from '@nats-io/jetstream';
import { Kvm, type KV, type KvWatchEntry } from '@nats-io/kv';
import type { NatsConnection } from '@nats-io/transport-node';
import { bucketNews, keyTrouble, type BucketNews } from '#contracts/limiter-line';
import { providerKeyId, type ProviderKeyId } from '#contracts/ids';
import { FLEET_STORE } from '#contracts/subjects';
import { isErrorCode } from '#domain/errors';
import type { KeyHealth } from '#domain/key-health';
import type { FleetState } from '#domain/fleet-state';

const KEY_PREFIX = 'key.';
const BUCKET_PREFIX = 'bucket.';
const WATCH_RETRY_MS = 500;
const WRITE_TIMEOUT_MS = 2_000;
/** The server's code for a write that expects another revision. */
const WRONG_LAST_SEQUENCE = 10_071;

type Seen<Value> = { value: Value; revision: number };

const encoder = new TextEncoder();
const encode = (value: object): Uint8Array => encoder.encode(JSON.stringify(value));

export type FleetStore = FleetState & { close: () => Promise<void> };

/** Opens the key-value bucket, and creates it where it is not there. Several processes may at once. */
const openStore = async (connection: NatsConnection): Promise<KV> => {
  const manager = new Kvm(jetstream(connection));
  return manager.create(FLEET_STORE.name, {
    history: 1,
    ttl: FLEET_STORE.maxAgeMs,
    storage: StorageType.File,
    timeout: WRITE_TIMEOUT_MS,
  });
};

/**
 * What the fleet knows of keys and buckets, in a key-value bucket of NATS. Every process watches all of it, so
 * reading asks nobody, and what one process writes the others know in milliseconds.
 */
export const openFleetStore = async (
  connection: NatsConnection,
  onTrouble: (error: unknown) => void,
): Promise<FleetStore> => {
  const store = await openStore(connection);
  const keys = new Map<ProviderKeyId, Seen<KeyHealth>>();
  const buckets = new Map<string, BucketNews>();
  const listeners: ((bucket: string) => void)[] = [];
  const closing = new AbortController();
  let stopWatch: (() => void) | null = null;

  const readHealth = (entry: KvWatchEntry): KeyHealth => {
    if (entry.operation !== 'PUT') return null;
    const trouble = keyTrouble.parse(entry.json());
    return {
      ...trouble,
      fellAtMs: trouble.fellAtMs ?? trouble.sinceMs,
      code: isErrorCode(trouble.code) ? trouble.code : 'authentication',
    };
  };

  const take = (entry: KvWatchEntry): void => {
    if (entry.key.startsWith(KEY_PREFIX)) {
      const id = providerKeyId.parse(entry.key.slice(KEY_PREFIX.length));
      const seen = keys.get(id);
      if (seen !== undefined && seen.revision >= entry.revision) return;
      keys.set(id, { value: readHealth(entry), revision: entry.revision });
    } else if (entry.key.startsWith(BUCKET_PREFIX)) {
      const bucket = entry.key.slice(BUCKET_PREFIX.length);
      if (entry.operation === 'PUT') buckets.set(bucket, bucketNews.parse(entry.json()));
      else buckets.delete(bucket);
      for (const listener of listeners) listener(bucket);
    }
  };

  const takeReadable = (entry: KvWatchEntry): void => {
    try {
      take(entry);
    } catch (error) {
      onTrouble(error);
    }
  };

  /** Resolves once all that was there is known; goes on by itself. */
  const watch = async (): Promise<void> => {
    let caughtUp: () => void = () => undefined;
    const ready = new Promise<void>((resolve) => {
      caughtUp = resolve;
    });
    const entries = await store.watch();
    stopWatch = () => entries.stop();
    void (async () => {
      try {
        for await (const entry of entries) {
          takeReadable(entry);
          if (entry.delta === 0) caughtUp();
        }
      } catch (error) {
        onTrouble(error);
      }
      caughtUp();
      while (!closing.signal.aborted) {
        await sleep(WATCH_RETRY_MS);
        try {
          await watch();
          return;
        } catch (error) {
          onTrouble(error);
        }
      }
    })();
    const { values } = await store.status();
    if (values > 0) await ready;
  };
  await watch();

  const write = async (id: ProviderKeyId, health: KeyHealth): Promise<boolean> => {
    const name = `${KEY_PREFIX}${id}`;
    const revision = keys.get(id)?.revision ?? 0;
    try {
      if (health === null) await store.delete(name, { previousSeq: revision });
      else {
        // The driver has another word for a key that was never written.
        const written =
          revision === 0
            ? await store.create(name, encode(health))
            : await store.update(name, encode(health), revision, WRITE_TIMEOUT_MS);
        keys.set(id, { value: health, revision: written });
      }
      return true;
    } catch (error) {
      // Somebody was faster, which is no trouble.
      if (!(error instanceof JetStreamApiError && error.code === WRONG_LAST_SEQUENCE)) onTrouble(error);
      return false;
    }
  };

  return {
    keyHealth: (id) => keys.get(id)?.value ?? null,
    troubledKeys: () =>
      [...keys].flatMap(([id, { value }]) => (value === null ? [] : [{ providerKeyId: id, trouble: value }])),
    replaceKeyHealth: write,
    bucketNews: (bucket) => buckets.get(bucket) ?? null,
    tellBucketNews: (bucket, news) => {
      store.put(`${BUCKET_PREFIX}${bucket}`, encode(news), { timeout: WRITE_TIMEOUT_MS }).catch(onTrouble);
    },
    onBucketNews: (listener) => void listeners.push(listener),
    close: async () => {
      closing.abort();
      stopWatch?.();
    },
  };
};
