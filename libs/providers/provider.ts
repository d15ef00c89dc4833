import type { EmbeddingRequest, EmbeddingResponse } from '#contracts/embedding';
import type { ChatRequest, ChatResponse, FinishReason, StreamPart } from '#contracts/inference';
import type { RateLimitReading } from '#contracts/rate-limit-reading';
import type { ListedModel } from '#contracts/listed-model';
import type { TokenCountResponse } from '#contracts/token-count';
import type { Usage } from '#contracts/usage';
import type { ProviderId, SurfaceId } from '#contracts/vocabulary';
import type { FloError } from '#domain/errors';
import type { Inexpressible } from '#domain/inexpressible';
import type { VaryingMembers } from './event-shape.ts';

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
  decode: (event: { readonly data: string }) => DecodedEvent;
  /** What the orderly end of the connection says, for a wire whose stream has no mark of its own. */
  finish?: () => DecodedEvent;
  /** What is known so far; `usage.source` is `provider_partial` or `none` until the final figure came. */
  facts: () => AnswerFacts;
};

/** Header names are lower case. */
export type UpstreamHeaders = Readonly<Record<string, string | string[] | undefined>>;

export type UpstreamFailure = { status: number; headers: UpstreamHeaders; body: Uint8Array; nowMs: number };

export type PassThroughInput = {
  body: Uint8Array;
  model: string;
  stream: boolean;
  /** The client's own values of the surface's `forwardedHeaders`. */
  forwardedHeaders: Readonly<Record<string, string>>;
};

export type TranslatedInput<Request> = {
  request: Request;
  model: string;
  /** Takes the fields of the canonical form that the wire has no word for. */
  inexpressible: Inexpressible;
};

/**
 * One endpoint of a provider: pure translation between its wire and the canonical form, no I/O. `decode*`
 * throw `FloError` with code `malformed_answer` for what cannot be read.
 */
type WireBase = {
  /** The dialect it is: a client of the same dialect is passed through. */
  surface: SurfaceId;
  /**
   * The client's own bytes with only the model and the usage options changed. `usageInjected` says that
   * the stream will carry a usage event the client did not ask for.
   */
  encodePassThrough: (input: PassThroughInput) => UpstreamCall & { usageInjected: boolean };
  /** The facts of a whole answer that is passed through as it came. */
  readAnswer: (body: Uint8Array) => AnswerFacts;
};

export type ChatWire = WireBase & {
  operation: 'chat';
  /** Whether it can say of a translated request what the provider's usual wire cannot, and all the rest too. */
  suits?: (request: ChatRequest) => boolean;
  encodeRequest: (input: TranslatedInput<ChatRequest>) => UpstreamCall;
  decodeResponse: (body: Uint8Array) => ChatResponse;
  createStreamDecoder: (options: { usageInjected: boolean }) => StreamDecoder;
  /**
   * What differs between pieces of text. Of these members the decoder reads nothing but parts, whether there
   * is a text at all, and counts that later ones replace.
   */
  varying: VaryingMembers;
};

export type EmbeddingWire = WireBase & {
  operation: 'embedding';
  encodeRequest: (input: TranslatedInput<EmbeddingRequest>) => UpstreamCall;
  decodeResponse: (body: Uint8Array) => EmbeddingResponse;
};

export type TokenCountWire = WireBase & {
  operation: 'token_count';
  encodeRequest: (input: TranslatedInput<ChatRequest>) => UpstreamCall;
  decodeResponse: (body: Uint8Array) => TokenCountResponse;
};

export type Wire = ChatWire | EmbeddingWire | TokenCountWire;

/** Lists the models that a key may use. */
export type ModelList = {
  /** Relative to the base URL; `cursor` is what an earlier page gave. */
  path: (cursor: string | null) => string;
  headers: Record<string, string>;
  /** Throws `FloError` `malformed_answer`. `next` is null on the last page. */
  decode: (body: Uint8Array) => { models: ListedModel[]; next: string | null };
};

/**
 * A provider of models and the wires it speaks; of each operation the first is the one translated to, unless
 * another suits the request.
 */
export type Provider = {
  id: ProviderId;
  /** What the path of every call is put behind. */
  baseUrl: string;
  authorize: (secret: string) => Record<string, string>;
  /** A GET that costs nothing and that only a valid key may make; relative to the base URL. */
  keyCheck: { path: string; headers: Record<string, string> };
  models: ModelList;
  wires: readonly Wire[];
  decodeError: (failure: UpstreamFailure) => FloError;
  readRequestId: (headers: UpstreamHeaders) => string | null;
  /** Whether all of an answer is charged even where the caller breaks it off: it is then read on to its usage. */
  chargesAfterCancel: boolean;
  /** What an answer, a refusal too, tells of the key's limits; empty where it tells nothing. */
  readRateLimits: (headers: UpstreamHeaders, nowMs: number) => RateLimitReading[];
};
