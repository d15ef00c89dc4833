/** Makes wrong bodies and streams of right ones: byte by byte, and value by value of their JSON. */
import type { Random } from './random.ts';

/** No input grows beyond this: what is over the readers' own bounds is tested beside them. */
const LENGTH_MAX = 24_000;

/** What decoders stumble over: ends, line breaks, marks of streams, numbers and texts at the edge. */
const TOKENS = [
  '\n\n',
  '\r',
  '\r\n\r\n',
  '\uFEFF',
  'data:',
  'data: ',
  'event: error\n',
  ': comment\n\n',
  'data: [DONE]\n\n',
  'data: null\n\n',
  'data: 7\n\n',
  'data: {}\n\n',
  'data: {"error":null}\n\n',
  'data: {"error":{"message":7}}\n\n',
  'id: 1\nretry: 0\n\n',
  '\\ud800',
  '\0',
  '{',
  '}',
  '[',
  ']',
  '"',
  ',',
  '-1',
  '1e999',
  '9007199254740993',
  'NaN',
  '[[[[[[[[[[[[[[[[',
  '{"a":{"a":{"a":{"a":',
].map((token) => Buffer.from(token));

const VALUES: readonly unknown[] = [
  null,
  true,
  false,
  0,
  -1,
  -0.5,
  1.5,
  Number.MAX_SAFE_INTEGER,
  1e308,
  '',
  ' ',
  'x',
  '{',
  '{}',
  '[]',
  '\ud800',
  '\0',
  'data: x\n\n',
  '__proto__',
  [],
  [null],
  [[]],
  [{}],
  {},
  { type: 'text' },
  { type: 'text', text: null },
  { type: 'tool_use', id: 1, name: null, input: [] },
  { role: 'assistant', content: [null] },
  { error: {} },
];

const splice = (bytes: Buffer, start: number, removed: number, added: Uint8Array): Buffer =>
  Buffer.concat([bytes.subarray(0, start), added, bytes.subarray(start + removed)]);

/** One change of the bytes. */
export const changeBytes = (random: Random, bytes: Buffer, corpus: readonly Buffer[]): Buffer => {
  if (bytes.length === 0) return Buffer.from(random.pick(TOKENS));
  const at = random.below(bytes.length);
  const length = 1 + random.below(Math.min(64, bytes.length - at));
  switch (random.below(8)) {
    case 0: {
      const changed = Buffer.from(bytes);
      changed[at] = random.below(256);
      return changed;
    }
    case 1:
      return splice(bytes, at, length, Buffer.alloc(0));
    case 2:
      return splice(bytes, at, 0, bytes.subarray(at, at + length));
    case 3:
      return splice(bytes, at, 0, random.pick(TOKENS));
    case 4:
      return splice(bytes, at, length, random.pick(TOKENS));
    case 5:
      return bytes.subarray(0, at);
    case 6: {
      const other = random.pick(corpus);
      return splice(bytes, at, 0, other.subarray(random.below(other.length + 1)));
    }
    default:
      return splice(bytes, at, length, Buffer.from(Array.from({ length }, () => random.below(256))));
  }
};

type Slot = { parent: object; key: string };

const slotsOf = (value: unknown, slots: Slot[] = []): Slot[] => {
  if (typeof value !== 'object' || value === null) return slots;
  for (const [key, inner] of Object.entries(value)) {
    slots.push({ parent: value, key });
    slotsOf(inner, slots);
  }
  return slots;
};

/** One change of a value somewhere inside; `value` itself is changed. */
const changeValue = (random: Random, value: unknown): void => {
  const slots = slotsOf(value);
  if (slots.length === 0) return;
  const { parent, key } = random.pick(slots);
  switch (random.below(5)) {
    case 0:
      Reflect.deleteProperty(parent, key);
      return;
    case 1: {
      const other = random.pick(slots);
      Reflect.set(parent, key, structuredClone(Reflect.get(other.parent, other.key)));
      return;
    }
    case 2: {
      const inner: unknown = Reflect.get(parent, key);
      if (Array.isArray(inner)) inner.push(structuredClone(inner[0]), structuredClone(random.pick(VALUES)));
      return;
    }
    default:
      Reflect.set(parent, key, structuredClone(random.pick(VALUES)));
  }
};

/** The JSON with some of its values changed; the text itself where it is none. */
export const changeJson = (random: Random, text: string): string => {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return text;
  }
  for (let count = 1 + random.below(3); count > 0; count -= 1) changeValue(random, value);
  return JSON.stringify(value) ?? '';
};

/** A stream with the JSON of one of its events changed. */
export const changeEvent = (random: Random, bytes: Buffer): Buffer => {
  const lines = bytes.toString().split('\n');
  const data = lines.flatMap((line, index) => (line.startsWith('data: {') ? [index] : []));
  if (data.length === 0) return bytes;
  const index = random.pick(data);
  lines[index] = `data: ${changeJson(random, (lines[index] ?? '').slice('data: '.length))}`;
  return Buffer.from(lines.join('\n'));
};

/** Some changes of a right body or stream; one in many is left as it is. */
export const mutate = (
  random: Random,
  original: Buffer,
  { isStream, corpus }: { isStream: boolean; corpus: readonly Buffer[] },
): Buffer => {
  let bytes = original;
  for (let count = random.below(4); count > 0; count -= 1) {
    if (random.chance(0.5)) bytes = changeBytes(random, bytes, corpus);
    else bytes = isStream ? changeEvent(random, bytes) : Buffer.from(changeJson(random, bytes.toString()));
    if (bytes.length > LENGTH_MAX) bytes = bytes.subarray(0, LENGTH_MAX);
  }
  return bytes;
};

/** The same bytes in pieces cut anywhere. */
export const cut = (random: Random, bytes: Buffer): Buffer[] => {
  const pieces: Buffer[] = [];
  const sizeMax = random.pick([1, 7, 64, 1_024, 65_536]);
  // One byte at a time costs the most and shows nothing new after a while.
  const finest = sizeMax === 1 ? 256 : 0;
  let start = 0;
  while (start < bytes.length) {
    const size = start < finest || finest === 0 ? 1 + random.below(sizeMax) : 512;
    pieces.push(bytes.subarray(start, start + size));
    start += size;
  }
  return pieces;
};
