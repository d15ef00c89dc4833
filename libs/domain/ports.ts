/** The small interfaces services ask for and adapters implement. */
import type { ApiKeyId, ProviderKeyId, TenantId } from '#contracts/ids';
import type { AttemptEvent } from '#contracts/attempt-event';
import type { ConfigurationChange } from '#contracts/configuration-change';
import type { RequestPlan } from '#contracts/dispatch';
import type { RateLimitReading } from '#contracts/rate-limit-reading';
import type { Reservation } from '#contracts/reservation';
import type { Lane, ProviderId, CompatibleDialect } from '#contracts/vocabulary';
import type { ApiKey } from './api-key.ts';
import type { FloError } from './errors.ts';
import type { KeyModels } from './model-catalogue.ts';
import type { EventPricing } from './price-event.ts';
import type { TenantRouting } from './tenant-routing.ts';

/** Unix milliseconds. */
export type Clock = { nowMs: () => number };

/** Where anything is told; pino's shape. Details never hold a secret or a payload. */
export type Logger = {
  info: (details: object, message: string) => void;
  warn: (details: object, message: string) => void;
  error: (details: object, message: string) => void;
};

/** Reads what the ingress needs to admit a request. Rejects with the driver's error when the store is down. */
export type TenantDirectory = {
  /** The live key with this SHA-256 hash; null when there is none, it was revoked or its tenant deleted. */
  findApiKey: (keyHash: Uint8Array) => Promise<ApiKey | null>;
  loadRouting: (tenantId: TenantId) => Promise<TenantRouting>;
  /** What the providers of the tenant's keys list for them, as far as they have been asked. */
  loadModels: (tenantId: TenantId) => Promise<readonly KeyModels[]>;
};

/** A provider key ready to be used for a call. */
export type ProviderCredential = {
  id: ProviderKeyId;
  tenantId: TenantId;
  provider: ProviderId;
  secret: string;
  /** Null for the provider's own address. */
  baseUrl: string | null;
  /** Which server an `openai_compatible` one is; null where its host tells, or nothing does. */
  dialect: CompatibleDialect | null;
};

/** Opens a tenant's provider key; only workers hold one of these. */
export type ProviderCredentials = {
  /** Null when the key does not exist, is not this tenant's, or was deleted. */
  open: (tenantId: TenantId, id: ProviderKeyId) => Promise<ProviderCredential | null>;
};

/** Whose data key; each tenant has its own, wrapped by the key-encryption key. */
export type DataKeyOwner = { tenantId: TenantId; dataKeyVersion: number };
export type SecretOwner = DataKeyOwner & { secretVersion: number } & (
    | { providerKeyId: ProviderKeyId }
    | { webhookEndpointId: string }
  );

/** What a tenant's callers sent or were answered, in parts where it is long. */
export type PayloadOwner = DataKeyOwner & { kind: PayloadKind; id: string; part: number };
export type PayloadKind = 'work request' | 'work answer' | 'file';

/** Seals tenants' secrets and payloads; what is sealed for one owner opens for no other. */
export type Vault = {
  /** A new data key, wrapped for storage. */
  mintDataKey: (owner: DataKeyOwner) => Buffer;
  seal: (wrappedDataKey: Uint8Array, owner: SecretOwner, secret: string) => Buffer;
  /** Throws when it was sealed under another key, for another owner, or changed. */
  open: (wrappedDataKey: Uint8Array, owner: SecretOwner, sealed: Uint8Array) => string;
  sealPayload: (wrappedDataKey: Uint8Array, owner: PayloadOwner, bytes: Uint8Array) => Buffer;
  /** Throws as `open` does. */
  openPayload: (wrappedDataKey: Uint8Array, owner: PayloadOwner, sealed: Uint8Array) => Buffer;
};

export type ConfigurationChanges = {
  announce: (change: ConfigurationChange) => void;
  /** Calls back for every change, and with null when changes may have been missed. */
  subscribe: (onChange: (change: ConfigurationChange | null) => void) => void;
};

