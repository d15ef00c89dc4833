import { setTimeout as sleep } from 'node:timers/promises';
import { Agent, request } from 'undici';
import { FloError } from '#domain/errors';
import type { ObjectStore } from '#domain/object-store';
import { storageFull } from '#domain/storage-full';
import { encodeObjectPath, signS3Request, type S3Credentials } from './request-signature.ts';

export type S3Options = S3Credentials & {
  /** `https://host[:port]`. */
  origin: string;
  /** The bucket, and what all names in it begin with; addressed by path, which every such store understands. */
  bucketPath: string;
};

export type OpenedObjectStore = ObjectStore & { close: () => Promise<void> };

const TRIES = 4;
const BACK_OFF_FIRST_MS = 200;
const ANSWER_MS = 30_000;
/** More than a part with its seal; an answer beyond it is not ours. */
const OBJECT_BYTES_MAX = 16 * 1024 * 1024;

/** What stores on disks of their own answer when those are full; trying again makes no room. */
const INSUFFICIENT_STORAGE = 507;

const NO_BODY = new Uint8Array();

/** Passed at another try: the store's own trouble, and limits that it sets. */
const mayPass = (status: number): boolean => status >= 500 || status === 408 || status === 429;

const unavailable = (cause: unknown): FloError =>
  new FloError('unavailable', 'Files cannot be stored or read now. Try again shortly.', {
    retryAfterMs: 1_000,
    cause,
  });

/** What the store's error says of itself, without its body, which may name what was asked. */
class StoreRefusal extends Error {
  override readonly name = 'StoreRefusal';
}

const readBounded = async (body: AsyncIterable<Uint8Array>): Promise<Buffer> => {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    bytes += chunk.length;
    if (bytes > OBJECT_BYTES_MAX) throw new StoreRefusal('an object is larger than any that was stored');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
};

/**
 * Objects in a bucket of S3 or of a store that speaks its API. Its three requests are signed here: a client
 * library for all of S3 would be more code than the rest of flo2's adapters together. Each is repeated where
 * that may help; a name is only ever written with the same bytes, so a repeated write changes nothing.
 */
export const openS3ObjectStore = (options: S3Options): OpenedObjectStore => {
  const { origin, bucketPath } = options;
  const { host } = new URL(origin);
  const dispatcher = new Agent({ connect: { timeout: 10_000 }, keepAliveTimeout: 30_000 });

  /** Null where there is no such object. */
  const ask = async (
    method: 'GET' | 'PUT' | 'DELETE',
    name: string,
    body: Uint8Array = NO_BODY,
  ): Promise<Buffer | null> => {
    const path = encodeObjectPath(`${bucketPath}/${name}`);
    for (let tries = 1; ; tries += 1) {
      try {
        const { host: _, ...headers } = signS3Request(
          { method, host, path, body, nowMs: Date.now() },
          options,
        );
        const answer = await request(`${origin}${path}`, {
          method,
          headers,
          body: method === 'PUT' ? body : null,
          dispatcher,
          signal: AbortSignal.timeout(ANSWER_MS),
        });
        const { statusCode: status } = answer;
        if (status >= 200 && status < 300) return await readBounded(answer.body);
        await answer.body.dump();
        if (status === 404 && method !== 'PUT') return null;
        const refusal = new StoreRefusal(`the object store answered ${method} with ${status}`);
        if (status === INSUFFICIENT_STORAGE) throw storageFull(refusal);
        if (!mayPass(status)) throw unavailable(refusal);
        throw refusal;
      } catch (error) {
        if (error instanceof FloError) throw error;
        if (tries === TRIES) throw unavailable(error);
        await sleep(BACK_OFF_FIRST_MS * 2 ** (tries - 1));
      }
    }
  };

  return {
    put: async (name, bytes) => void (await ask('PUT', name, bytes)),
    get: (name) => ask('GET', name),
    remove: async (name) => void (await ask('DELETE', name)),
    close: () => dispatcher.close(),
  };
};
