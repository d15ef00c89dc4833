import type { DispatchHeader } from '#contracts/dispatch';
import type { StreamPart } from '#contracts/inference';
import type { AnswerFacts, Provider, UpstreamCall } from '#providers/provider';
import { providerOf } from '#providers/registry';
import type { SseEvent } from '#providers/sse';
import { surfaceOf } from '#surfaces/registry';
import type { Surface } from '#surfaces/surface';

/** What one event of the provider's stream becomes for the client. */
export type TranslatedEvent = { text: string; content: boolean; end: boolean };

export type StreamTranslation = {
  /** Throws `FloError` for an error event or an unreadable one. */
  translate: (event: SseEvent) => TranslatedEvent;
  facts: () => AnswerFacts;
};

/** A request made ready for one provider, and the way back. */
export type Translation = {
  provider: Provider;
  call: UpstreamCall;
  /** The client's bytes and the ledger's facts. Throws `FloError` `malformed_answer`. */
  translateAnswer: (body: Uint8Array) => { body: Uint8Array; facts: AnswerFacts };
  openStream: () => StreamTranslation;
};

const isEnd = (part: StreamPart): boolean => part.type === 'end';

const passThrough = (
  provider: Provider,
  header: DispatchHeader,
  body: Uint8Array,
  model: string,
): Translation => {
  const { usageInjected, ...call } = provider.encodePassThrough({
    body,
    model,
    stream: header.stream,
    forwardedHeaders: header.forwardedHeaders,
  });
  return {
    provider,
    call,
    translateAnswer: (answer) => ({ body: answer, facts: provider.readAnswer(answer) }),
    openStream: () => {
      const decoder = provider.createStreamDecoder({ usageInjected });
      return {
        translate: (event) => {
          const { parts, content, hidden } = decoder.decode(event);
          return { text: hidden ? '' : event.text, content, end: parts.some(isEnd) };
        },
        facts: decoder.facts,
      };
    },
  };
};

const betweenDialects = (
  provider: Provider,
  surface: Surface,
  body: Uint8Array,
  model: string,
  createdAtMs: number,
): Translation => {
  const clientBody: unknown = JSON.parse(Buffer.from(body).toString('utf8'));
  const call = provider.encodeRequest({ request: surface.decodeRequest(clientBody), model });
  const context = { createdAtMs };
  return {
    provider,
    call,
    translateAnswer: (answer) => {
      const response = provider.decodeResponse(answer);
      const { id, model: servedModel, finishReason, usage } = response;
      return {
        body: Buffer.from(JSON.stringify(surface.encodeResponse(response, context))),
        facts: { id, model: servedModel, finishReason, usage },
      };
    },
    openStream: () => {
      const decoder = provider.createStreamDecoder({ usageInjected: false });
      const encoder = surface.createStreamEncoder(clientBody, context);
      return {
        translate: (event) => {
          const { parts, content } = decoder.decode(event);
          let text = '';
          for (const part of parts) text += encoder.encode(part);
          return { text, content, end: parts.some(isEnd) };
        },
        facts: decoder.facts,
      };
    },
  };
};

/**
 * Makes the client's request ready for a target. Where both speak one dialect the bytes go through;
 * else throws `FloError` `invalid_request`, naming the field, for what the target cannot be asked.
 */
export const translateFor = (
  header: DispatchHeader,
  body: Uint8Array,
  target: { provider: DispatchHeader['plan']['steps'][number]['provider']; model: string },
): Translation => {
  const provider = providerOf(target.provider);
  return provider.surface === header.surface
    ? passThrough(provider, header, body, target.model)
    : betweenDialects(provider, surfaceOf(header.surface), body, target.model, header.admittedAtMs);
};