/** What a caller wants room for. */
export type RoomWanted = {
  tenantId: TenantId;
  lane: Lane;
  /** Whose part of a key's room it is; see `TenantRouting.shares`. */
  team: string | null;
  feature: string | null;
  routing: Pick<TenantRouting, 'providerKeys' | 'shares'>;
  plan: RequestPlan;
  /** The first and last target that may be taken. @default all of the plan */
  fromStep?: number | undefined;
  toStep?: number | undefined;
  /** Keys that were tried for this request and are not to be tried again. */
  triedKeyIds?: ReadonlySet<ProviderKeyId> | undefined;
  /** A failed call made again: refused at once where the account's calls were repeated enough. @default false */
  isRepeat?: boolean | undefined;
  /** Estimates; what a call really cost is settled afterwards. */
  inputTokens: number;
  outputTokens: number;
  /** Unix milliseconds. */
  deadlineAtMs: number;
  /** Gives up waiting; `reserve` rejects with the signal's reason then. */
  signal?: AbortSignal | undefined;
};

/** What came of a call, for the limits, the key's health and the breaker. Times are Unix milliseconds. */
export type CallOutcome = {
  /** Null when it succeeded. */
  error: Pick<FloError, 'code' | 'retryAfterMs'> | null;
  /** Null where the provider did not say. */
  inputTokens: number | null;
  outputTokens: number | null;
  /** What the provider's headers say of its limits. */
  readings: readonly RateLimitReading[];
  startedAtMs: number;
  firstTokenAtMs: number | null;
  endedAtMs: number;
};

/** Room under the providers' rate limits, shared by all processes (`docs/adr/0007-room-before-the-queue.md`). */
export type RateLimiter = {
  /**
   * Resolves when a call may be made, with the target and key to make it with: the first healthy one of the
   * plan that has room, else the one that will have it soonest. Waits in the bucket's fair queue. Rejects
   * with `FloError`: `rate_limit_requests` or `rate_limit_tokens` at once where the wait would pass the
   * deadline, with an honest `retryAfterMs`; `authentication` or `quota` where no key of the plan is usable;
   * `unavailable` where nobody keeps limits until the deadline.
   */
  reserve: (wanted: RoomWanted) => Promise<Reservation>;
  /** Gives back what no call was made for. */
  release: (reservation: Reservation) => void;
  /** Tells what came of the call it was taken for. */
  settle: (reservation: Reservation, outcome: CallOutcome) => void;
};

/** Names by which the same caller is known in a log line. */
export type CallerIds = { tenantId: TenantId; apiKeyId: ApiKeyId };

/** A message of the event stream, not yet acknowledged. */
export type ReceivedEvent = {
  bytes: Uint8Array;
  /** The stream's name and when it was made: one that was made anew counts from 1 again. */
  stream: string;
  streamSequence: bigint;
  /** 1 at the first delivery. */
  deliveryCount: number;
  /** May be lost on its way: the event comes again then. */
  ack: () => void;
  /** Asks to have it delivered again. */
  retryLater: () => void;
};

/** The durable consumer that metering reads. */
export type AttemptEventSource = {
  /**
   * What is there, at most `maxMessages`; waits up to `expiresMs` for the first and resolves to an empty
   * list when none came. Rejects when the stream cannot be reached.
   */
  fetch: (options: { maxMessages: number; expiresMs: number }) => Promise<ReceivedEvent[]>;
  /** Asks for no more, and hands back what was delivered and not fetched; a fetch under way ends. Never rejects. */
  release: () => Promise<void>;
};

export type PricedEvent = EventPricing & {
  event: AttemptEvent;
  stream: string;
  streamSequence: bigint;
  /** SHA-256 of the message's bytes, hex. */
  payloadHash: string;
  /** The message as it came, kept as text where the event goes to quarantine. */
  bytes: Uint8Array;
};

export type QuarantinedEvent = {
  stream: string;
  streamSequence: bigint;
  payloadHash: string;
  payload: string;
  attemptId: string | null;
  reason: string;
};

/** `repeated`: recorded before with the same content. `quarantined`: could not be recorded, kept to be looked at. */
export type RecordedCounts = { recorded: number; repeated: number; quarantined: number };

/** Where metering writes. Both reject with the driver's error when the store is down, and then nothing is lost. */
export type Ledger = {
  /**
   * Records events with their charges, each attempt and revision once whatever the order and however often
   * they come. An event that contradicts a recorded one, or that the store refuses, goes to quarantine
   * and does not hold up the others. Each is taken once and let go of before the next.
   */
  recordEvents: (events: Iterable<PricedEvent>) => Promise<RecordedCounts>;
  quarantine: (events: readonly QuarantinedEvent[]) => Promise<void>;
};
