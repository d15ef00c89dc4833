import type { IncomingHttpHeaders } from 'node:http';
import type { Answer } from './answer.ts';
import type { BatchAccount } from './batches/batch-room.ts';
import type { Behaviour } from './behaviour.ts';
import type { Conversation } from './conversation.ts';
import type { LimitReading } from './rate-limits.ts';

/** `batch_validation` and `batch_line` are no calls: a rule for them changes how a batch is checked and answered. */
export const OPERATIONS = [
  'inference',
  'embeddings',
  'token_count',
  'models',
  'upload',
  'file',
  'download',
  'batch_create',
  'batch_get',
  'batch_list',
  'batch_cancel',
  'batch_validation',
  'batch_line',
] as const;
export type Operation = (typeof OPERATIONS)[number];

/** An error answer before it is put in a provider's words on the wire. */
export type Failure = {
  status: number;
  type: string;
  message: string;
  param?: string | null;
  code?: string | null;
  /** For the enforced limit of a 429: how long to wait, null where no wait helps. */
  retryAfterMs?: number | null;
};

/** Thrown by `readRequest` for a request the real API refuses. */
export class RefusedRequest extends Error {
  readonly failure: Failure;

  constructor(failure: Failure) {
    super(failure.message);
    this.failure = failure;
  }
}

/** What the URL and the headers say beside the body. */
export type Address = {
  /** A model or a deployment named in the path. */
  model: string | null;
  /** What of the path, the query and the headers a reading depends on. */
  variant: string;
  headers: IncomingHttpHeaders;
};

/** A request for an answer that passed validation. */
export type AcceptedRequest = {
  model: string;
  stream: boolean;
  conversation: Conversation;
  /** Whether a stream ends with usage because the client asked for it (OpenAI). */
  includeUsage: boolean;
  /** Whether stream chunks are padded against traffic analysis (OpenAI). */
  obfuscate: boolean;
  /** The request itself, for answers that repeat parts of it; null where none does. */
  echo: Readonly<Record<string, unknown>> | null;
};

/** A request that is answered with one short body: `inputTokens` is null where nothing is charged. */
export type AcceptedPlain = {
  model: string | null;
  inputTokens: number | null;
  /** Throws `RefusedRequest` for something that is not there. */
  encode: (input: { context: CallContext; behaviour: Behaviour; models: readonly string[] }) => string;
};

/** What identifies one call; `seed` depends on the request body alone, `unique` on the call too. */
export type CallContext = {
  seed: number;
  /** 32 hexadecimal digits that no other call of this simulator has. */
  unique: string;
  requestId: string;
  nowMs: number;
  /** What the credential has left, where its limits are enforced. */
  limits: LimitReading | null;
};

export type AnswerToEncode = {
  request: AcceptedRequest;
  answer: Answer;
  behaviour: Behaviour;
  context: CallContext;
};

/** One event of a stream: its text, and how many output tokens have been generated once it is sent. */
export type StreamEvent = { text: string; outputTokens: number; isEndMark: boolean };

/** Reading depends on its arguments alone; the body is undefined where it was no JSON. Throws `RefusedRequest`. */
export type InferenceEndpoint = {
  operation: 'inference';
  readRequest: (body: unknown, address: Address) => AcceptedRequest;
  encodeAnswer: (input: AnswerToEncode) => string;
  encodeStream: (input: AnswerToEncode) => Iterable<StreamEvent>;
  /** The event that breaks a stream off. */
  encodeStreamFailure: () => string;
  /** @default 'text/event-stream; charset=utf-8' */
  streamType?: string;
};
export type PlainEndpoint = {
  operation: 'embeddings' | 'token_count' | 'models';
  readRequest: (body: unknown, address: Address) => AcceptedPlain;
};

/** A call about something that is kept between calls: a file or a batch. */
export type StoredCall = {
  provider: SimulatedProvider;
  headers: IncomingHttpHeaders;
  /** As it came, prefix included. */
  path: string;
  /** The id in the path, or the empty text. */
  id: string;
  query: URLSearchParams;
  body: Buffer;
  context: CallContext;
  behaviour: Behaviour;
  /** What the credential has kept here. */
  account: BatchAccount;
  /** Where this simulator is reached, for addresses in answers. */
  baseUrl: string;
};
export type StoredReply = {
  /** @default 200 */
  status?: number;
  headers?: Record<string, string>;
  /** A body in pieces is written as fast as the client reads it. */
  body: string | Uint8Array | Iterable<string>;
};
export type StoredEndpoint = {
  operation: Exclude<Operation, 'inference' | PlainEndpoint['operation'] | 'batch_validation' | 'batch_line'>;
  /** Where more than an ordinary body is taken. */
  bodyBytesMax?: number;
  /** Throws `RefusedRequest`. */
  handle: (call: StoredCall) => StoredReply | Promise<StoredReply>;
};

export type AnsweringEndpoint = InferenceEndpoint | PlainEndpoint;
export type Endpoint = AnsweringEndpoint | StoredEndpoint;

/** `id` is that of a file or a batch the path names. */
export type Route = { endpoint: Endpoint; model?: string; variant?: string; id?: string };

/** A provider's wire. One folder each; the server knows no more than this of them. */
export type SimulatedProvider = {
  id: string;
  /** Where a call arrives, or null where the path belongs to someone else. */
  routeOf: (call: {
    method: string;
    path: string;
    query: string;
    headers: IncomingHttpHeaders;
  }) => Route | null;
  credentialOf: (headers: IncomingHttpHeaders) => string | null;
  /** What this provider's keys begin with. */
  keyPrefix: string;
  refuseCredential: (credential: string | null) => Failure;
  newRequestId: (unique: string) => string;
  answerHeaders: (context: CallContext) => Record<string, string>;
  /** The refusal of a call over an enforced limit. */
  failureOfLimit: (
    refused: NonNullable<LimitReading['refused']>,
    reading: LimitReading,
    model: string,
  ) => Failure;
  /** The failure a behaviour asks for, as this provider words it. */
  failureOf: (behaviour: Behaviour & { status: number }, model: string) => Failure;
  failureHeaders: (failure: Failure, behaviour: Behaviour, context: CallContext) => Record<string, string>;
  encodeFailure: (failure: Failure, context: CallContext) => string;
};
