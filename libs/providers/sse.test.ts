import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createSseReader, type SseEvent } from './sse.ts';

/** The fields, and the event as it came. */
const told = ({ event, data, bytes }: SseEvent) => ({ event, data, text: Buffer.from(bytes).toString() });

const readAll = (bytes: Uint8Array, cuts: number[] = []) => {
  const reader = createSseReader({ maxEventBytes: 10_000 });
  const events: SseEvent[] = [];
  let start = 0;
  for (const end of [...cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length]) {
    events.push(...reader.read(bytes.subarray(start, end)));
    start = Math.max(start, end);
  }
  return [...events, ...reader.finish()].map(told);
};

const encode = (text: string) => new TextEncoder().encode(text);

const line = fc.constantFrom(
  'data: one',
  'data:two',
  'data',
  'event: delta',
  ': comment',
  'id: 7',
  'data: grüße 👋',
  'retry: 3',
);
const lineEnd = fc.constantFrom('\n', '\r\n', '\r');

describe('the SSE reader', () => {
  it('reads fields, several data lines and comments', () => {
    const events = readAll(encode('event: a\ndata: 1\ndata: 2\nid: 3\n\n: ping\n\ndata:x\n\n'));
    expect(events.map(({ event, data }) => [event, data])).toEqual([
      ['a', '1\n2'],
      [null, ''],
      [null, 'x'],
    ]);
  });

  it('gives the same events for the same bytes, however they are cut', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.array(line, { maxLength: 3 }), lineEnd), { maxLength: 6 }),
        fc.array(fc.nat(500), { maxLength: 12 }),
        (blocks, cuts) => {
          const text = blocks.map(([lines, end]) => lines.map((one) => one + end).join('') + end).join('');
          const whole = readAll(encode(text));
          expect(readAll(encode(text), cuts)).toEqual(whole);
          expect(whole.map((event) => event.text).join('')).toBe(text);
        },
      ),
      { seed: 7, numRuns: 2_000 },
    );
  });

  it('knows each way to end a line', () => {
    for (const end of ['\n', '\r\n', '\r']) {
      const text = `data: 1${end}${end}data: 2${end}${end}`;
      expect(readAll(encode(text)).map(({ data }) => data)).toEqual(['1', '2']);
    }
  });

  it('gives what lacks only its blank line at the end, made whole', () => {
    expect(readAll(encode('data: 1\n\ndata: [DONE]\n'))).toEqual([
      { event: null, data: '1', text: 'data: 1\n\n' },
      { event: null, data: '[DONE]', text: 'data: [DONE]\n\n' },
    ]);
  });

  it('drops a line that was cut, so that half a JSON is never read', () => {
    expect(readAll(encode('data: 1\n\ndata: half')).map(({ data }) => data)).toEqual(['1']);
    const [event] = readAll(encode('event: a\ndata: {"h'), [4, 12]);
    expect(event).toEqual({ event: 'a', data: '', text: 'event: a\n\n' });
  });

  it('takes one space off a value and ignores fields it does not know', () => {
    expect(readAll(encode('data:  a\ndata:b:c\ndatum: no\n\n')).map(({ data }) => data)).toEqual([' a\nb:c']);
  });

  it('reads past a byte order mark at the start of the stream alone', () => {
    const events = readAll(encode('\uFEFFdata: a\n\n\uFEFFdata: b\n\n'));
    expect(events.map(({ data }) => data)).toEqual(['a', '']);
  });

  it('takes an event of just the bound and refuses a longer one, in one chunk or in many', () => {
    const bytes = encode(`data: ${'ü'.repeat(10)}\n\n`);
    for (const pieceLength of [1, 7, bytes.length]) {
      const read = (maxEventBytes: number): SseEvent[] => {
        const reader = createSseReader({ maxEventBytes });
        const events: SseEvent[] = [];
        for (let start = 0; start < bytes.length; start += pieceLength) {
          events.push(...reader.read(bytes.subarray(start, start + pieceLength)));
        }
        return events;
      };
      expect(read(bytes.length)).toHaveLength(1);
      expect(() => read(bytes.length - 1)).toThrow(/over 27 bytes/);
    }
  });

  it('refuses an event without end', () => {
    const reader = createSseReader({ maxEventBytes: 100 });
    expect(() => {
      for (let count = 0; count < 20; count += 1) reader.read(encode('data: 0123456789'));
    }).toThrow(/over 100 bytes/);
  });
});
