import type { DispatchHeader } from '#contracts/dispatch';
import type { StreamPart } from '#contracts/inference';
import { FloError } from '#domain/errors';
import { Inexpressible } from '#domain/inexpressible';
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
import { wireFor } from '#providers/registry';
import type { SseEvent } from '#providers/sse';
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
import { createStreamFrame } from './stream-frame.ts';

/** What one event of the provider's stream becomes for the client. */
export type TranslatedEvent = { text: string; content: boolean; end: boolean };

export type StreamTranslation = {
  /** Throws `FloError` for an error event or an unreadable one. */
  translate: (event: SseEvent) => TranslatedEvent;
  /** What the orderly end of the connection becomes. */
  finish: () => TranslatedEvent;
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

const NOTHING: DecodedEvent = { parts: [], content: false, hidden: false };

const isEnd = (part: StreamPart): boolean => part.type === 'end';

const encodeJson = (value: unknown): Uint8Array => Buffer.from(JSON.stringify(value));

const notStreamed = (): never => {
  throw new FloError('invalid_request', 'stream: there is nothing to stream at this endpoint.', {
    param: 'stream',
  });
};

const streamOf = (
  decoder: StreamDecoder,
  textOf: (decoded: DecodedEvent, event: SseEvent | null) => string,
): StreamTranslation => {
  const translated = (decoded: DecodedEvent, event: SseEvent | null): TranslatedEvent => ({
    text: textOf(decoded, event),
    content: decoded.content,
    end: decoded.parts.some(isEnd),
  });
  return {
    translate: (event) => translated(decoder.decode(event), event),
    finish: () => translated(decoder.finish?.() ?? NOTHING, null),
    facts: decoder.facts,
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
      const frame = createStreamFrame(header.streamFraming);
      return streamOf(
        wire.createStreamDecoder({ usageInjected }),
        ({ parts, hidden }, event) =>
          (event === null || hidden ? '' : frame.event(event)) + (parts.some(isEnd) ? frame.end() : ''),
      );
    },
  };
};

type Ready = Pick<Translation, 'call' | 'translateAnswer' | 'openStream'>;
type Between = { input: DecodeInput; model: string; context: EncodeContext };

const betweenChats = (wire: ChatWire, surface: ChatSurface, { input, model, context }: Between): Ready => ({
  call: wire.encodeRequest({
    request: surface.decodeRequest(input),
    model,
    inexpressible: input.inexpressible,
  }),
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
});

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
    body: encodeJson(surface.encodeResponse(wire.decodeResponse(answer), input.body)),
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

const between = (wire: Wire, surface: ReturnType<typeof surfaceOf>, ready: Between): Ready => {
  if (wire.operation === 'chat' && surface.operation === 'chat') return betweenChats(wire, surface, ready);
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
  const ready = between(wire, surface, {
    input: { body: clientBody, stream: header.stream, inexpressible },
    model: target.model,
    context: { createdAtMs: header.admittedAtMs, streamFraming: header.streamFraming },
  });
  return { provider, ...ready, droppedParams: inexpressible.dropped };
};
