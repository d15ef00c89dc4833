import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FloError } from '#domain/errors';
import { createSseReader, type SseEvent } from './sse.ts';

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);

/** Reads a stream cut into pieces of the given lengths, over and over. */
const readPieces = (text: string, lengths: number[] = [1_000_000], maxEventBytes = 1_000_000): SseEvent[] => {
  const reader = createSseReader({ maxEventBytes });
  const bytes = bytesOf(text);
  const events: SseEvent[] = [];
  for (let offset = 0, piece = 0; offset < bytes.length; piece += 1) {
    const length = lengths[piece % lengths.length] ?? 1;
    events.push(...reader.read(bytes.slice(offset, offset + length)));
    offset += length;
  }
  return [...events, ...reader.finish()];
};

const codeOf = (run: () => unknown): string => {
  try {
    run();
  } catch (error) {
    if (error instanceof FloError) return error.code;
    throw error;
  }
  return 'none';
};

describe('the event stream reader', () => {
  it('reads name and data, and keeps the text', () => {
    expect(readPieces('event: ping\ndata: {"a":1}\n\ndata:x\n\n')).toEqual([
      { event: 'ping', data: '{"a":1}', text: 'event: ping\ndata: {"a":1}\n\n' },
      { event: null, data: 'x', text: 'data:x\n\n' },
    ]);
  });

  it('joins data lines, takes one space off and ignores other fields', () => {
    const [event] = readPieces('id: 7\ndata:  a\ndata\ndata:b:c\nretry: 5\ndatum: no\n\n');
    expect(event?.data).toBe(' a\n\nb:c');
  });

  it('gives a block of comments as an event without data, so that a ping passes at once', () => {
    expect(readPieces(': ping\n\ndata: a\n\n')).toEqual([
      { event: null, data: '', text: ': ping\n\n' },
      { event: null, data: 'a', text: 'data: a\n\n' },
    ]);
  });

  it('leaves extra blank lines to the next event', () => {
    expect(readPieces('\n\ndata: a\n\n\n\ndata: b\n\n').map(({ text }) => text)).toEqual([
      '\n\ndata: a\n\n',
      '\n\ndata: b\n\n',
    ]);
  });

  it('reads past a byte order mark at the start of the stream alone', () => {
    const events = readPieces('\uFEFFdata: a\n\n\uFEFFdata: b\n\n');
    expect(events.map(({ data }) => data)).toEqual(['a', '']);
  });

  it('ends an event at a carriage return without waiting for a line feed', () => {
    const reader = createSseReader({ maxEventBytes: 100 });
    expect(reader.read(bytesOf('data: a\r\n\r'))).toHaveLength(1);
    expect(reader.read(bytesOf('\ndata: b\r\n\r\n')).map(({ data }) => data)).toEqual(['b']);
    expect(reader.finish()).toEqual([]);
  });

  it('gives the last event that lacks only its blank line, made whole', () => {
    expect(readPieces('data: [DONE]\n')).toEqual([{ event: null, data: '[DONE]', text: 'data: [DONE]\n\n' }]);
  });

  it('drops a line that was cut', () => {
    expect(readPieces('data: a\n\ndata: {"b')).toHaveLength(1);
    expect(readPieces('event: x\ndata: {"b', [3]).map(({ event, data }) => ({ event, data }))).toEqual([
      { event: 'x', data: '' },
    ]);
  });

  it('refuses an event over the bound, whole or in pieces, and takes one of just its length', () => {
    const text = `data: ${'ä'.repeat(10)}\n\n`;
    const length = bytesOf(text).length;
    for (const pieces of [[1_000], [1], [7]]) {
      expect(readPieces(text, pieces, length)).toHaveLength(1);
      expect(codeOf(() => readPieces(text, pieces, length - 1))).toBe('malformed_answer');
      expect(codeOf(() => readPieces('x'.repeat(100), pieces, 50))).toBe('malformed_answer');
    }
  });

  it('reads the same however lines end and chunks are cut', () => {
    const value = fc.stringMatching(/^[^\r\n\uFEFF]{0,12}$/u).map((text) => text.toWellFormed());
    const block = fc.record({
      name: fc.option(value),
      data: fc.array(value, { minLength: 1, maxLength: 3 }),
      lineEnd: fc.constantFrom('\n', '\r', '\r\n'),
    });
    const lengths = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 5 });
    fc.assert(
      fc.property(fc.array(block, { minLength: 1, maxLength: 6 }), lengths, (blocks, pieces) => {
        const text = blocks
          .map(({ name, data, lineEnd }) =>
            [
              ...(name === null ? [] : [`event: ${name}`]),
              ...data.map((line) => `data: ${line}`),
              ': note',
              '',
              '',
            ].join(lineEnd),
          )
          .join('');
        const events = readPieces(text, pieces);
        expect(events.map(({ event, data }) => ({ event, data }))).toEqual(
          blocks.map(({ name, data }) => ({ event: name, data: data.join('\n') })),
        );
        const passedOn = events.map((event) => event.text).join('');
        // The line feed of the very last CRLF says nothing once its carriage return is through.
        expect([text, text.slice(0, -1)]).toContain(passedOn);
      }),
      { seed: 7, numRuns: 1_000 },
    );
  });
});
