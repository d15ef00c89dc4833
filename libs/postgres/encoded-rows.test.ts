import { describe, expect, it } from 'vitest';
import { CopyEncoder, NumberOutOfRange } from './copy-encoder.ts';
import { copyColumns, encodeRow } from './copy-rows.ts';
import { EncodedRows } from './encoded-rows.ts';

type Row = { name: string; count: number; at: number };
const of = copyColumns<Row>();
const COLUMNS = [
  of.text('name', ({ name }) => name),
  of.integer('count', ({ count }) => count),
  of.instant('at', ({ at }) => at),
];
const NOW = 1_782_000_000_123_456;
/** Long enough that a few of them fill a piece. */
const rowOf = (count: number): Row => ({ name: `row ${count} `.repeat(4_000), count, at: 0 });

/** What they are when the instant is known from the start. */
const expectedOf = (rows: readonly Row[]): Buffer => {
  const pieces: Buffer[] = [];
  const encoder = new CopyEncoder((piece) => pieces.push(piece));
  for (const row of rows) encodeRow(encoder, COLUMNS, { ...row, at: NOW });
  encoder.flush();
  return Buffer.concat(pieces);
};

const bytesOf = (rows: EncodedRows<Row>, spans: { from: number; to: number }[]): Buffer =>
  Buffer.concat([...rows.recordedAt(NOW, spans)]);

describe('rows encoded before their instant is known', () => {
  it('are what they would be after, over the ends of pieces', () => {
    const all = Array.from({ length: 20 }, (_, count) => rowOf(count));
    const rows = new EncodedRows(COLUMNS);
    for (const row of all) rows.add(row);
    expect(rows.count).toBe(20);
    expect(bytesOf(rows, [{ from: 0, to: 20 }]).equals(expectedOf(all))).toBe(true);
  });

  it('can be taken in parts, each at an instant of its own', () => {
    const all = Array.from({ length: 20 }, (_, count) => rowOf(count));
    const rows = new EncodedRows(COLUMNS);
    for (const row of all) rows.add(row);
    Buffer.concat([...rows.recordedAt(NOW - 1_000_000, [{ from: 0, to: 20 }])]);
    const spans = [
      { from: 1, to: 2 },
      { from: 2, to: 9 },
      // Each of the same piece as the one before, and no neighbour of it.
      { from: 10, to: 11 },
      { from: 17, to: 18 },
      { from: 19, to: 20 },
    ];
    const wanted = [...all.slice(1, 9), ...all.slice(10, 11), ...all.slice(17, 18), ...all.slice(19, 20)];
    expect(bytesOf(rows, spans).equals(expectedOf(wanted))).toBe(true);
    expect([...rows.recordedAt(NOW, [])]).toEqual([]);
  });

  it('leave nothing of a row that no column holds, nor of those taken away', () => {
    const rows = new EncodedRows(COLUMNS);
    const kept: Row[] = [];
    for (let count = 0; count < 20; count += 1) {
      const row = rowOf(count);
      rows.add(row);
      kept.push(row);
      const before = rows.count;
      for (let more = 0; more <= count; more += 1) rows.add(rowOf(1_000 + more));
      rows.removeFrom(before);
      expect(() => rows.add({ ...row, count: 2 ** 31 })).toThrow(NumberOutOfRange);
    }
    expect(rows.count).toBe(20);
    expect(bytesOf(rows, [{ from: 0, to: 20 }]).equals(expectedOf(kept))).toBe(true);
  });
});
