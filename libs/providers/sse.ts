import { FloError } from '#domain/errors';

/**
 * One server-sent event. `text` is the event as it came, with its final blank line, for passing through.
 * A block of comments alone is an event without data.
 */
export type SseEvent = { event: string | null; data: string; text: string };

export type SseReader = {
  /** The events that end in this chunk, which is not kept. Throws `FloError` `malformed_answer`. */
  read: (chunk: Uint8Array) => SseEvent[];
  /** The event that lacks only its blank line. A line that was cut is no line. */
  finish: () => SseEvent[];
};

const LINE_FEED = 10;
const CARRIAGE_RETURN = 13;
const BYTE_ORDER_MARK = '\uFEFF';
const HELD_BYTES_MIN = 1024;
const LINE_END = /\r\n|\n|\r/;

const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

const splitLines = (text: string): string[] =>
  text.includes('\r') ? text.split(LINE_END) : text.split('\n');

const parseEvent = (text: string, isFirst: boolean): SseEvent => {
  let event: string | null = null;
  let data: string | null = null;
  for (const line of splitLines(isFirst && text.startsWith(BYTE_ORDER_MARK) ? text.slice(1) : text)) {
    const colon = line.indexOf(':');
    const field = colon < 0 ? line : line.slice(0, colon);
    if (field !== 'data' && field !== 'event') continue;
    const value = colon < 0 ? '' : line.slice(line[colon + 1] === ' ' ? colon + 2 : colon + 1);
    if (field === 'event') event = value;
    else data = data === null ? value : `${data}\n${value}`;
  }
  return { event, data: data ?? '', text };
};

/**
 * Reads an event stream as WHATWG HTML §9.2 defines it, chunk by chunk and in time linear in its length.
 * An event ends with its blank line, found in the bytes: no character of UTF-8 contains a line end.
 */
export const createSseReader = ({ maxEventBytes }: { maxEventBytes: number }): SseReader => {
  let held = new Uint8Array(HELD_BYTES_MIN);
  let heldLength = 0;
  let isFirst = true;
  let afterCarriageReturn = false;
  let lineIsEmpty = true;
  let eventIsEmpty = true;
  /** Held bytes up to the end of the last whole line. */
  let wholeLinesLength = 0;

  const assertWithinBound = (length: number): void => {
    if (length <= maxEventBytes) return;
    throw new FloError(
      'malformed_answer',
      `The provider's answer cannot be read: an event of its stream is over ${maxEventBytes} bytes.`,
    );
  };

  const hold = (bytes: Uint8Array): void => {
    const length = heldLength + bytes.length;
    assertWithinBound(length);
    if (length > held.length) {
      const grown = new Uint8Array(Math.max(length, held.length * 2));
      grown.set(held.subarray(0, heldLength));
      held = grown;
    }
    held.set(bytes, heldLength);
    heldLength = length;
  };

  const take = (bytes: Uint8Array): SseEvent => {
    let whole = bytes;
    if (heldLength > 0) {
      hold(bytes);
      whole = held.subarray(0, heldLength);
    } else assertWithinBound(bytes.length);
    const event = parseEvent(decoder.decode(whole), isFirst);
    isFirst = false;
    heldLength = 0;
    wholeLinesLength = 0;
    eventIsEmpty = true;
    return event;
  };

  return {
    read: (chunk) => {
      const events: SseEvent[] = [];
      let start = 0;
      let wholeLinesEnd = -1;
      for (let index = 0; index < chunk.length; index += 1) {
        const byte = chunk[index];
        if (byte !== LINE_FEED && byte !== CARRIAGE_RETURN) {
          lineIsEmpty = false;
          afterCarriageReturn = false;
          continue;
        }
        const endsCarriageReturn = byte === LINE_FEED && afterCarriageReturn;
        afterCarriageReturn = byte === CARRIAGE_RETURN;
        if (!endsCarriageReturn) {
          if (!lineIsEmpty) eventIsEmpty = false;
          else if (!eventIsEmpty) {
            // The line feed of a final CRLF belongs to this event where it is here already.
            if (afterCarriageReturn && chunk[index + 1] === LINE_FEED) {
              index += 1;
              afterCarriageReturn = false;
            }
            events.push(take(chunk.subarray(start, index + 1)));
            start = index + 1;
          }
          lineIsEmpty = true;
        }
        wholeLinesEnd = index + 1;
      }
      if (wholeLinesEnd > start) wholeLinesLength = heldLength + wholeLinesEnd - start;
      if (start < chunk.length) hold(chunk.subarray(start));
      return events;
    },
    finish: () => {
      if (eventIsEmpty) return [];
      heldLength = wholeLinesLength;
      return [take(new Uint8Array([LINE_FEED]))];
    },
  };
};
