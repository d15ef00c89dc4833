import { describe, expect, it } from 'vitest';
import { StreamPieces } from './stream-pieces.ts';

const CHUNK = Buffer.from('data: 1\n\ndata: 2\n\ndata: 3\n\n');

const take = (...pieces: (string | Uint8Array)[]): Uint8Array => {
  const held = new StreamPieces();
  for (const piece of pieces) held.add(piece);
  return held.take();
};

describe('pieces of a stream', () => {
  it('come one after the other, texts and bytes alike', () => {
    expect(Buffer.from(take('ä', Buffer.from('b'), '', 'c', 'd')).toString()).toBe('äbcd');
    expect(Buffer.from(take('ä', 'b')).toString()).toBe('äb');
    expect(take()).toHaveLength(0);
  });

  it('are the memory they came in where they stand one behind the other', () => {
    const joined = take(CHUNK.subarray(0, 9), CHUNK.subarray(9, 18), CHUNK.subarray(18));
    expect(joined.buffer).toBe(CHUNK.buffer);
    expect(Buffer.from(joined).equals(CHUNK)).toBe(true);
  });

  it('leave out what stood between them', () => {
    const joined = take(CHUNK.subarray(0, 9), CHUNK.subarray(18), CHUNK.subarray(0, 9));
    expect(Buffer.from(joined).toString()).toBe('data: 1\n\ndata: 3\n\ndata: 1\n\n');
  });

  it('are counted until they are taken', () => {
    const held = new StreamPieces();
    held.add('abc');
    held.add(CHUNK);
    expect(held.length).toBe(3 + CHUNK.length);
    held.take();
    expect(held.length).toBe(0);
    expect(held.take()).toHaveLength(0);
  });
});
