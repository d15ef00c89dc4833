import type { Database } from './database.ts';

/** Lets one process at a time do what several must not. */
export type Leases = {
  /** Takes or prolongs a lease; resolves to whether the holder has it for `ttlMs` from now. */
  hold: (name: string, holder: string, ttlMs: number) => Promise<boolean>;
  release: (name: string, holder: string) => Promise<void>;
};

/**
 * Rows with an expiry, by the database's clock: a session's lock would stay with a process that hangs for as
 * long as its connection stands.
 */
export const createLeases = ({ pool }: Database): Leases => ({
  hold: async (name, holder, ttlMs) => {
    const { rowCount } = await pool.query(
      `insert into lease (name, holder, expires_at) values ($1, $2, now() + $3 * interval '1 millisecond')
       on conflict (name) do update set holder = excluded.holder, expires_at = excluded.expires_at
       where lease.holder = excluded.holder or lease.expires_at < now()`,
      [name, holder, ttlMs],
    );
    return rowCount === 1;
  },
  release: async (name, holder) => {
    await pool.query('delete from lease where name = $1 and holder = $2', [name, holder]);
  },
});
