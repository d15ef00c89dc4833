import type { ChatRequest, ChatResponse, StreamPart } from '#contracts/inference';
import type { SurfaceId } from '#contracts/vocabulary';
import type { FloError } from '#domain/errors';

/** What admission reads of a request in any dialect. */
export type ClientRequest = {
  model: string;
  stream: boolean;
  /** The caller's bound on the answer, where given. */
  maxOutputTokens: number | null;
  /** The dialect's own field for the end user (`user`, `metadata.user_id`). */
  endUser: string | null;
  /** The dialect's own labels, where it has them (OpenAI's `metadata`). */
  metadata: Readonly<Record<string, string>>;
};

/** Turns stream parts into the dialect's SSE text; one instance for one answer. */
export type StreamEncoder = {
  /** The text for a part, empty where the dialect says nothing then. */
  encode: (part: StreamPart) => string;
};

export type EncodedError = { status: number; headers: Record<string, string>; body: unknown };

/**
 * A dialect a client speaks: pure translation, no I/O. `decode*` throw `FloError` with code
 * `invalid_request` and a `param` that names the field in the dialect's own terms.
 */
export type Surface = {
  id: SurfaceId;
  /** Request headers a provider of the same dialect must see as the client sent them, lower case. */
  forwardedHeaders: readonly string[];
  /** Validates the shape every request of the dialect has and reads what admission needs. */
  readRequest: (body: unknown) => ClientRequest;
  /** The whole request in canonical form; refuses by name what cannot be expressed. */
  decodeRequest: (body: unknown) => ChatRequest;
  encodeResponse: (response: ChatResponse, context: EncodeContext) => unknown;
  /** `body` is the client's request: it says, for one, whether usage is wanted in the stream. */
  createStreamEncoder: (body: unknown, context: EncodeContext) => StreamEncoder;
  encodeError: (error: FloError, requestId: string) => EncodedError;
  /** The SSE text that ends a stream which has begun and cannot be finished. */
  encodeStreamError: (error: FloError, requestId: string) => string;
};

export type EncodeContext = { createdAtMs: number };
