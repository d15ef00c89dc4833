import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { mergeRecordedRanges, listStreamGaps } from '#postgres/stream-gaps';
import { attemptEventOf } from '#test/support/attempt-events';
import { countRows, openTestLedger, type TestLedger } from '#test/support/ledger';

let opened: TestLedger;
beforeAll(async () => {
  opened = await openTestLedger();
});
afterAll(() => opened.close());

const record = (stream: string, sequences: readonly number[]) =>
  opened.ledger.recordEvents(
    sequences.map((sequence) => ({
      ...opened.priced(attemptEventOf()),
      stream,
      streamSequence: BigInt(sequence),
    })),
  );
const age = (minutes: number) =>
  opened.database.pool.query(
    `update recorded_range set recorded_at = recorded_at - $1::int * interval '1 minute'`,
    [minutes],
  );
const gaps = async () =>
  (await listStreamGaps(opened.database)).map(({ stream, first, last }) => `${stream} ${first}-${last}`);

describe('gaps in the event stream', () => {
  it('are seen a minute later, per stream, whatever came in which order and how often', async () => {
    await record('EVT@1', [5, 4, 2]);
    await record('EVT@1', [9, 10]);
    await record('EVT@1', [4, 5, 6]);
    // A stream that was made anew counts from 1 again, and hides nothing of the one before.
    await record('EVT@2', [1, 2, 3]);
    expect(await gaps()).toEqual([]);
    await age(1);
    expect(await gaps()).toEqual(['EVT@1 1-1', 'EVT@1 3-3', 'EVT@1 7-8']);
  });

  it('stay when ranges are merged, and close when what was missing comes', async () => {
    await age(2);
    await mergeRecordedRanges(opened.database);
    expect(await countRows(opened.database, 'recorded_range')).toBe(4);
    expect(await gaps()).toEqual(['EVT@1 1-1', 'EVT@1 3-3', 'EVT@1 7-8']);
    await record('EVT@1', [1, 3, 7]);
    expect(await gaps()).toEqual(['EVT@1 8-8']);
    await age(3);
    await mergeRecordedRanges(opened.database);
    await record('EVT@1', [11]);
    await mergeRecordedRanges(opened.database);
    expect(await countRows(opened.database, 'recorded_range')).toBe(4);
    await record('EVT@1', [8]);
    expect(await gaps()).toEqual([]);
  });

  it('between messages that two replicas get in turn are none, at the cost of a row for each batch', async () => {
    const before = await countRows(opened.database, 'recorded_range');
    await record('EVT@3', [1, 3, 5, 7, 9]);
    await record('EVT@3', [2, 4, 8, 10]);
    expect(await countRows(opened.database, 'recorded_range')).toBe(before + 2);
    await age(3);
    expect(await gaps()).toEqual(['EVT@3 6-6']);
    await mergeRecordedRanges(opened.database);
    expect(await gaps()).toEqual(['EVT@3 6-6']);
    await record('EVT@3', [6]);
    await age(3);
    await mergeRecordedRanges(opened.database);
    expect(await gaps()).toEqual([]);
    const ranges = await opened.database.pool.query(
      `select first_sequence::int as first, last_sequence::int as last from recorded_range where stream = 'EVT@3'`,
    );
    expect(ranges.rows).toEqual([{ first: 1, last: 10 }]);
  });
});
