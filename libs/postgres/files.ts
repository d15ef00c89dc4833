import type { PoolClient } from 'pg';
import type { BatchId, FileId, TenantId } from '#contracts/ids';
import { FloError } from '#domain/errors';
import type { ObjectStore } from '#domain/object-store';
import type { PayloadSeal, SealedBytes } from '#domain/work-ports';
import type { Database } from './database.ts';
import { storableText } from './storable-text.ts';

/** Of what a file is sealed and stored at once: in Postgres, and in an object store, where each is a request. */
const PART_BYTES = 1024 * 1024;
const OBJECT_PART_BYTES = 8 * 1024 * 1024;

export type StoredFile = {
  id: FileId;
  tenantId: TenantId;
  purpose: string;
  filename: string;
  bytes: number | null;
  batchId: BatchId | null;
  createdAt: Date;
  expiresAt: Date | null;
};

export type NewFile = {
  id: FileId;
  tenantId: TenantId;
  purpose: string;
  filename: string;
  createdAt: Date;
  expiresAt: Date | null;
};

type Row = {
  id: string;
  tenant_id: string;
  purpose: string;
  filename: string;
  bytes: string | null;
  batch_id: string | null;
  created_at: Date;
  expires_at: Date | null;
};

const decode = (row: Row): StoredFile => ({
  id: row.id as FileId,
  tenantId: row.tenant_id as TenantId,
  purpose: row.purpose,
  filename: row.filename,
  bytes: row.bytes === null ? null : Number(row.bytes),
  batchId: row.batch_id as BatchId | null,
  createdAt: row.created_at,
  expiresAt: row.expires_at,
});

/** Files that are whole and neither deleted nor past their time. */
const LIVING = `deleted_at is null and (expires_at is null or expires_at > now())
  and (bytes is not null or batch_id is not null)`;

/** A file that a batch puts out; its bytes are its lines'. */
export const insertOutputFile = async (
  client: PoolClient,
  file: NewFile & { batchId: BatchId },
): Promise<void> => {
  await client.query(
    `insert into stored_file (id, tenant_id, purpose, filename, batch_id, created_at, expires_at)
     values ($1, $2, $3, $4, $5, $6, $7)`,
    [file.id, file.tenantId, file.purpose, file.filename, file.batchId, file.createdAt, file.expiresAt],
  );
};

const objectName = (id: FileId, part: number): string => `files/${id}/${part}`;

/**
 * Files in sealed parts: bounded memory at both ends, any number of machines. The parts lie in Postgres, or in
 * the object store where there is one; then their rows, without bytes, are the account of what lies there, made
 * before it does, so that nothing is left there that nobody knows. What was stored before an object store was
 * set up, or while there was none, is read from where it is. Rejects with the driver's error when Postgres is
 * down, with `FloError` `unavailable` when the object store is.
 */
