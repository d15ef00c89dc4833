import { FloError } from '#domain/errors';

/** One server-sent event. `text` is the event as it came, with its final blank line, for passing through. */
export type SseEvent = { event: string | null; data: string; text: string };

export type SseReader = {
  /** The events that are complete with this chunk. Throws `FloError` `malformed_answer` for one over the bound. */
  read: (chunk: Uint8Array) => SseEvent[];
  /** What was left without its blank line at the end, made whole as one more event; a cut line is no line. */
  finish: () => SseEvent[];
};

const LINE_FEED = 10;
const CARRIAGE_RETURN = 13;
const BYTE_ORDER_MARK = '\uFEFF';
const HELD_BYTES_MIN = 1024;
const NOTHING = new Uint8Array();
const BLANK_LINE = new Uint8Array([LINE_FEED]);
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
 * Reads an event stream however it is cut into chunks (WHATWG HTML, "Parsing an event stream"), in time
 * linear in its length. Blocks without data, such as comments, come as events with empty data, so that the
 * texts together are the stream.
 */
export const createSseReader = ({ maxEventBytes }: { maxEventBytes: number }): SseReader => {
  let held = new Uint8Array(HELD_BYTES_MIN);
  let heldLength = 0;
  /** Held bytes up to the end of the last whole line. */
  let wholeLinesLength = 0;
  let isFirst = true;
  let lineIsEmpty = true;
  let eventIsEmpty = true;
  let afterCarriageReturn = false;
  /** An event ended with a CR at the end of a chunk: only the next one can tell whether its LF follows. */
  let endIsOpen = false;

  const assertWithinBound = (length: number): void => {
    if (length <= maxEventBytes) return;
    throw new FloError(
      'malformed_answer',
      `The provider's answer holds an event over ${maxEventBytes} bytes.`,
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

  /** The event of what is held and these bytes. */
  const take = (bytes: Uint8Array): SseEvent => {
    if (heldLength > 0) hold(bytes);
    const whole = heldLength > 0 ? held.subarray(0, heldLength) : bytes;
    assertWithinBound(whole.length);
    const event = parseEvent(decoder.decode(whole), isFirst);
    isFirst = false;
    heldLength = 0;
    wholeLinesLength = 0;
    lineIsEmpty = true;
    eventIsEmpty = true;
    afterCarriageReturn = false;
    endIsOpen = false;
    return event;
  };

  return {
    read: (chunk) => {
      const events: SseEvent[] = [];
      let start = 0;
      if (endIsOpen && chunk.length > 0) {
        start = chunk[0] === LINE_FEED ? 1 : 0;
        events.push(take(chunk.subarray(0, start)));
      }
      let wholeLinesEnd = start;
      for (let index = start; index < chunk.length; index += 1) {
        const byte = chunk[index];
        if (byte !== LINE_FEED && byte !== CARRIAGE_RETURN) {
          lineIsEmpty = false;
          afterCarriageReturn = false;
          continue;
        }
        wholeLinesEnd = index + 1;
        if (byte === LINE_FEED && afterCarriageReturn) {
          afterCarriageReturn = false;
          continue;
        }
        afterCarriageReturn = byte === CARRIAGE_RETURN;
        if (!lineIsEmpty) {
          lineIsEmpty = true;
          eventIsEmpty = false;
        } else if (!eventIsEmpty) {
          if (afterCarriageReturn && index + 1 === chunk.length) {
            endIsOpen = true;
            break;
          }
          if (afterCarriageReturn && chunk[index + 1] === LINE_FEED) index += 1;
          events.push(take(chunk.subarray(start, index + 1)));
          start = index + 1;
          wholeLinesEnd = start;
        }
      }
      if (wholeLinesEnd > start) wholeLinesLength = heldLength + wholeLinesEnd - start;
      if (start < chunk.length) hold(chunk.subarray(start));
      return events;
    },
    finish: () => {
      if (wholeLinesLength === 0) return [];
      heldLength = wholeLinesLength;
      return [take(endIsOpen || eventIsEmpty ? NOTHING : BLANK_LINE)];
    },
  };
};
