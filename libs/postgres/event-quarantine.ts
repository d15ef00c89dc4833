import type { PoolClient } from 'pg';
import type { PricedEvent, QuarantinedEvent } from '#domain/ports';
import type { Database } from './database.ts';
import { storableText } from './storable-text.ts';

/** Keeps what cannot enter the ledger; the same message comes in once. */
export const insertQuarantined = async (
  client: PoolClient,
  rows: readonly QuarantinedEvent[],
): Promise<void> => {
  if (rows.length === 0) return;
  await client.query(
    `insert into event_quarantine (stream_sequence, payload_hash, attempt_id, reason, payload)
     select * from unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[])
     on conflict do nothing`,
    [
      rows.map((row) => String(row.streamSequence)),
      rows.map((row) => row.payloadHash),
      rows.map((row) => (row.attemptId === null ? null : storableText(row.attemptId))),
      rows.map((row) => storableText(row.reason)),
      rows.map((row) => storableText(row.payload)),
    ],
  );
};

/** What is known of an event that was read and cannot be recorded. */
export type RefusedEvent = Pick<PricedEvent, 'stream' | 'streamSequence' | 'payloadHash' | 'bytes'> & {
  event: { attemptId: string };
};

export const quarantinedOf = (row: RefusedEvent, reason: string): QuarantinedEvent => ({
  stream: row.stream,
  streamSequence: row.streamSequence,
  payloadHash: row.payloadHash,
  payload: Buffer.from(row.bytes).toString('utf8'),
  attemptId: row.event.attemptId,
  reason,
});

export type KeptEvent = Omit<QuarantinedEvent, 'stream'> & { receivedAt: Date };

/** Where a page ends. */
export type QuarantinePosition = { receivedAt: string; streamSequence: string; payloadHash: string };

/** Newest first. */
export const listQuarantined = async (
  database: Database,
  page: { limit: number; after: QuarantinePosition | null },
): Promise<(KeptEvent & { position: QuarantinePosition })[]> => {
  const { after } = page;
  const found = await database.pool.query<{
    streamSequence: string;
    payloadHash: string;
    payload: string;
    attemptId: string | null;
    reason: string;
    receivedAt: Date;
    receivedText: string;
  }>(
    `select stream_sequence as "streamSequence", payload_hash as "payloadHash", payload,
            attempt_id as "attemptId", reason, received_at as "receivedAt", received_at::text as "receivedText"
     from event_quarantine
     where $1::text is null or (received_at, stream_sequence, payload_hash) < ($1::timestamptz, $2::bigint, $3)
     order by received_at desc, stream_sequence desc, payload_hash desc limit $4`,
    [after?.receivedAt ?? null, after?.streamSequence ?? null, after?.payloadHash ?? null, page.limit],
  );
  return found.rows.map(({ receivedText, ...row }) => ({
    ...row,
    streamSequence: BigInt(row.streamSequence),
    position: {
      receivedAt: receivedText,
      streamSequence: row.streamSequence,
      payloadHash: row.payloadHash,
    },
  }));
};
