/**
 * `Idempotency-Key`: of all requests of an API key to one endpoint with the same key, one is carried out, and
 * all get its answer.
 *
 *   claimed ──▶ running ──▶ finished (replayed until it expires)
 *                  │
 *                  ├─ ended before any call, or its only one was turned away ──▶ forgotten: the next is carried out
 *                  └─ its ingress died ──▶ finished as `outcome_unknown`
 *
 * A running one goes on when its client leaves: the client is expected back.
 */
import type { RequestId, TenantId } from '#contracts/ids';
import { FloError } from './errors.ts';

export const REPLAYED_FOR_MS = 86_400_000;
/** A larger answer is given once, and cannot be replayed or attached to. */
export const RECORDED_BYTES_MAX = 8 * 1024 * 1024;
const KEY_LENGTH_MAX = 255;

/** Which requests are the same one, and what this one asks. */
export type IdempotentClaim = {
  tenantId: TenantId;
  scope: Uint8Array;
  fingerprint: Uint8Array;
  ingressId: string;
  requestId: RequestId;
};

export type ClaimReply =
  | { state: 'claimed' }
  | { state: 'running'; fingerprint: Uint8Array; ingressId: string; requestId: RequestId }
  /** `result` is null where it was too large to keep. */
  | { state: 'finished'; fingerprint: Uint8Array; requestId: RequestId; result: Uint8Array | null };

type Claimed = Pick<IdempotentClaim, 'tenantId' | 'scope' | 'requestId'>;

/** Rejects with the driver's error where the store is down. */
export type IdempotentRequests = {
  /** Claims what nobody has claimed, or what has expired. */
  claim: (claim: IdempotentClaim) => Promise<ClaimReply>;
  /** False where the request is no longer this claim's, or has finished already. */
  finish: (claimed: Claimed, result: Uint8Array | null) => Promise<boolean>;
  /** Forgets a running one, so that the next is carried out. */
  release: (claimed: Claimed) => Promise<void>;
  /** Resolves to how many have gone. */
  removeExpired: (limit: number) => Promise<number>;
};

/** The client's key; null where it sent none. Throws `FloError` `invalid_request` for one that cannot be one. */
export const readIdempotencyKey = (value: string | string[] | undefined): string | null => {
  if (value === undefined) return null;
  if (typeof value === 'string' && value.length <= KEY_LENGTH_MAX && /^[\x21-\x7e]+$/.test(value))
    return value;
  throw new FloError(
    'invalid_request',
    `Idempotency-Key must be 1 to ${KEY_LENGTH_MAX} visible ASCII characters without spaces, and sent once.`,
    { param: 'Idempotency-Key' },
  );
};
