import { FloError } from '#domain/errors';

/** The bytes of one member of an object: from its key's first quote to its value's last byte. */
type Member = { name: string; valueStart: number; valueEnd: number };
type ObjectOutline = { start: number; members: Member[]; end: number };

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const BYTE_ORDER_MARK_LENGTH = 3;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

const unreadable = (): FloError => new FloError('invalid_request', 'The body is not a JSON object.');

const isSpace = (byte: number | undefined): boolean =>
  byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;

const skipSpace = (body: Uint8Array, from: number): number => {
  let at = from;
  while (isSpace(body[at])) at += 1;
  return at;
};

/** From a string's first quote to behind its last. Text between quotes is leapt over, not walked. */
const skipString = (body: Uint8Array, from: number): number => {
  for (let quote = body.indexOf(QUOTE, from + 1); quote >= 0; quote = body.indexOf(QUOTE, quote + 1)) {
    let backslashes = 0;
    while (body[quote - 1 - backslashes] === BACKSLASH) backslashes += 1;
    if (backslashes % 2 === 0) return quote + 1;
  }
  throw unreadable();
};

const skipValue = (body: Uint8Array, from: number): number => {
  let depth = 0;
  let at = from;
  while (at < body.length) {
    const byte = body[at];
    if (byte === QUOTE) {
      at = skipString(body, at);
      if (depth === 0) return at;
      continue;
    }
    if (byte === OPEN_BRACE || byte === OPEN_BRACKET) depth += 1;
    else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET) {
      if (depth === 0) return at;
      depth -= 1;
      if (depth === 0) return at + 1;
    } else if (depth === 0 && (byte === COMMA || isSpace(byte))) return at;
    at += 1;
  }
  throw unreadable();
};

const readName = (body: Uint8Array, start: number, end: number): string => {
  const inner = decoder.decode(body.subarray(start + 1, end - 1));
  return inner.includes('\\') ? String(JSON.parse(`"${inner}"`)) : inner;
};

/** Throws `FloError` `invalid_request` where the body is no object; it need not be valid JSON otherwise. */
const outline = (body: Uint8Array): ObjectOutline => {
  const marked = body[0] === 0xef && body[1] === 0xbb && body[2] === 0xbf;
  const start = marked ? BYTE_ORDER_MARK_LENGTH : 0;
  const brace = skipSpace(body, start);
  if (body[brace] !== OPEN_BRACE) throw unreadable();
  const members: Member[] = [];
  let at = skipSpace(body, brace + 1);
  while (body[at] !== CLOSE_BRACE) {
    if (body[at] !== QUOTE) throw unreadable();
    const nameEnd = skipString(body, at);
    const name = readName(body, at, nameEnd);
    const colon = skipSpace(body, nameEnd);
    if (body[colon] !== COLON) throw unreadable();
    const valueStart = skipSpace(body, colon + 1);
    const valueEnd = skipValue(body, valueStart);
    members.push({ name, valueStart, valueEnd });
    at = skipSpace(body, valueEnd);
    if (body[at] === COMMA) at = skipSpace(body, at + 1);
    else if (body[at] !== CLOSE_BRACE) throw unreadable();
  }
  return { start, members, end: at };
};

const concatenate = (pieces: readonly Uint8Array[]): Uint8Array => {
  const whole = new Uint8Array(pieces.reduce((length, piece) => length + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
};

/** A top-level member's value as the bytes it was written in, null where there is none. The last one counts. */
export const findJsonMember = (body: Uint8Array, name: string): Uint8Array | null => {
  const member = outline(body).members.findLast((candidate) => candidate.name === name);
  return member === undefined ? null : body.subarray(member.valueStart, member.valueEnd);
};

/**
 * A JSON object's bytes with some top-level members replaced, or added at its end; every other byte stays
 * (only a byte order mark goes). A value given as bytes is JSON already. Where a key stands several times,
 * each is replaced, so that it does not matter which one a reader takes.
 * Throws `FloError` `invalid_request` where the body is no JSON object.
 */
export const replaceJsonMembers = (
  body: Uint8Array,
  members: Readonly<Record<string, unknown>>,
): Uint8Array => {
  const { start, members: found, end } = outline(body);
  const values = new Map(
    Object.entries(members).map(([name, value]) => [
      name,
      value instanceof Uint8Array ? value : encoder.encode(JSON.stringify(value)),
    ]),
  );
  const pieces: Uint8Array[] = [];
  const replaced = new Set<string>();
  let at = start;
  for (const { name, valueStart, valueEnd } of found) {
    const value = values.get(name);
    if (value === undefined) continue;
    pieces.push(body.subarray(at, valueStart), value);
    at = valueEnd;
    replaced.add(name);
  }
  pieces.push(body.subarray(at, end));
  let isFirst = found.length === 0;
  for (const [name, value] of values) {
    if (replaced.has(name)) continue;
    pieces.push(encoder.encode(`${isFirst ? '' : ','}${JSON.stringify(name)}:`), value);
    isFirst = false;
  }
  pieces.push(body.subarray(end));
  return concatenate(pieces);
};
