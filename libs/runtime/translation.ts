import type { DispatchHeader } from '#contracts/dispatch';
import type { StreamPart } from '#contracts/inference';
import type { StreamFraming } from '#contracts/vocabulary';
import { FloError } from '#domain/errors';
import { Inexpressible } from '#domain/inexpressible';
import { createPassingReader, type PassedPiece } from '#providers/passing-reader';
import type {
  AnswerFacts,
  ChatWire,
  DecodedEvent,
  EmbeddingWire,
  Provider,
  StreamDecoder,
  TokenCountWire,
  UpstreamCall,
  Wire,
} from '#providers/provider';
import { suitedWire, wireFor } from '#providers/registry';
import { createSseReader, type SseEvent } from '#providers/sse';
import { surfaceOf } from '#surfaces/registry';
import { holdsWrappedSeal } from '#surfaces/seal-text';
import {
  paramOf,
  type ChatSurface,
  type DecodeInput,
  type EmbeddingSurface,
  type EncodeContext,
  type TokenCountSurface,
} from '#surfaces/surface';
import { createArrayFrame } from './array-frame.ts';
import type { StreamPiece } from './stream-pieces.ts';

/** What one event of the provider's stream, or several in a row, become for the client. */
export type TranslatedPiece = { piece: StreamPiece; content: boolean; end: boolean };

export type StreamTranslation = {
  /** A chunk, however the stream is cut. Throws `FloError` for an error event or an unreadable one. */
  read: (chunk: Uint8Array) => Iterable<TranslatedPiece>;
  /** What the orderly end of the connection becomes. */
  finish: () => Iterable<TranslatedPiece>;
  facts: () => AnswerFacts;
};

/** A request made ready for one provider, and the way back. */
export type Translation = {
  provider: Provider;
  call: UpstreamCall;
  /** What the client asked for and the target cannot be asked, in the client's terms. */
  droppedParams: readonly string[];
  /** The client's bytes and the ledger's facts. Throws `FloError` `malformed_answer`. */
  translateAnswer: (body: Uint8Array) => { body: Uint8Array; facts: AnswerFacts };
  openStream: () => StreamTranslation;
};

const EVENT_BYTES_MAX = 4 * 1024 * 1024;

const isEnd = (part: StreamPart): boolean => part.type === 'end';

const encodeJson = (value: unknown): Uint8Array => Buffer.from(JSON.stringify(value));

const notStreamed = (): never => {
  throw new FloError('invalid_request', 'stream: there is nothing to stream at this endpoint.', {
    param: 'stream',
  });
};

/** Reads every event, and lets each become what `pieceOf` says. */
const streamOf = (
  decoder: StreamDecoder,
  pieceOf: (decoded: DecodedEvent, event: SseEvent | null) => StreamPiece,
): StreamTranslation => {
  const reader = createSseReader({ maxEventBytes: EVENT_BYTES_MAX });
  const translated = (decoded: DecodedEvent, event: SseEvent | null): TranslatedPiece => ({
    piece: pieceOf(decoded, event),
    content: decoded.content,
    end: decoded.parts.some(isEnd),
  });
  return {
    read: function* (chunk) {
      for (const event of reader.read(chunk)) yield translated(decoder.decode(event), event);
    },
    finish: function* () {
      for (const event of reader.finish()) yield translated(decoder.decode(event), event);
      if (decoder.finish !== undefined) yield translated(decoder.finish(), null);
    },
    facts: decoder.facts,
  };
};

const visible = ({ bytes, content, hidden, end }: PassedPiece): TranslatedPiece => ({
  piece: hidden ? '' : bytes,
  content,
  end,
});

/** The provider's events as they came; in one JSON array where the client asked for that. */
const passingStream = (wire: ChatWire, usageInjected: boolean, framing: StreamFraming): StreamTranslation => {
  if (framing === 'json_array') {
    const frame = createArrayFrame();
    return streamOf(wire.createStreamDecoder({ usageInjected }), ({ parts, hidden }, event) =>
      frame.write(hidden ? null : event, parts.some(isEnd)),
    );
  }
  const reader = createPassingReader(wire, { usageInjected, maxEventBytes: EVENT_BYTES_MAX });
  return {
    read: function* (chunk) {
      for (const piece of reader.read(chunk)) yield visible(piece);
    },
    finish: function* () {
      for (const piece of reader.finish()) yield visible(piece);
    },
    facts: reader.facts,
  };
};

