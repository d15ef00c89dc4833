import type { ChatRequest, ChatResponse, FinishReason, StreamPart } from '#contracts/inference';
import type { Usage } from '#contracts/usage';
import type { ProviderId, SurfaceId } from '#contracts/vocabulary';
import type { FloError } from '#domain/errors';
import type { SseEvent } from './sse.ts';

/** A call to make: the path is relative to the base URL. Credentials are added by `authorize` alone. */
export type UpstreamCall = {
  path: string;
  headers: Record<string, string>;
  body: Uint8Array;
};

/** What the ledger needs to know of an answer. */
export type AnswerFacts = {
  id: string | null;
  model: string | null;
  /** Canonical, so that it compares across providers and does not depend on the client's dialect. */
  finishReason: FinishReason | null;
  usage: Usage;
};

export type DecodedEvent = {
  parts: StreamPart[];
  /** Whether the event carries something for the reader (text, reasoning, a tool call). */
  content: boolean;
  /** Whether the event exists only because flo2 asked for usage; a client that did not ask never sees it. */
  hidden: boolean;
};

/** Reads one provider stream, event by event. Throws `FloError` for an error event or an unreadable one. */
export type StreamDecoder = {
  decode: (event: SseEvent) => DecodedEvent;
  /** What is known so far; `usage.source` is `provider_partial` or `none` until the final figure came. */
  facts: () => AnswerFacts;
};

/** Header names are lower case. */
export type UpstreamHeaders = Readonly<Record<string, string | string[] | undefined>>;

export type UpstreamFailure = { status: number; headers: UpstreamHeaders; body: Uint8Array; nowMs: number };

/**
 * A provider: pure translation between its wire and the canonical form, no I/O. `decode*` throw
 * `FloError` with code `malformed_answer` for what cannot be read.
 */
export type Provider = {
  id: ProviderId;
  /** The dialect it speaks: a client of the same dialect is passed through. */
  surface: SurfaceId;
  baseUrl: string;
  authorize: (secret: string) => Record<string, string>;
  /** A GET that costs nothing and that only a valid key may make; relative to the base URL. */
  keyCheck: { path: string; headers: Record<string, string> };
  /**
   * The client's own bytes with only the model and the usage options changed. `usageInjected` says that
   * the stream will carry a usage event the client did not ask for.
   */
  encodePassThrough: (input: {
    body: Uint8Array;
    model: string;
    stream: boolean;
    /** The client's own values of the surface's `forwardedHeaders`. */
    forwardedHeaders: Readonly<Record<string, string>>;
  }) => UpstreamCall & { usageInjected: boolean };
  encodeRequest: (input: { request: ChatRequest; model: string }) => UpstreamCall;
  decodeResponse: (body: Uint8Array) => ChatResponse;
  /** The facts of a whole answer that is passed through as it came. */
  readAnswer: (body: Uint8Array) => AnswerFacts;
  createStreamDecoder: (options: { usageInjected: boolean }) => StreamDecoder;
  decodeError: (failure: UpstreamFailure) => FloError;
  readRequestId: (headers: UpstreamHeaders) => string | null;
};
