/** Holds the reader of streams that are passed on to the wire's own decoder. */
import { isDeepStrictEqual } from 'node:util';
import { FloError } from '#domain/errors';
import { createPassingReader, type PassedPiece } from '#providers/passing-reader';
import type { AnswerFacts, ChatWire, DecodedEvent } from '#providers/provider';
import { createSseReader } from '#providers/sse';
import { changeBytes, changeEvent } from './mutate.ts';
import type { Random } from './random.ts';

const COPIES_MAX = 8;
const EVENT_BYTES_MAX = 1_000_000;

/** An event of the stream several times in a row, as a long answer has them; some of the copies are changed. */
export const repeatEvent = (random: Random, stream: Buffer): Buffer => {
  const events = stream.toString('latin1').split(/(?<=\n\n|\r\n\r\n)/);
  const index = random.below(events.length);
  const event = Buffer.from(events[index] ?? '', 'latin1');
  const copies = Array.from({ length: 2 + random.below(COPIES_MAX) }, () => {
    if (random.chance(0.4)) return event;
    return random.chance(0.5) ? changeEvent(random, event) : changeBytes(random, event, [stream]);
  });
  const before = Buffer.from(events.slice(0, index).join(''), 'latin1');
  const after = Buffer.from(events.slice(index + 1).join(''), 'latin1');
  return Buffer.concat([before, ...copies, after]);
};

/** What becomes of a stretch of the stream. */
type Told = { content: boolean; hidden: boolean; end: boolean; length: number };

type Reading = { told: Told[]; passed: Buffer; failure: unknown; facts: AnswerFacts };

const read = (pieces: Iterable<PassedPiece>, facts: () => AnswerFacts): Reading => {
  const told: Told[] = [];
  const passed: Uint8Array[] = [];
  let failure: unknown = null;
  try {
    for (const { bytes, content, hidden, end } of pieces) {
      passed.push(bytes);
      const last = told.at(-1);
      // Events that tell the same may come one by one or together.
      if (last?.content === content && last.hidden === hidden && last.end === end)
        last.length += bytes.length;
      else told.push({ content, hidden, end, length: bytes.length });
    }
  } catch (error) {
    if (!(error instanceof FloError)) throw error;
    failure = { code: error.code, message: error.message };
  }
  return { told, passed: Buffer.concat(passed), failure, facts: facts() };
};

type Options = { chunks: readonly Uint8Array[]; usageInjected: boolean; isCut: boolean };

const readInFull = (wire: ChatWire, { chunks, usageInjected, isCut }: Options): Reading => {
  const reader = createSseReader({ maxEventBytes: EVENT_BYTES_MAX });
  const decoder = wire.createStreamDecoder({ usageInjected });
  const pieceOf = (bytes: Uint8Array, { content, hidden, parts }: DecodedEvent): PassedPiece => ({
    bytes,
    content,
    hidden,
    end: parts.some(({ type }) => type === 'end'),
  });
  const pieces = function* (): Generator<PassedPiece> {
    for (const chunk of chunks) {
      for (const event of reader.read(chunk)) yield pieceOf(event.bytes, decoder.decode(event));
    }
    if (isCut) return;
    for (const event of reader.finish()) yield pieceOf(event.bytes, decoder.decode(event));
    if (decoder.finish !== undefined) yield pieceOf(new Uint8Array(), decoder.finish());
  };
  return read(pieces(), decoder.facts);
};

const readPassing = (wire: ChatWire, { chunks, usageInjected, isCut }: Options): Reading => {
  const reader = createPassingReader(wire, { usageInjected, maxEventBytes: EVENT_BYTES_MAX });
  const pieces = function* (): Generator<PassedPiece> {
    for (const chunk of chunks) yield* reader.read(chunk);
    if (!isCut) yield* reader.finish();
  };
  return read(pieces(), reader.facts);
};

/** Throws where a stream that is passed on tells anything else than one that is read in full. */
export const comparePassing = (wire: ChatWire, options: Options): void => {
  const inFull = readInFull(wire, options);
  const passing = readPassing(wire, options);
  if (isDeepStrictEqual(inFull, passing)) return;
  throw new Error(`read in full: ${JSON.stringify(inFull)}\npassed on: ${JSON.stringify(passing)}`);
};
