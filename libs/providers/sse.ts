import { FloError } from '#domain/errors';

/** One server-sent event. `bytes` are the event as it came, with its final blank line, for passing through. */
export type SseEvent = { readonly event: string | null; readonly data: string; readonly bytes: Uint8Array };

export type SseReader = {
  /**
   * Reads on in a chunk, from where it has been read to, up to the end of an event. Without an event all of it
   * was read and is held. Throws as `read` does.
   */
  next: (chunk: Uint8Array, from: number) => { event: SseEvent | null; end: number };
  /** Whether an event begins with the next byte, and not the stream. */
  isBetweenEvents: () => boolean;
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
const LINE_END = /\r\n|\r/g;
const COLON = 58;
const SPACE = 32;

/** Quicker for short texts than a `TextDecoder`, which does the same. */
const decodeText = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString();

/** The value of a line from `start` to `end` where it is of this field, null where it is of another. */
const valueOf = (text: string, field: string, start: number, end: number): string | null => {
  if (!text.startsWith(field, start)) return null;
  const colon = start + field.length;
  if (colon === end) return '';
  if (text.charCodeAt(colon) !== COLON) return null;
  return text.slice(text.charCodeAt(colon + 1) === SPACE ? colon + 2 : colon + 1, end);
};

type Fields = { event: string | null; data: string };

const parseFields = (text: string, isFirst: boolean): Fields => {
  let event: string | null = null;
  let data: string | null = null;
  const lines = text.includes('\r') ? text.replaceAll(LINE_END, '\n') : text;
  let start = isFirst && lines.startsWith(BYTE_ORDER_MARK) ? 1 : 0;
  while (start < lines.length) {
    const found = lines.indexOf('\n', start);
    const end = found < 0 ? lines.length : found;
    const value = valueOf(lines, 'data', start, end);
    if (value !== null) data = data === null ? value : `${data}\n${value}`;
    else event = valueOf(lines, 'event', start, end) ?? event;
    start = end + 1;
  }
  return { event, data: data ?? '' };
};

/** Its fields are looked for when they are asked for. */
class ReceivedEvent implements SseEvent {
  readonly bytes: Uint8Array;
  readonly #isFirst: boolean;
  #fields: Fields | null = null;

  constructor(bytes: Uint8Array, isFirst: boolean) {
    this.bytes = bytes;
    this.#isFirst = isFirst;
  }

  get event(): string | null {
    return this.#read().event;
  }

  get data(): string {
    return this.#read().data;
  }

  #read(): Fields {
    return (this.#fields ??= parseFields(decodeText(this.bytes), this.#isFirst));
  }
}

/** A whole event that is not the first of its stream. */
export const eventOf = (bytes: Uint8Array): SseEvent => new ReceivedEvent(bytes, false);

const firstAt = (bytes: Uint8Array, byte: number, from: number): number => {
  const found = bytes.indexOf(byte, from);
  return found < 0 ? bytes.length : found;
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
  /** The next ends of lines in a chunk, found once for all of its events. */
  let scanned: Uint8Array = NOTHING;
  let lineFeed = -1;
  let carriageReturn = -1;

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
    // What is held is written over by the next piece, a chunk by nobody.
    const whole = heldLength > 0 ? held.slice(0, heldLength) : bytes;
    assertWithinBound(whole.length);
    const event = new ReceivedEvent(whole, isFirst);
    isFirst = false;
    heldLength = 0;
    wholeLinesLength = 0;
    lineIsEmpty = true;
    eventIsEmpty = true;
    afterCarriageReturn = false;
    endIsOpen = false;
    return event;
  };

  /** Reads on in a chunk up to the end of an event; holds what is left of it where none ends. */
  const next = (chunk: Uint8Array, from: number): { event: SseEvent | null; end: number } => {
    if (chunk !== scanned || from === 0) {
      scanned = chunk;
      lineFeed = -1;
      carriageReturn = -1;
    }
    if (endIsOpen && from < chunk.length) {
      const end = chunk[from] === LINE_FEED ? from + 1 : from;
      return { event: take(chunk.subarray(from, end)), end };
    }
    let wholeLinesEnd = from;
    for (let index = from; index < chunk.length; index += 1) {
      if (lineFeed < index) lineFeed = firstAt(chunk, LINE_FEED, index);
      if (carriageReturn < index) carriageReturn = firstAt(chunk, CARRIAGE_RETURN, index);
      const lineEnd = Math.min(lineFeed, carriageReturn);
      if (lineEnd > index) {
        lineIsEmpty = false;
        afterCarriageReturn = false;
        index = lineEnd;
        if (lineEnd === chunk.length) break;
      }
      const isLineFeed = index === lineFeed;
      wholeLinesEnd = index + 1;
      if (isLineFeed && afterCarriageReturn) {
        afterCarriageReturn = false;
        continue;
      }
      afterCarriageReturn = !isLineFeed;
      if (!lineIsEmpty) {
        lineIsEmpty = true;
        eventIsEmpty = false;
      } else if (!eventIsEmpty) {
        if (afterCarriageReturn && index + 1 === chunk.length) {
          endIsOpen = true;
          break;
        }
        const end = afterCarriageReturn && chunk[index + 1] === LINE_FEED ? index + 2 : index + 1;
        return { event: take(chunk.subarray(from, end)), end };
      }
    }
    if (wholeLinesEnd > from) wholeLinesLength = heldLength + wholeLinesEnd - from;
    if (from < chunk.length) hold(chunk.subarray(from));
    return { event: null, end: chunk.length };
  };

  return {
    next,
    isBetweenEvents: () => heldLength === 0 && !isFirst,
    read: (chunk) => {
      const events: SseEvent[] = [];
      let from = 0;
      while (from < chunk.length) {
        const { event, end } = next(chunk, from);
        if (event !== null) events.push(event);
        from = end;
      }
      return events;
    },
    finish: () => {
      if (wholeLinesLength === 0) return [];
      heldLength = wholeLinesLength;
      return [take(endIsOpen || eventIsEmpty ? NOTHING : BLANK_LINE)];
    },
  };
};