export const createFileStore = (database: Database, seal: PayloadSeal, objects: ObjectStore | null) => {
  const { pool } = database;
  const partBytes = objects === null ? PART_BYTES : OBJECT_PART_BYTES;
  const placeOf = (tenantId: TenantId, id: FileId, part: number) =>
    ({ tenantId, kind: 'file', id, part }) as const;

  const storePart = async (
    tenantId: TenantId,
    id: FileId,
    part: number,
    bytes: Uint8Array,
  ): Promise<void> => {
    const { dataKeyVersion, sealed } = await seal.seal(placeOf(tenantId, id, part), bytes);
    await pool.query(
      'insert into file_part (file_id, part, data_key_version, sealed) values ($1, $2, $3, $4)',
      [id, part, dataKeyVersion, objects === null ? sealed : Buffer.alloc(0)],
    );
    await objects?.put(objectName(id, part), sealed);
  };

  const requireObjects = (): ObjectStore => {
    if (objects !== null) return objects;
    throw new FloError('unavailable', 'The file lies in an object store that this flo2 is not told of.');
  };

  const readPart = async (id: FileId, part: number): Promise<SealedBytes | null> => {
    const { rows } = await pool.query<{ data_key_version: number; sealed: Buffer }>(
      'select data_key_version, sealed from file_part where file_id = $1 and part = $2',
      [id, part],
    );
    const [row] = rows;
    if (row === undefined) return null;
    const { data_key_version: dataKeyVersion, sealed } = row;
    if (sealed.length > 0) return { dataKeyVersion, sealed };
    const found = await requireObjects().get(objectName(id, part));
    if (found !== null) return { dataKeyVersion, sealed: found };
    throw new FloError('unavailable', 'A part of the file is missing in the object store.');
  };

  /** Of a file that is deleted; the account goes last. */
  const dropParts = async (id: FileId): Promise<void> => {
    const { rows } = await pool.query<{ part: number }>(
      'select part from file_part where file_id = $1 and length(sealed) = 0',
      [id],
    );
    for (const { part } of rows) await requireObjects().remove(objectName(id, part));
    await pool.query('delete from file_part where file_id = $1', [id]);
  };

  /** What the object store cannot be rid of now goes with a later `tidy`. */
  const drop = async (tenantId: TenantId, id: FileId): Promise<boolean> => {
    const { rowCount } = await pool.query(
      'update stored_file set deleted_at = now() where id = $1 and tenant_id = $2 and deleted_at is null',
      [id, tenantId],
    );
    if (rowCount === 0) return false;
    await dropParts(id).catch((error: unknown) => {
      if (!(error instanceof FloError)) throw error;
    });
    return true;
  };

  return {
    /** Takes a file in as it comes; it exists once `finish` has said what it is. Resolves to its size. */
    write: async (tenantId: TenantId, id: FileId, chunks: AsyncIterable<Uint8Array>): Promise<number> => {
      await pool.query(
        `insert into stored_file (id, tenant_id, purpose, filename, created_at) values ($1, $2, '', '', now())`,
        [id, tenantId],
      );
      let part = 0;
      let bytes = 0;
      let held: Uint8Array[] = [];
      let heldBytes = 0;
      /** Stores what fills parts, and at the end the rest. */
      const flush = async (isEnd: boolean): Promise<void> => {
        const whole = Buffer.concat(held);
        const end = isEnd ? whole.length : whole.length - (whole.length % partBytes);
        let start = 0;
        while (start < end) {
          await storePart(tenantId, id, part, whole.subarray(start, start + partBytes));
          part += 1;
          start += partBytes;
        }
        held = start < whole.length ? [whole.subarray(start)] : [];
        heldBytes = Math.max(0, whole.length - start);
      };
      for await (const chunk of chunks) {
        held.push(chunk);
        heldBytes += chunk.length;
        bytes += chunk.length;
        if (heldBytes >= partBytes) await flush(false);
      }
      await flush(true);
      return bytes;
    },

    finish: async (file: NewFile & { bytes: number }): Promise<StoredFile> => {
      const { rows } = await pool.query<Row>(
        `update stored_file set purpose = $3, filename = $4, bytes = $5, created_at = $6, expires_at = $7
         where id = $1 and tenant_id = $2 returning *`,
        [
          file.id,
          file.tenantId,
          file.purpose,
          storableText(file.filename),
          file.bytes,
          file.createdAt,
          file.expiresAt,
        ],
      );
      const [row] = rows;
      if (row === undefined) throw new Error('the file was not written');
      return decode(row);
    },

    /** Deletes for good. Resolves to whether there was one. */
    drop,

    find: async (tenantId: TenantId, id: FileId): Promise<StoredFile | null> => {
      const { rows } = await pool.query<Row>(
        `select * from stored_file where id = $1 and tenant_id = $2 and ${LIVING}`,
        [id, tenantId],
      );
      const [row] = rows;
      return row === undefined ? null : decode(row);
    },

    list: async (
      tenantId: TenantId,
      page: { after: string | null; limit: number; order: 'asc' | 'desc'; purpose: string | null },
    ): Promise<StoredFile[]> => {
      const compare = page.order === 'asc' ? '>' : '<';
      const { rows } = await pool.query<Row>(
        `select * from stored_file where tenant_id = $1 and ${LIVING}
           and ($2::text is null or id ${compare} $2) and ($3::text is null or purpose = $3)
         order by id ${page.order} limit $4`,
        [tenantId, page.after, page.purpose, page.limit],
      );
      return rows.map(decode);
    },

    /** An upload's bytes, part by part. */
    read: async function* (tenantId: TenantId, id: FileId): AsyncGenerator<Buffer> {
      for (let part = 0; ; part += 1) {
        const sealed = await readPart(id, part);
        if (sealed === null) return;
        yield await seal.open(placeOf(tenantId, id, part), sealed);
      }
    },

    /** Drops what is past its time, and uploads that never came to an end. */
    tidy: async (): Promise<void> => {
      const { rows } = await pool.query<{ id: string; tenant_id: string }>(
        `select id, tenant_id from stored_file where deleted_at is null and (expires_at < now()
           or (bytes is null and batch_id is null and created_at < now() - interval '1 day')) limit 100`,
      );
      for (const row of rows) await drop(row.tenant_id as TenantId, row.id as FileId);
      const { rows: left } = await pool.query<{ id: string }>(
        `select distinct file_id as id from file_part
         where exists (select from stored_file where id = file_id and deleted_at is not null) limit 100`,
      );
      for (const { id } of left) await dropParts(id as FileId);
    },
  };
};
export type FileStore = ReturnType<typeof createFileStore>;
