import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FloError } from '#domain/errors';
import { createPassingReader, type PassedPiece } from './passing-reader.ts';
import type { AnswerFacts, ChatWire } from './provider.ts';
import { providerOf } from './registry.ts';
import { createSseReader } from './sse.ts';

const wireOf = (provider: 'openai' | 'anthropic' | 'google', surface: string): ChatWire => {
  const wire = providerOf(provider).wires.find((one) => one.surface === surface);
  if (wire?.operation !== 'chat') throw new Error(`no wire for ${surface}`);
  return wire;
};

/** How each dialect writes a piece of text; `count` is whatever goes up from piece to piece. */
const DIALECTS: Record<
  string,
  { wire: ChatWire; before: string; piece: (json: string, count: number) => string }
> = {
  'openai-chat': {
    wire: wireOf('openai', 'openai-chat'),
    before:
      'data: {"id":"c1","model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}\n\n',
    piece: (json, count) =>
      `data: {"id":"c1","created":${count},"model":"m","choices":[{"index":0,"delta":{"content":${json}},"finish_reason":null}],"usage":null,"obfuscation":"${'x'.repeat(1 + (count % 7))}"}\n\n`,
  },
  'openai-responses': {
    wire: wireOf('openai', 'openai-responses'),
    before: 'data: {"type":"response.created","response":{"id":"r1","model":"m"},"sequence_number":0}\n\n',
    piece: (json, count) =>
      `event: response.output_text.delta\ndata: {"type":"response.output_text.delta","item_id":"m1","output_index":0,"delta":${json},"logprobs":[],"sequence_number":${count}}\n\n`,
  },
  'anthropic-messages': {
    wire: wireOf('anthropic', 'anthropic-messages'),
    before:
      'event: message_start\ndata: {"type":"message_start","message":{"id":"a1","model":"m","usage":{"input_tokens":7,"output_tokens":1}}}\n\n',
    piece: (json, count) =>
      `event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":${json}}${' '.repeat(count % 5)}}\n\n`,
  },
  'gemini-generate-content': {
    wire: wireOf('google', 'gemini-generate-content'),
    before: '',
    piece: (json, count) =>
      `data: {"candidates": [{"content": {"parts": [{"text": ${json}}],"role": "model"},"index": 0}],"usageMetadata": {"promptTokenCount": 8,"candidatesTokenCount": ${count},"totalTokenCount": ${count + 8}},"modelVersion": "m","responseId": "g1"}\r\n\r\n`,
  },
};

const OPTIONS = { usageInjected: true, maxEventBytes: 1_000_000 };

/** What a stream tells: what is passed on of it, as what, and the facts at its end. */
const follow = (pieces: Iterable<PassedPiece>, facts: () => AnswerFacts) => {
  const told: string[] = [];
  const passed: Uint8Array[] = [];
  try {
    for (const { bytes, content, hidden, end } of pieces) {
      passed.push(bytes);
      const kind = JSON.stringify({ content, hidden, end });
      if (told.at(-1) !== kind) told.push(kind);
    }
  } catch (error) {
    if (!(error instanceof FloError)) throw error;
    told.push(error.code, error.message);
  }
  return { told, passed: Buffer.concat(passed).toString('latin1'), facts: facts() };
};

const chunksOf = (stream: Buffer, size: number): Buffer[] =>
  Array.from({ length: Math.ceil(stream.length / size) }, (_, index) =>
    stream.subarray(index * size, (index + 1) * size),
  );

const readInFull = (wire: ChatWire, chunks: readonly Buffer[]) => {
  const reader = createSseReader(OPTIONS);
  const decoder = wire.createStreamDecoder(OPTIONS);
  const pieces = chunks
    .values()
    .flatMap((chunk) => reader.read(chunk))
    .map(({ bytes, data }): PassedPiece => {
      const { parts, content, hidden } = decoder.decode({ data });
      return { bytes, content, hidden, end: parts.some(({ type }) => type === 'end') };
    });
  return follow(pieces, decoder.facts);
};

const readPassing = (wire: ChatWire, chunks: readonly Buffer[]) => {
  const reader = createPassingReader(wire, OPTIONS);
  return follow(
    chunks.values().flatMap((chunk) => reader.read(chunk)),
    reader.facts,
  );
};

const expectSame = (wire: ChatWire, stream: string | Buffer, size = Number.MAX_SAFE_INTEGER): void => {
  const bytes = Buffer.from(stream);
  const chunks = chunksOf(bytes, Math.min(size, bytes.length));
  expect(readPassing(wire, chunks)).toEqual(readInFull(wire, chunks));
};

