/**
 * Changes members of a JSON object in its text, so that everything else stays byte for byte: unknown
 * fields, the order, numbers too large for JavaScript.
 */

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;

const isSpace = (byte: number | undefined): boolean =>
  byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;

const skipSpace = (body: Uint8Array, from: number): number => {
  let index = from;
  while (isSpace(body[index])) index += 1;
  return index;
};

/** The index behind a string that begins at `from`. Text is leapt over, not walked: an image is long. */
const skipString = (body: Uint8Array, from: number): number => {
  let quote = body.indexOf(QUOTE, from + 1);
  while (quote >= 0) {
    let backslashes = 0;
    while (body[quote - 1 - backslashes] === BACKSLASH) backslashes += 1;
    if (backslashes % 2 === 0) return quote + 1;
    quote = body.indexOf(QUOTE, quote + 1);
  }
  throw new SyntaxError('the body is no JSON object');
};

/** The index behind a value that begins at `from`. */
const skipValue = (body: Uint8Array, from: number): number => {
  let depth = 0;
  let index = from;
  while (index < body.length) {
    const byte = body[index];
    if (byte === QUOTE) {
      index = skipString(body, index);
      if (depth === 0) return index;
      continue;
    }
    if (byte === OPEN_BRACE || byte === OPEN_BRACKET) depth += 1;
    else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET) {
      if (depth === 0) return index;
      depth -= 1;
      if (depth === 0) return index + 1;
    } else if (depth === 0 && (byte === COMMA || isSpace(byte))) return index;
    index += 1;
  }
  return index;
};

/** Where the text begins: parsers pass over a byte order mark, and so does admission. */
const startOf = (body: Uint8Array): number =>
  body[0] === 0xef && body[1] === 0xbb && body[2] === 0xbf ? 3 : 0;

type Member = { name: string; nameStart: number; nameEnd: number; valueStart: number; valueEnd: number };

const readMembers = (body: Uint8Array): { members: Member[]; end: number } => {
  const members: Member[] = [];
  let index = skipSpace(body, startOf(body));
  if (body[index] !== OPEN_BRACE) throw new SyntaxError('the body is no JSON object');
  index = skipSpace(body, index + 1);
  while (index < body.length && body[index] !== CLOSE_BRACE) {
    const nameStart = index;
    const nameEnd = skipString(body, index);
    const name: unknown = JSON.parse(Buffer.from(body.subarray(nameStart, nameEnd)).toString('utf8'));
    index = skipSpace(body, nameEnd);
    if (typeof name !== 'string' || body[index] !== COLON)
      throw new SyntaxError('the body is no JSON object');
    const valueStart = skipSpace(body, index + 1);
    const valueEnd = skipValue(body, valueStart);
    members.push({ name, nameStart, nameEnd, valueStart, valueEnd });
    index = skipSpace(body, valueEnd);
    if (body[index] === COMMA) index = skipSpace(body, index + 1);
  }
  return { members, end: index };
};

/** A member's value as it is written, null where there is none; of repeated ones the last, as parsers take it. */
export const findJsonMember = (body: Uint8Array, name: string): Uint8Array | null => {
  const member = readMembers(body).members.findLast((candidate) => candidate.name === name);
  return member === undefined ? null : body.subarray(member.valueStart, member.valueEnd);
};

/**
 * `body` is valid JSON and an object. Members that it has, repeated ones too, get the new value in their
 * place, given as JSON; others are added at the end. A byte order mark is left out, since JSON must not be
 * sent with one (RFC 8259 §8.1). Throws `SyntaxError` for anything but an object.
 */
export const replaceJsonMemberText = (
  body: Uint8Array,
  members: Readonly<Record<string, Uint8Array>>,
): Uint8Array => {
  const { members: found, end } = readMembers(body);
  const pieces: Uint8Array[] = [];
  const written = new Set<string>();
  let copiedTo = startOf(body);
  for (const { name, valueStart, valueEnd } of found) {
    const value = Object.hasOwn(members, name) ? members[name] : undefined;
    if (value === undefined) continue;
    pieces.push(body.subarray(copiedTo, valueStart), value);
    written.add(name);
    copiedTo = valueEnd;
  }
  const added: Uint8Array[] = [];
  for (const [name, value] of Object.entries(members)) {
    if (written.has(name)) continue;
    const comma = found.length === 0 && added.length === 0 ? '' : ',';
    added.push(Buffer.from(`${comma}${JSON.stringify(name)}:`), value);
  }
  // Behind the last value, so that what space there is before the brace stays where it was.
  const addAt = found.at(-1)?.valueEnd ?? end;
  if (added.length > 0) {
    pieces.push(body.subarray(copiedTo, addAt), ...added);
    copiedTo = addAt;
  }
  pieces.push(body.subarray(copiedTo));
  return Buffer.concat(pieces);
};

/** `replaceJsonMemberText` with values that are yet to be written. */
export const replaceJsonMembers = (
  body: Uint8Array,
  members: Readonly<Record<string, unknown>>,
): Uint8Array =>
  replaceJsonMemberText(
    body,
    Object.fromEntries(
      Object.entries(members).map(([name, value]) => [name, Buffer.from(JSON.stringify(value))]),
    ),
  );

/** Changes each element of a JSON array, and nothing between them. `list` is valid JSON; what is no array stays. */
export const mapJsonElements = (
  list: Uint8Array,
  change: (element: Uint8Array) => Uint8Array,
): Uint8Array => {
  let index = skipSpace(list, 0);
  if (list[index] !== OPEN_BRACKET) return list;
  const pieces: Uint8Array[] = [];
  let copiedTo = 0;
  index = skipSpace(list, index + 1);
  while (index < list.length && list[index] !== CLOSE_BRACKET) {
    const end = skipValue(list, index);
    pieces.push(list.subarray(copiedTo, index), change(list.subarray(index, end)));
    copiedTo = end;
    index = skipSpace(list, end);
    if (list[index] === COMMA) index = skipSpace(list, index + 1);
  }
  pieces.push(list.subarray(copiedTo));
  return Buffer.concat(pieces);
};

/** Members get another name, unless one of that name is there already. The body is as `replaceJsonMembers` takes it. */
export const renameJsonMembers = (body: Uint8Array, names: Readonly<Record<string, string>>): Uint8Array => {
  const { members } = readMembers(body);
  const taken = new Set(members.map(({ name }) => name));
  const pieces: Uint8Array[] = [];
  let copiedTo = 0;
  for (const { name, nameStart, nameEnd } of members) {
    const wanted = Object.hasOwn(names, name) ? names[name] : undefined;
    if (wanted === undefined || taken.has(wanted)) continue;
    pieces.push(body.subarray(copiedTo, nameStart), Buffer.from(JSON.stringify(wanted)));
    copiedTo = nameEnd;
  }
  if (copiedTo === 0) return body;
  pieces.push(body.subarray(copiedTo));
  return Buffer.concat(pieces);
};

/** The body without these members. It is as `replaceJsonMembers` takes it. */
export const removeJsonMembers = (body: Uint8Array, names: readonly string[]): Uint8Array => {
  const { members } = readMembers(body);
  if (!members.some(({ name }) => names.includes(name))) return body;
  const kept = members.filter(({ name }) => !names.includes(name));
  const pieces = kept.flatMap(({ nameStart, valueEnd }, index) => [
    Buffer.from(index === 0 ? '' : ','),
    body.subarray(nameStart, valueEnd),
  ]);
  return Buffer.concat([Buffer.from('{'), ...pieces, Buffer.from('}')]);
};
