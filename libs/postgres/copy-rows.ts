import { finished } from 'node:stream/promises';
import type { PoolClient } from 'pg';
import { from as copyFrom } from 'pg-copy-streams';

export type Cell = string | number | bigint | boolean | null;
/** `read`: what the column gets of a row. */
export type CopyColumn<Row> = { name: string; read: (row: Row) => Cell };

const MUST_ESCAPE = /[\\\n\r\t]/g;
const ESCAPES: Readonly<Record<string, string>> = { '\\': '\\\\', '\n': '\\n', '\r': '\\r', '\t': '\\t' };

const encodeCell = (cell: Cell): string => {
  if (cell === null) return '\\N';
  if (typeof cell === 'string') return cell.replace(MUST_ESCAPE, (character) => ESCAPES[character] ?? '');
  if (typeof cell === 'boolean') return cell ? 't' : 'f';
  return String(cell);
};

/** Rows travel in pieces of about this many characters. */
const PIECE_LENGTH = 256 * 1024;

/**
 * Appends rows by COPY, which costs the server half of what an INSERT of arrays does. Within a transaction;
 * rejects with the driver's error, and what is refused there aborts the transaction.
 */
export const copyRows = async <Row>(
  client: PoolClient,
  table: string,
  columns: readonly CopyColumn<Row>[],
  rows: readonly Row[],
): Promise<void> => {
  if (rows.length === 0) return;
  const names = columns.map((column) => column.name).join(', ');
  const stream = client.query(copyFrom(`copy ${table} (${names}) from stdin`));
  let piece = '';
  for (const row of rows) {
    let separator = '';
    for (const column of columns) {
      piece += separator + encodeCell(column.read(row));
      separator = '\t';
    }
    piece += '\n';
    if (piece.length >= PIECE_LENGTH) {
      stream.write(piece);
      piece = '';
    }
  }
  stream.end(piece);
  await finished(stream);
};
