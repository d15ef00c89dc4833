import { requestId as requestIdSchema } from '#contracts/ids';
import { REPLAYED_FOR_MS, type ClaimReply, type IdempotentRequests } from '#domain/idempotency';
import type { Database } from './database.ts';

type Row = {
  state: string;
  fingerprint: Buffer;
  ingress_id: string;
  request_id: string;
  result: Buffer | null;
};

const decode = (row: Row): ClaimReply => {
  const known = { fingerprint: row.fingerprint, requestId: requestIdSchema.parse(row.request_id) };
  return row.state === 'finished'
    ? { state: 'finished', ...known, result: row.result }
    : { state: 'running', ...known, ingressId: row.ingress_id };
};

const CLAIM = `
  insert into idempotent_request (tenant_id, scope, fingerprint, state, ingress_id, request_id, expires_at)
  values ($1, $2, $3, 'running', $4, $5, now() + $6 * interval '1 millisecond')
  on conflict (tenant_id, scope) do update
    set fingerprint = excluded.fingerprint, state = 'running', ingress_id = excluded.ingress_id,
        request_id = excluded.request_id, result = null, created_at = now(), expires_at = excluded.expires_at
    where idempotent_request.expires_at <= now()
  returning state`;

const READ = `
  select state, fingerprint, ingress_id, request_id, result
  from idempotent_request where tenant_id = $1 and scope = $2`;

const MINE = `tenant_id = $1 and scope = $2 and request_id = $3 and state = 'running'`;

/** Between a claim that found another's and the reading of that one it may have been released. */
const CLAIM_TRIES = 3;

export const createIdempotentRequests = ({ pool }: Database): IdempotentRequests => ({
  claim: async ({ tenantId, scope, fingerprint, ingressId, requestId }) => {
    for (let tries = 0; tries < CLAIM_TRIES; tries += 1) {
      const claimed = await pool.query(CLAIM, [
        tenantId,
        scope,
        fingerprint,
        ingressId,
        requestId,
        REPLAYED_FOR_MS,
      ]);
      if (claimed.rowCount === 1) return { state: 'claimed' };
      const { rows } = await pool.query<Row>(READ, [tenantId, scope]);
      if (rows[0] !== undefined) return decode(rows[0]);
    }
    throw new Error('the claims of an idempotency key come and go');
  },

  finish: async ({ tenantId, scope, requestId }, result) => {
    const updated = await pool.query(
      `update idempotent_request set state = 'finished', result = $4 where ${MINE}`,
      [tenantId, scope, requestId, result],
    );
    return updated.rowCount === 1;
  },

  release: async ({ tenantId, scope, requestId }) => {
    await pool.query(`delete from idempotent_request where ${MINE}`, [tenantId, scope, requestId]);
  },

  removeExpired: async (limit) => {
    const removed = await pool.query(
      `delete from idempotent_request where (tenant_id, scope) in
         (select tenant_id, scope from idempotent_request where expires_at <= now() limit $1)`,
      [limit],
    );
    return removed.rowCount ?? 0;
  },
});
