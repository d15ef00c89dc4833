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

/** Notes that these messages have been handled, in the transaction that handles them. */
export const noteHandled = async (
  client: PoolClient,
  messages: readonly HandledMessage[],
  recordedAt: string,
): Promise<void> => {
  const ranges = rangesOf(messages);
  if (ranges.length === 0) return;
  await client.query({
    name: 'note_handled',
    text: `insert into recorded_range (stream, first_sequence, last_sequence, recorded_at)
      select stream, first, last, $4::timestamptz
      from unnest($1::text[], $2::bigint[], $3::bigint[]) as handled (stream, first, last)`,
    values: [
      ranges.map((range) => range.stream),
      ranges.map((range) => String(range.first)),
      ranges.map((range) => String(range.last)),
      recordedAt,
    ],
  });
};