const passThrough = (
  provider: Provider,
  wire: Wire,
  header: DispatchHeader,
  body: Uint8Array,
  model: string,
): Translation => {
  const { usageInjected, ...call } = wire.encodePassThrough({
    body,
    model,
    stream: header.stream,
    forwardedHeaders: header.forwardedHeaders,
  });
  return {
    provider,
    call,
    droppedParams: [],
    translateAnswer: (answer) => ({ body: answer, facts: wire.readAnswer(answer) }),
    openStream: () => {
      if (wire.operation !== 'chat') return notStreamed();
      return passingStream(wire, usageInjected, header.streamFraming);
    },
  };
};

type Ready = Pick<Translation, 'call' | 'translateAnswer' | 'openStream'>;
type Between = { input: DecodeInput; model: string; context: EncodeContext };

const betweenChats = (
  provider: Provider,
  usual: ChatWire,
  surface: ChatSurface,
  { input, model, context }: Between,
): Ready => {
  const request = surface.decodeRequest(input);
  const wire = suitedWire(provider, usual, request);
  return {
    call: wire.encodeRequest({ request, model, inexpressible: input.inexpressible }),
    translateAnswer: (answer) => {
      const response = wire.decodeResponse(answer);
      const { id, model: servedModel, finishReason, usage } = response;
      return {
        body: encodeJson(surface.encodeResponse(response, context, input.body)),
        facts: { id, model: servedModel, finishReason, usage },
      };
    },
    openStream: () => {
      const encoder = surface.createStreamEncoder(input.body, context);
      return streamOf(wire.createStreamDecoder({ usageInjected: false }), ({ parts }) =>
        parts.map((part) => encoder.encode(part)).join(''),
      );
    },
  };
};

/** Clients are told which model answered: the one that was asked, where the provider does not say. */
const named = <Response extends { model: string }>(response: Response, model: string): Response =>
  response.model === '' ? { ...response, model } : response;

const betweenEmbeddings = (
  wire: EmbeddingWire,
  surface: EmbeddingSurface,
  { input, model }: Between,
): Ready => ({
  call: wire.encodeRequest({
    request: surface.decodeRequest(input),
    model,
    inexpressible: input.inexpressible,
  }),
  translateAnswer: (answer) => ({
    body: encodeJson(surface.encodeResponse(named(wire.decodeResponse(answer), model), input.body)),
    facts: wire.readAnswer(answer),
  }),
  openStream: notStreamed,
});

const betweenTokenCounts = (
  wire: TokenCountWire,
  surface: TokenCountSurface,
  { input, model }: Between,
): Ready => ({
  call: wire.encodeRequest({
    request: surface.decodeRequest(input),
    model,
    inexpressible: input.inexpressible,
  }),
  translateAnswer: (answer) => ({
    body: encodeJson(surface.encodeResponse(wire.decodeResponse(answer))),
    facts: wire.readAnswer(answer),
  }),
  openStream: notStreamed,
});

const between = (
  provider: Provider,
  wire: Wire,
  surface: ReturnType<typeof surfaceOf>,
  ready: Between,
): Ready => {
  if (wire.operation === 'chat' && surface.operation === 'chat') {
    return betweenChats(provider, wire, surface, ready);
  }
  if (wire.operation === 'embedding' && surface.operation === 'embedding') {
    return betweenEmbeddings(wire, surface, ready);
  }
  if (wire.operation === 'token_count' && surface.operation === 'token_count') {
    return betweenTokenCounts(wire, surface, ready);
  }
  throw new TypeError(`a wire for ${wire.operation} at a surface for ${surface.operation}`);
};

/**
 * Makes the client's request ready for a target. Where both speak one dialect the bytes go through, unless
 * they hold what another provider sealed; else throws `FloError` `invalid_request`, naming the field, for
 * what the target cannot be asked.
 */
export const translateFor = (
  header: DispatchHeader,
  body: Uint8Array,
  target: { provider: Provider; model: string },
): Translation => {
  const { provider } = target;
  const surface = surfaceOf(header.surface);
  const wire = wireFor(provider, surface);
  const passes = wire.surface === header.surface && !holdsWrappedSeal(body);
  if (passes) return passThrough(provider, wire, header, body, target.model);
  const inexpressible = new Inexpressible({ drop: header.dropInexpressible, paramOf: paramOf(surface) });
  const clientBody: unknown = JSON.parse(Buffer.from(body).toString('utf8'));
  const ready = between(provider, wire, surface, {
    input: { body: clientBody, stream: header.stream, inexpressible },
    model: target.model,
    context: { createdAtMs: header.admittedAtMs, streamFraming: header.streamFraming },
  });
  return { provider, ...ready, droppedParams: inexpressible.dropped };
};
