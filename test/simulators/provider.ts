import type { IncomingHttpHeaders } from 'node:http';
import type { Answer } from './answer.ts';
import type { Behaviour } from './behaviour.ts';
import type { Conversation } from './conversation.ts';
import type { LimitReading } from './rate-limits.ts';

export type Operation = 'inference' | 'models';

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

/** A request that passed validation. */
export type AcceptedRequest = {
  model: string;
  stream: boolean;
  conversation: Conversation;
  /** Whether a stream ends with usage because the client asked for it (OpenAI). */
  includeUsage: boolean;
  /** Whether stream chunks are padded against traffic analysis (OpenAI). */
  obfuscate: boolean;
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

/** One SSE event: its text, and how many output tokens have been generated once it is sent. */
export type StreamEvent = { text: string; outputTokens: number; isEndMark: boolean };

/** A provider's wire. One folder each; the server knows no more than this of them. */
export type SimulatedProvider = {
  id: string;
  /** The operation a call is for, or null where the path belongs to someone else. */
  operationOf: (method: string, path: string, headers: IncomingHttpHeaders) => Operation | null;
  credentialOf: (headers: IncomingHttpHeaders) => string | null;
  /** What this provider's keys begin with. */
  keyPrefix: string;
  refuseCredential: (credential: string | null) => Failure;
  newRequestId: (unique: string) => string;
  /** The API version the headers ask for, empty where there is but one. Throws `RefusedRequest`. */
  readVersion: (headers: IncomingHttpHeaders) => string;
  /** Depends on its arguments alone; the body is undefined where it was no JSON. Throws `RefusedRequest`. */
  readRequest: (body: unknown, version: string) => AcceptedRequest;
  encodeAnswer: (input: AnswerToEncode) => string;
  encodeStream: (input: AnswerToEncode) => Iterable<StreamEvent>;
  encodeModels: (models: readonly string[]) => string;
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
  /** The event that breaks a stream off. */
  encodeStreamFailure: () => string;
};
