import type { EmbeddingRequest, EmbeddingResponse } from '#contracts/embedding';
import type { ChatRequest, ChatResponse, StreamPart } from '#contracts/inference';
import type { TokenCountResponse } from '#contracts/token-count';
import type { StreamFraming, SurfaceId } from '#contracts/vocabulary';
import { FloError } from '#domain/errors';
import type { Inexpressible } from '#domain/inexpressible';

/** What admission reads of a request in any dialect. */
export type ClientRequest = {
  model: string;
  stream: boolean;
  streamFraming: StreamFraming;
  /** The caller's bound on the answer, where given. */
  maxOutputTokens: number | null;
  /** The dialect's own field for the end user (`user`, `metadata.user_id`). */
  endUser: string | null;
  /** The dialect's own labels, where it has them (OpenAI's `metadata`). */
  metadata: Readonly<Record<string, string>>;
};

/** What a dialect says outside of the body; empty where the body says it all. */
export type RequestPath = { model?: string; stream?: boolean; streamFraming?: StreamFraming };

/** Turns stream parts into the dialect's text; one instance for one answer. */
export type StreamEncoder = {
  /** The text for a part, empty where the dialect says nothing then. */
  encode: (part: StreamPart) => string;
};

/** A call whose arguments are written on after they have gone out whole. */
export const goesBack = (): FloError =>
  new FloError('malformed_answer', "The provider's answer goes back to a tool call that had ended.");

export type EncodedError = { status: number; headers: Record<string, string>; body: unknown };

/** A stream that has begun: its framing, and the last that was sent of it, empty where nothing was yet. */
export type StreamSoFar = { framing: StreamFraming; tail: string };

export type EncodeContext = { createdAtMs: number; streamFraming: StreamFraming };

/** `body` is the client's; what it says beside is what admission read. */
export type DecodeInput = { body: unknown; stream: boolean; inexpressible: Inexpressible };

/**
 * A dialect a client speaks at one endpoint: pure translation, no I/O. `decode*` throw `FloError` with code
 * `invalid_request` and a `param` that names the field in the dialect's own terms.
 */
type SurfaceBase = {
  id: SurfaceId;
  /** Request headers a provider of the same dialect must see as the client sent them, lower case. */
  forwardedHeaders: readonly string[];
  /** Validates the shape every request of the dialect has and reads what admission needs. */
  readRequest: (body: unknown, path: RequestPath) => ClientRequest;
  /** The dialect's names for fields of the canonical form, where they differ from it in more than case. */
  paramNames: Readonly<Record<string, string>>;
  encodeError: (error: FloError, requestId: string) => EncodedError;
  /** The text that ends a stream which has begun and cannot be finished. */
  encodeStreamError: (error: FloError, requestId: string, soFar: StreamSoFar) => string;
};

export type ChatSurface = SurfaceBase & {
  operation: 'chat';
  /** The whole request in canonical form; what cannot be expressed goes to `inexpressible`. */
  decodeRequest: (input: DecodeInput) => ChatRequest;
  /** `body` is the client's request, of which a dialect may repeat something. */
  encodeResponse: (response: ChatResponse, context: EncodeContext, body?: unknown) => unknown;
  /** `body` is the client's request: it says, for one, whether usage is wanted in the stream. */
  createStreamEncoder: (body: unknown, context: EncodeContext) => StreamEncoder;
};

export type EmbeddingSurface = SurfaceBase & {
  operation: 'embedding';
  decodeRequest: (input: DecodeInput) => EmbeddingRequest;
  /** `body` is the client's request: it says, for one, how vectors are to be written. */
  encodeResponse: (response: EmbeddingResponse, body: unknown) => unknown;
};

export type TokenCountSurface = SurfaceBase & {
  operation: 'token_count';
  decodeRequest: (input: DecodeInput) => ChatRequest;
  encodeResponse: (response: TokenCountResponse) => unknown;
};

export type Surface = ChatSurface | EmbeddingSurface | TokenCountSurface;

/** `maxOutputTokens` → `max_output_tokens`, unless the dialect has another name for it. */
export const paramOf =
  ({ paramNames }: Pick<Surface, 'paramNames'>) =>
  (field: string): string =>
    paramNames[field] ?? field.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
