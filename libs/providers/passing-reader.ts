import type { StreamPart } from '#contracts/inference';
import { EventShape } from './event-shape.ts';
import type { AnswerFacts, ChatWire, DecodedEvent } from './provider.ts';
import { createSseReader, eventOf, type SseEvent } from './sse.ts';

/** One event or several in a row, as they came; `bytes` are empty for what only the connection's end says. */
export type PassedPiece = {
  bytes: Uint8Array;
  content: boolean;
  hidden: boolean;
  end: boolean;
};

/** Reads the bytes of one stream, however they are cut. Throws `FloError` for an error event or an unreadable one. */
export type PassingReader = {
  read: (chunk: Uint8Array) => Generator<PassedPiece, void, undefined>;
  /** What the orderly end of the connection says. */
  finish: () => Generator<PassedPiece, void, undefined>;
  facts: () => AnswerFacts;
};

/** What such an event says is said again by the next: what it adds to the facts, the next one replaces. */
const REPEATED: ReadonlySet<StreamPart['type']> = new Set([
  'text_delta',
  'reasoning_delta',
  'tool_call_delta',
  'usage',
] as const);

/** Shapes that nothing fitted are tried ever more rarely. */
const PAUSE_MAX = 64;
const NO_BYTES = new Uint8Array();

const isRepeatable = ({ parts, content, hidden }: DecodedEvent): boolean =>
  content && !hidden && parts.every(({ type }) => REPEATED.has(type));

const pieceOf = (bytes: Uint8Array, { parts, content, hidden }: DecodedEvent): PassedPiece => ({
  bytes,
  content,
  hidden,
  end: parts.some(({ type }) => type === 'end'),
});

/**
 * Reads a stream that is passed on, to the same facts and errors as the wire's own decoder, which it leaves out
 * for events that are like the two before in all but their text: of those only the last is decoded, before
 * whatever is otherwise. A stream is mostly of such, and decoding each costs as much as passing it on.
 */
export const createPassingReader = (
  wire: Pick<ChatWire, 'createStreamDecoder' | 'varying'>,
  { usageInjected, maxEventBytes }: { usageInjected: boolean; maxEventBytes: number },
): PassingReader => {
  const reader = createSseReader({ maxEventBytes });
  const decoder = wire.createStreamDecoder({ usageInjected });
  let shape: EventShape | null = null;
  /** Whether a second event of the shape told the same as the first: some say a thing once only. */
  let isConfirmed = false;
  let hasFitted = false;
  let pause = 0;
  let untilLearning = 0;
  let unread: { chunk: Uint8Array; start: number; end: number } | null = null;

  const decodeUnread = (): void => {
    if (unread === null) return;
    const { chunk, start, end } = unread;
    unread = null;
    decoder.decode(eventOf(chunk.subarray(start, end)));
  };

  const forget = (): void => {
    if (shape === null) return;
    shape = null;
    pause = hasFitted ? 0 : Math.min(PAUSE_MAX, pause * 2 + 1);
    untilLearning = pause;
  };

  /** Takes the event for the model of those that follow, unless models were of little use lately. */
  const learn = (event: SseEvent, decoded: DecodedEvent): void => {
    if (!isRepeatable(decoded)) return;
    if (untilLearning > 0) untilLearning -= 1;
    else shape = EventShape.of(event, wire.varying);
    isConfirmed = false;
    hasFitted = false;
  };

  const decode = (event: SseEvent): PassedPiece => {
    decodeUnread();
    const isAlike = shape !== null && !isConfirmed && shape.endIn(event.bytes, 0) === event.bytes.length;
    const decoded = decoder.decode(event);
    if (isAlike && isRepeatable(decoded)) isConfirmed = true;
    else {
      forget();
      learn(event, decoded);
    }
    return pieceOf(event.bytes, decoded);
  };

  /** The end of the events from here on that need not be decoded. */
  const skip = (chunk: Uint8Array, from: number): number => {
    if (shape === null || !isConfirmed || !reader.isBetweenEvents()) return from;
    let start = from;
    let end = from;
    while (end < chunk.length) {
      const next = shape.endIn(chunk, end);
      if (next < 0 || next - end > maxEventBytes) break;
      start = end;
      end = next;
    }
    if (end === from) return from;
    unread = { chunk, start, end };
    hasFitted = true;
    return end;
  };

  const decodeAll = function* (chunk: Uint8Array): Generator<PassedPiece, void, undefined> {
    let from = 0;
    while (from < chunk.length) {
      const start = skip(chunk, from);
      if (start > from) {
        // Mostly a chunk is one event, or several whole ones.
        const isAll = from === 0 && start === chunk.length;
        const bytes = isAll ? chunk : chunk.subarray(from, start);
        yield { bytes, content: true, hidden: false, end: false };
      }
      if (start === chunk.length) return;
      const { event, end } = reader.next(chunk, start);
      if (event !== null) yield decode(event);
      from = end;
    }
  };

  return {
    read: decodeAll,
    finish: function* () {
      for (const event of reader.finish()) yield decode(event);
      decodeUnread();
      if (decoder.finish !== undefined) yield pieceOf(NO_BYTES, decoder.finish());
    },
    facts: () => {
      decodeUnread();
      return decoder.facts();
    },
  };
};
