import type { PoolClient } from 'pg';
import type { PricedEvent, QuarantinedEvent } from '#domain/ports';
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

export const quarantinedOf = (row: PricedEvent, reason: string): QuarantinedEvent => ({
  stream: row.stream,
  streamSequence: row.streamSequence,
  payloadHash: row.payloadHash,
  payload: row.payload,
  attemptId: row.event.attemptId,
  reason,
});
