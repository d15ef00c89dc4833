import { CopyEncoder, stampLastInstant } from './copy-encoder.ts';
import { encodeRow, type CopyColumn } from './copy-rows.ts';

/** Rows by their numbers, the end exclusive. */
export type RowSpan = { from: number; to: number };

/**
 * Rows of a table as COPY takes them, encoded before the transaction that appends them: so what they were made of
 * can go at once. They end with the instant they are recorded at, which only that transaction knows.
 */
export class EncodedRows<Row> {
  readonly #columns: readonly CopyColumn<Row>[];
  readonly #pieces: Buffer[] = [];
  readonly #encoder = new CopyEncoder((piece) => this.#pieces.push(piece));
  /** Of each row: the piece that it is in, and where in it the row ends. */
  readonly #pieceOf: number[] = [];
  readonly #ends: number[] = [];

  /** The last column must be an instant; whatever it reads is replaced. */
  constructor(columns: readonly CopyColumn<Row>[]) {
    this.#columns = columns;
  }

  get count(): number {
    return this.#ends.length;
  }

  /** Throws `NumberOutOfRange`, and has not added the row then. */
  add(row: Row): void {
    this.#encoder.breakPiece();
    const start = this.#encoder.length;
    try {
      encodeRow(this.#encoder, this.#columns, row);
    } catch (error) {
      this.#encoder.truncate(start);
      throw error;
    }
    this.#pieceOf.push(this.#pieces.length);
    this.#ends.push(this.#encoder.length);
  }

  /** Takes the rows from this one on away again. */
  removeFrom(row: number): void {
    while (this.#ends.length > row) {
      const piece = this.#pieceOf.pop();
      this.#ends.pop();
      const before = this.#pieceOf.at(-1) === piece ? this.#ends.at(-1) : undefined;
      if (piece === this.#pieces.length) this.#encoder.truncate(before ?? 0);
    }
  }

  /** The bytes of these rows, recorded at an instant in Unix microseconds; neighbours come in one piece. */
  *recordedAt(microseconds: number, spans: Iterable<RowSpan>): Generator<Uint8Array> {
    this.#encoder.flush();
    let current: Buffer | undefined;
    let from = 0;
    let to = 0;
    for (const span of spans) {
      for (let row = span.from; row < span.to; row += 1) {
        const number = this.#pieceOf[row] ?? 0;
        const start = this.#pieceOf[row - 1] === number ? (this.#ends[row - 1] ?? 0) : 0;
        const end = this.#ends[row] ?? 0;
        const piece = this.#pieces[number];
        if (piece === undefined) throw new Error(`there is no row ${row}`);
        stampLastInstant(piece, end, microseconds);
        if (piece !== current || start !== to) {
          if (current !== undefined) yield current.subarray(from, to);
          current = piece;
          from = start;
        }
        to = end;
      }
    }
    if (current !== undefined) yield current.subarray(from, to);
  }
}
