import type { PoolClient } from 'pg';

export type HandledMessage = { stream: string; streamSequence: bigint };

type Range = { stream: string; first: bigint; last: bigint };

/** The runs without a gap in a batch's sequences. */
const rangesOf = (messages: readonly HandledMessage[]): Range[] => {
  const ordered = messages.toSorted((a, b) => {
    if (a.stream !== b.stream) return a.stream < b.stream ? -1 : 1;
    return a.streamSequence < b.streamSequence ? -1 : 1;
  });
  const ranges: Range[] = [];
  for (const { stream, streamSequence } of ordered) {
    const last = ranges.at(-1);
    if (last?.stream === stream && streamSequence <= last.last + 1n) last.last = streamSequence;
    else ranges.push({ stream, first: streamSequence, last: streamSequence });
  }
  return ranges;
};

/** `runs`: null where there is no gap between its first and its last. */
type Span = Range & { runs: Range[] | null };

const spansOf = (ranges: readonly Range[]): Span[] =>
  [...Map.groupBy(ranges, ({ stream }) => stream)].flatMap(([stream, runs]) => {
    const first = runs[0]?.first;
    const last = runs.at(-1)?.last;
    if (first === undefined || last === undefined) return [];
    return [{ stream, first, last, runs: runs.length === 1 ? null : runs }];
  });

/** Notes that these messages have been handled, in the transaction that handles them: one row for each stream. */
export const noteHandled = async (
  client: PoolClient,
  messages: readonly HandledMessage[],
  recordedAt: string,
): Promise<void> => {
  for (const { stream, first, last, runs } of spansOf(rangesOf(messages))) {
    await client.query({
      name: 'note_handled',
      text: `insert into recorded_range (stream, first_sequence, last_sequence, run_firsts, run_lasts, recorded_at)
        values ($1, $2, $3, $4::bigint[], $5::bigint[], $6::timestamptz)`,
      values: [
        stream,
        String(first),
        String(last),
        runs === null ? null : `{${runs.map((run) => run.first).join(',')}}`,
        runs === null ? null : `{${runs.map((run) => run.last).join(',')}}`,
        recordedAt,
      ],
    });
  }
};
