import type { SseEvent } from './sse.ts';

/** By name, the members of a wire's events that differ between pieces of text that are otherwise the same. */
export type VaryingMembers = { texts: ReadonlySet<string>; counts: ReadonlySet<string> };

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COLON = 0x3a;
const CLOSE_BRACE = 0x7d;
const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const SPACE = 0x20;
const ZERO = 0x30;
const NINE = 0x39;
const LOWER_U = 0x75;
const BYTE_ORDER_MARK = 0xef;
const HEX_DIGITS = 4;
/** As many as a number may have and be a count that is exact. */
const COUNT_DIGITS_MAX = 15;
const SLOTS_MAX = 16;
const DATA = Buffer.from('data:');

const isDigit = (byte: number | undefined): boolean => byte !== undefined && byte >= ZERO && byte <= NINE;

const isHexDigit = (byte: number | undefined): boolean =>
  isDigit(byte) || (byte !== undefined && (byte | 0x20) >= 0x61 && (byte | 0x20) <= 0x66);

/** Whether JSON knows what stands behind a backslash: one of `"\/bfnrt`; `u` stands beside. */
const isEscape = (byte: number | undefined): boolean =>
  byte !== undefined && '"\\/bfnrt'.includes(String.fromCharCode(byte));

/** The index of the quote that ends a text, in JSON's own terms; −1 where it is empty or no JSON. */
const endOfText = (bytes: Uint8Array, from: number): number => {
  let index = from;
  while (index < bytes.length) {
    const byte = bytes[index];
    if (byte === undefined || byte < SPACE) return -1;
    if (byte === QUOTE) return index > from ? index : -1;
    if (byte === BACKSLASH) {
      index += 1;
      if (bytes[index] === LOWER_U) {
        for (let digit = 0; digit < HEX_DIGITS; digit += 1) {
          index += 1;
          if (!isHexDigit(bytes[index])) return -1;
        }
      } else if (!isEscape(bytes[index])) return -1;
    }
    index += 1;
  }
  return -1;
};

/** The index behind a count; −1 where there is none, or one that JSON would not write so. */
const endOfCount = (bytes: Uint8Array, from: number): number => {
  let index = from;
  while (isDigit(bytes[index])) index += 1;
  const length = index - from;
  if (length === 0 || length > COUNT_DIGITS_MAX || (length > 1 && bytes[from] === ZERO)) return -1;
  return index;
};

const endOfSpace = (bytes: Uint8Array, from: number): number => {
  let index = from;
  while (bytes[index] === SPACE) index += 1;
  return index;
};

type Slot = { start: number; end: number; endOf: typeof endOfText };

/** The index behind a string of valid JSON that begins at `from`. */
const skipString = (bytes: Uint8Array, from: number): number => {
  let index = from + 1;
  while (index < bytes.length && bytes[index] !== QUOTE) index += bytes[index] === BACKSLASH ? 2 : 1;
  return index + 1;
};

/** Where the value of a member begins whose name ended at `nameEnd`; −1 where it was no name. */
const valueStartAt = (bytes: Uint8Array, nameEnd: number): number => {
  let index = nameEnd;
  while (bytes[index] === SPACE) index += 1;
  if (bytes[index] !== COLON) return -1;
  do index += 1;
  while (bytes[index] === SPACE);
  return index;
};

/** Where the values of the varying members stand in valid JSON on one line. */
const findSlots = (
  bytes: Uint8Array,
  line: { start: number; end: number },
  { texts, counts }: VaryingMembers,
): Slot[] => {
  const slots: Slot[] = [];
  let index = line.start;
  while (index < line.end) {
    if (bytes[index] !== QUOTE) {
      index += 1;
      continue;
    }
    const nameStart = index + 1;
    index = skipString(bytes, index);
    const valueStart = valueStartAt(bytes, index);
    if (valueStart < 0) continue;
    const isText = bytes[valueStart] === QUOTE;
    const name = Buffer.from(bytes.subarray(nameStart, index - 1)).toString();
    if (!(isText ? texts : counts).has(name)) continue;
    const start = isText ? valueStart + 1 : valueStart;
    const endOf = isText ? endOfText : endOfCount;
    const end = endOf(bytes, start);
    if (end < 0) continue;
    slots.push({ start, end, endOf });
    index = isText ? end + 1 : end;
  }
  return slots;
};

