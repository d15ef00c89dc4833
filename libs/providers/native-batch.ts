/**
 * What flo2 asks of a provider's own batch API. One driver for each provider that has one, in
 * `<provider>/batch.ts`, found by `native-batch-registry.ts`. A driver translates between this port and the
 * provider's API and decides nothing: when to ask, what to do about an answer and what it costs is
 * `libs/domain/native-batch.ts` and the coordinator in `services/jobs`.
 */
import type { FloError } from '#domain/errors';
import type { UpstreamCall, UpstreamHeaders } from './provider.ts';

/**
 * Calls to the provider with the tenant's key. The caller of a driver makes it: it adds base URL and
 * credentials, guards the address, bounds time and bytes, and makes each call once, never again by itself.
 */
export type NativeBatchHttp = {
  /** What a call's path is put behind, for the driver that needs another one beside it. */
  baseUrl: string;
  /**
   * The whole answer, at most 16 MiB of it. Rejects with `FloError`: `connection` where the provider never got
   * the call; `cut_stream` or `timeout` where it may have; what `Provider.decodeError` makes of any status but
   * 2xx, with `upstreamStatus` set.
   */
  call: (call: NativeBatchCall) => Promise<{ status: number; headers: UpstreamHeaders; body: Uint8Array }>;
  /** The lines of a long answer (JSONL), one by one, blank ones left out. Rejects as `call` does. */
  lines: (call: NativeBatchCall) => AsyncIterable<Uint8Array>;
};
export type NativeBatchCall = {
  method: 'GET' | 'POST' | 'DELETE';
  /** Behind the base URL; or a whole URL, taken only where its origin is the base URL's (`results_url`). */
  path: string;
  headers?: Record<string, string>;
  body?: Uint8Array;
};

/** A batch as it is to be made. What it holds does not change however often it is asked for. */
export type NativeBatchIntent = {
  /** `nbat_…`. Goes where the provider lets its caller name a batch, so that `find` knows it again. */
  id: string;
  /** The model as the provider names it: the same for all lines. */
  model: string;
  /** The `path` of every line's `UpstreamCall`, and the headers they share (`anthropic-beta`, …). */
  path: string;
  headers: Record<string, string>;
  lineCount: number;
  /** Unix milliseconds: when it was first about to be made. */
  createdAtMs: number;
  /** How long the provider may take, in whole hours; a provider with a fixed window ignores it. */
  windowHours: number;
};

/** What the driver needs to know a batch again: stored as JSON, read by the driver alone. */
export type NativeBatchReference = {
  /** The provider's id of the batch: unique for the key. */
  id: string;
  /** Ids of files and the like, by names of the driver's own. */
  parts: Record<string, string>;
};

/**
 * What a look at a batch shows. `pending`: the provider works on it, or will. `ended`: nothing in it changes
 * any more and `results` may be read; lines without a result there were not run. `refused`: it was turned
 * down as a whole (a validation error) and nothing of it was run or charged.
 */
export type NativeBatchObservation = {
  state: 'pending' | 'ended' | 'refused';
  /** The provider's own word for where it stands, for people. */
  status: string;
  /** Null where the provider does not say it yet. */
  counts: { total: number; succeeded: number; failed: number } | null;
  /** Why it was refused, at most 20, each at most 500 characters; for people. */
  errors: readonly string[];
  /** With what later looks at it and `results` need (ids of output files). */
  reference: NativeBatchReference;
};

/**
 * What came of one line. `answered`: the provider ran it; `body` is what `Wire.readAnswer` and
 * `decodeResponse` read for a 2xx status, else what `Provider.decodeError` reads. `not_run`: it never began
 * and is not charged.
 */
export type NativeBatchLineResult = { customId: string } & (
  | { kind: 'answered'; status: number; body: Uint8Array; upstreamRequestId: string | null }
  | { kind: 'not_run'; reason: 'expired' | 'cancelled' }
);

/**
 * What a look for a batch that may have been made has shown. `undecided`: there are batches of which cannot be
 * told yet whether they are it; it is looked for again later.
 */
export type NativeBatchSearch =
  | { kind: 'found'; references: readonly [NativeBatchReference, ...NativeBatchReference[]] }
  | { kind: 'absent' }
  | { kind: 'undecided' };

/**
 * One provider's batch API. Every function makes its calls by `http` alone, keeps no state, and rejects with
 * `FloError`: what `http` rejects with, or `malformed_answer`.
 */
export type NativeBatchProvider = {
  /** Of one batch. `bytes`: of all encoded lines with their line ends. */
  limits: { lines: number; bytes: number };
  /** The longest time the provider may be given, and the shortest. */
  windowHours: { min: number; max: number };
  /** Whether the batch API takes calls with this path (`UpstreamCall.path`). */
  takes: (path: string) => boolean;
  /**
   * One line as the batch takes it, without a line end: JSON. `customId` is 30 characters of `[a-z0-9_]`.
   */
  encodeLine: (line: { customId: string; call: UpstreamCall }) => Uint8Array;
  /**
   * Makes the batch: uploads what has to be uploaded, then makes it, the call that makes it being the last one.
   * `jsonl`: the encoded lines, each with its line end. An error of which `upstreamStatus` is set, and below
   * 500, says that no batch was made; after any other one it may have been.
   */
  create: (
    http: NativeBatchHttp,
    intent: NativeBatchIntent,
    jsonl: Uint8Array,
  ) => Promise<NativeBatchReference>;
  /**
   * Looks for batches that were made for the intent, by its id where the provider's lists show what its
   * caller named them, else by what they hold. Looks no further back than a little before
   * `intent.createdAtMs`. `known`: ids of the provider's batches under this key that are other intents'.
   * `customIds`: of the intent's lines. Two are found only where a call that was given up came through later.
   */
  find: (
    http: NativeBatchHttp,
    intent: NativeBatchIntent,
    others: { known: ReadonlySet<string>; customIds: ReadonlySet<string> },
  ) => Promise<NativeBatchSearch>;
  poll: (http: NativeBatchHttp, reference: NativeBatchReference) => Promise<NativeBatchObservation>;
  /** Of a batch that `poll` has shown as `ended`: each line once, in any order. May be read more than once. */
  results: (http: NativeBatchHttp, reference: NativeBatchReference) => AsyncIterable<NativeBatchLineResult>;
  /**
   * Asks the provider to begin nothing more of it; `poll` tells when it has ended. Asked of a batch that has
   * ended or is being cancelled already, it resolves.
   */
  cancel: (http: NativeBatchHttp, reference: NativeBatchReference) => Promise<void>;
  /**
   * Has the provider delete what flo2 left with it (input, output, the batch), as far as it lets its caller,
   * after the results were taken over. Resolves where it is gone already.
   */
  dispose: (http: NativeBatchHttp, reference: NativeBatchReference) => Promise<void>;
};

/** Whether a rejected `create` says for certain that no batch was made. */
export const wasNotMade = (error: FloError): boolean =>
  error.code === 'connection' ||
  (error.upstreamStatus !== undefined && error.upstreamStatus >= 400 && error.upstreamStatus < 500);