/** How many events were read in full. */
const countRead = (wire: ChatWire, stream: string): number => {
  let count = 0;
  const counting: ChatWire = {
    ...wire,
    createStreamDecoder: (options) => {
      const decoder = wire.createStreamDecoder(options);
      return {
        ...decoder,
        decode: (event) => {
          count += 1;
          return decoder.decode(event);
        },
      };
    },
  };
  readPassing(counting, [Buffer.from(stream)]);
  return count;
};

const TEXTS = [
  '"a"',
  '" b c"',
  '"\\n\\"\\\\"',
  '"\\u00e9\\ud83d\\udc4b"',
  '"grüße 👋"',
  '"}],\\"usage\\":{"',
];
/** What must not be taken for a piece of text, or breaks the JSON. */
const HOSTILE = [
  '"a"},"finish_reason":"stop"',
  '"a","content":null',
  '""',
  'null',
  '7',
  '"a\\x"',
  '"a\\u12g4"',
  '"a\\"',
  '"a\tb"',
  '"a" ',
  '["a"]',
  '"a"}},"error":{"message":"no"},"x":{"y":{"z":"b"',
];

/** What JSON and the events are made of. */
const CHARACTERS = ['"', '\\', '{', '}', '[', ']', ':', ',', '0', ' ', '\n', 'a', 'u', '\u00ff'];

describe.each(Object.entries(DIALECTS))('a stream of %s that is passed on', (_, { wire, before, piece }) => {
  const streamOf = (texts: readonly string[]): string => before + texts.map(piece).join('');

  it('is read at its beginning, and for the last of what is alike', () => {
    const many = Array.from({ length: 300 }, (_text, index) => TEXTS[index % TEXTS.length] ?? '""');
    expect(countRead(wire, streamOf(many))).toBeLessThan(6);
    expectSame(wire, streamOf(many));
  });

  it.each(HOSTILE)('is read in full where a piece holds %s', (text) => {
    expectSame(wire, streamOf(['"a"', '"b"', text, '"c"', '"d"']));
    expectSame(wire, streamOf(['"a"', '"b"', text]));
  });

  it('tells what it tells when it is read in full, whatever bytes change', () => {
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom(...TEXTS, ...TEXTS, ...HOSTILE), { minLength: 3, maxLength: 8 }),
        fc.array(fc.tuple(fc.nat(), fc.nat(), fc.constantFrom(...CHARACTERS)), { maxLength: 2 }),
        fc.constantFrom(1_000_000, 700, 64, 7),
        (texts, changes, size) => {
          const stream = Buffer.from(streamOf(texts), 'utf8');
          for (const [at, length, replacement] of changes) {
            const start = at % stream.length;
            stream.fill(replacement, start, Math.min(start + 1 + (length % 2), stream.length), 'latin1');
          }
          expectSame(wire, stream, size);
        },
      ),
      { seed: 5, numRuns: 1_500 },
    );
  });
});

describe('a stream of which no two events are alike', () => {
  it('is tried ever more rarely', () => {
    const { wire, before } = DIALECTS['openai-chat'] ?? {};
    if (wire === undefined) throw new Error('no dialect');
    const pieces = Array.from(
      { length: 50 },
      (_, index) => `data: {"id":"c1","choices":[{"index":0,"delta":{"content":"a"}}],"at":${index}.5}\n\n`,
    );
    expect(countRead(wire, before + pieces.join(''))).toBe(51);
    expectSame(wire, before + pieces.join(''));
  });
});

describe('an event that says something once only', () => {
  it('is not taken for a piece of text when it comes again', () => {
    const { wire } = DIALECTS['openai-responses'] ?? {};
    if (wire === undefined) throw new Error('no dialect');
    const item = { type: 'function_call', call_id: 'a', name: 'f' };
    const opened = { type: 'response.output_item.added', output_index: 0, item };
    const done = { type: 'response.output_item.done', output_index: 0, item: { ...item, arguments: '{}' } };
    const events = [opened, ...[1, 2, 3, 4].map((count) => ({ ...done, sequence_number: count }))];
    expectSame(wire, events.map((event) => `data: ${JSON.stringify(event)}\n\n`).join(''));
    const told = follow(
      createPassingReader(wire, OPTIONS).read(
        Buffer.from(events.map((event) => `data: ${JSON.stringify(event)}\n\n`).join('')),
      ),
      () => ({ id: null, model: null, finishReason: null, usage: { source: 'none', tokens: {} } }),
    );
    expect(told.told.at(-1)).toContain('"content":false');
  });
});