/** The line of an event that has one `data` line; null where it has several. */
const dataLineOf = ({ bytes, data }: SseEvent): { start: number; end: number } | null => {
  if (data === '' || data.includes('\n') || bytes[0] === BYTE_ORDER_MARK) return null;
  // Behind a lone CR may stand an LF that belongs to it.
  if (bytes.at(-1) !== LINE_FEED) return null;
  let start = 0;
  while (start < bytes.length) {
    let end = start;
    while (end < bytes.length && bytes[end] !== LINE_FEED && bytes[end] !== CARRIAGE_RETURN) end += 1;
    if (DATA.every((byte, offset) => bytes[start + offset] === byte)) {
      return { start: start + DATA.length, end };
    }
    start = end + 1;
  }
  return null;
};

/** Where space may stand before the last brace: some providers pad their events to hide how long a text is. */
const findPadding = (bytes: Uint8Array, line: { end: number }): Slot[] => {
  let end = line.end - 1;
  if (bytes[end] !== CLOSE_BRACE) return [];
  const slot = { end, endOf: endOfSpace };
  while (bytes[end - 1] === SPACE) end -= 1;
  return [{ ...slot, start: end }];
};

/** Long pieces are quicker to compare outside of JavaScript. */
const NATIVE_BYTES_MIN = 64;

const isAt = (bytes: Uint8Array, at: number, piece: Buffer): boolean => {
  const end = at + piece.length;
  if (end > bytes.length) return false;
  if (piece.length >= NATIVE_BYTES_MIN) return piece.compare(bytes, at, end) === 0;
  for (let offset = 0; offset < piece.length; offset += 1) {
    if (bytes[at + offset] !== piece[offset]) return false;
  }
  return true;
};

/**
 * The bytes of an event whose JSON is valid, with holes where the varying members' values stand. Whatever
 * fits is the same JSON with other texts in it, none of them empty, and other counts: a hole is filled by
 * exactly one whole string's content or one whole number, and all else is equal, byte for byte. So it need not be
 * parsed to be known.
 */
export class EventShape {
  readonly #pieces: readonly Buffer[];
  readonly #ends: readonly (typeof endOfText)[];

  private constructor(pieces: readonly Buffer[], ends: readonly (typeof endOfText)[]) {
    this.#pieces = pieces;
    this.#ends = ends;
  }

  /** Null where the event is too odd to be a model for others. */
  static of(event: SseEvent, varying: VaryingMembers): EventShape | null {
    const line = dataLineOf(event);
    if (line === null) return null;
    const varied = findSlots(event.bytes, line, varying);
    if (varied.length === 0 || varied.length > SLOTS_MAX) return null;
    const slots = [...varied, ...findPadding(event.bytes, line)];
    const bounds = [0, ...slots.flatMap(({ start, end }) => [start, end]), event.bytes.length];
    const pieces = Array.from({ length: slots.length + 1 }, (_, index) =>
      Buffer.from(event.bytes.slice(bounds[index * 2], bounds[index * 2 + 1])),
    );
    return new EventShape(
      pieces,
      slots.map(({ endOf }) => endOf),
    );
  }

  /** The end of an event that begins at `from` and fits; −1 where none does. */
  endIn(bytes: Uint8Array, from: number): number {
    let at = from;
    for (let index = 0; index < this.#pieces.length; index += 1) {
      const piece = this.#pieces[index];
      if (piece === undefined || !isAt(bytes, at, piece)) return -1;
      at += piece.length;
      const endOf = this.#ends[index];
      if (endOf !== undefined) at = endOf(bytes, at);
      if (at < 0) return -1;
    }
    return at;
  }
}
