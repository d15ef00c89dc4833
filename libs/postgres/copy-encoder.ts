import { storableJson, storableText } from './storable-text.ts';

/** Bytes gathered before they are handed on; a row may be longer, which makes that one piece longer. */
const PIECE_BYTES = 256 * 1024;
const SIGNATURE = Buffer.from('PGCOPY\n\xff\r\n\0', 'latin1');
/** What goes before the rows: the signature, no flags, no extension of the header. */
export const COPY_BEGINNING: Uint8Array = Buffer.concat([SIGNATURE, Buffer.alloc(8)]);
/** What goes after them. */
export const COPY_END: Uint8Array = Buffer.from([0xff, 0xff]);
const NULL = -1;
/** Up to this length a loop writes plain ASCII faster than a call out of JavaScript does. */
const LOOP_LENGTH_MAX = 64;
const ASCII_MAX = 0x7f;
const JSONB_VERSION = 1;
/** PostgreSQL counts from the year 2000. */
const EPOCH_MICROSECONDS = Date.UTC(2000, 0, 1) * 1_000;
const TWO_TO_THE_32 = 2 ** 32;

export type Absent = null | undefined;

/** A number that its column cannot hold, by the code with which PostgreSQL refuses it in any other format. */
export class NumberOutOfRange extends Error {
  override readonly name = 'NumberOutOfRange';
  readonly code = '22003';

  constructor() {
    super('a number is out of the range of its column');
  }
}

/**
 * Writes rows in the binary format of COPY (PostgreSQL's documentation of COPY, "Binary Format"): a third less
 * work for the server than text, which it would have to search for separators and to read numbers from.
 * Throws `NumberOutOfRange`.
 */
export class CopyEncoder {
  readonly #send: (piece: Buffer) => void;
  #bytes: Buffer;
  #view: DataView;
  #length = 0;

  /** `send` gets pieces that are not written to again. */
  constructor(send: (piece: Buffer) => void) {
    this.#send = send;
    [this.#bytes, this.#view] = CopyEncoder.#allocate(0);
  }

  /** Of the piece in hand, in bytes. */
  get length(): number {
    return this.#length;
  }

  static #allocate(size: number): [Buffer, DataView] {
    const bytes = Buffer.allocUnsafeSlow(size);
    return [bytes, new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)];
  }

  #reserve(size: number): void {
    if (this.#length + size <= this.#bytes.length) return;
    const written = this.#bytes.subarray(0, this.#length);
    // Not before there is something to write: many encoders write nothing.
    const wanted = this.#length === 0 ? Math.max(PIECE_BYTES * 1.25, size) : 2 * (this.#length + size);
    [this.#bytes, this.#view] = CopyEncoder.#allocate(wanted);
    written.copy(this.#bytes);
  }

  /** Hands on the piece in hand; after the last row. */
  flush(): void {
    if (this.#length === 0) return;
    this.#send(this.#bytes.subarray(0, this.#length));
    [this.#bytes, this.#view] = CopyEncoder.#allocate(0);
    this.#length = 0;
  }

  /** Between two rows: hands on the piece in hand where it is long enough. */
  breakPiece(): void {
    if (this.#length >= PIECE_BYTES) this.flush();
  }

  /** Back to where the piece in hand ended before a row that could not be written. */
  truncate(length: number): void {
    this.#length = length;
  }

  /** Begins a row of so many fields, which follow. */
  row(fields: number): void {
    this.#reserve(2);
    this.#view.setInt16(this.#length, fields);
    this.#length += 2;
  }

  #absent(): void {
    this.#reserve(4);
    this.#view.setInt32(this.#length, NULL);
    this.#length += 4;
  }

  /** For `text`; what PostgreSQL cannot hold is replaced. */
  text(value: string | Absent): void {
    if (value === null || value === undefined) return this.#absent();
    const { length } = value;
    if (length > LOOP_LENGTH_MAX) return this.#utf8(storableText(value), 0);
    this.#reserve(4 + length);
    const start = this.#length + 4;
    const bytes = this.#bytes;
    for (let index = 0; index < length; index += 1) {
      const code = value.charCodeAt(index);
      if (code === 0 || code > ASCII_MAX) return this.#utf8(storableText(value), 0);
      bytes[start + index] = code;
    }
    this.#view.setInt32(this.#length, length);
    this.#length = start + length;
  }

  /** A text behind so many bytes that its caller has still to write. */
  #utf8(value: string, leading: number): void {
    this.#reserve(4 + leading + 3 * value.length);
    const start = this.#length + 4 + leading;
    const written = this.#bytes.write(value, start, 'utf8');
    this.#view.setInt32(this.#length, leading + written);
    this.#length = start + written;
  }

  json(value: unknown): void {
    if (value === undefined) return this.#absent();
    this.#utf8(storableJson(value), 0);
  }

  jsonb(value: unknown): void {
    if (value === undefined) return this.#absent();
    const versionAt = this.#length + 4;
    this.#utf8(storableJson(value), 1);
    this.#bytes[versionAt] = JSONB_VERSION;
  }

  boolean(value: boolean): void {
    this.#reserve(5);
    this.#view.setInt32(this.#length, 1);
    this.#bytes[this.#length + 4] = value ? 1 : 0;
    this.#length += 5;
  }

  smallint(value: number | Absent): void {
    if (value === null || value === undefined) return this.#absent();
    if (value !== (value << 16) >> 16) throw new NumberOutOfRange();
    this.#reserve(6);
    this.#view.setInt32(this.#length, 2);
    this.#view.setInt16(this.#length + 4, value);
    this.#length += 6;
  }

  integer(value: number | Absent): void {
    if (value === null || value === undefined) return this.#absent();
    if (value !== (value | 0)) throw new NumberOutOfRange();
    this.#reserve(8);
    this.#view.setInt32(this.#length, 4);
    this.#view.setInt32(this.#length + 4, value);
    this.#length += 8;
  }

  /** A `number` must be a safe integer. */
  bigint(value: bigint | number | Absent): void {
    if (value === null || value === undefined) return this.#absent();
    if (typeof value === 'bigint' && value !== BigInt.asIntN(64, value)) throw new NumberOutOfRange();
    if (typeof value === 'number' && !Number.isSafeInteger(value)) throw new NumberOutOfRange();
    this.#reserve(12);
    this.#view.setInt32(this.#length, 8);
    if (typeof value === 'bigint') this.#view.setBigInt64(this.#length + 4, value);
    else {
      this.#view.setInt32(this.#length + 4, Math.floor(value / TWO_TO_THE_32));
      this.#view.setUint32(this.#length + 8, value >>> 0);
    }
    this.#length += 12;
  }

  /** For `timestamptz`: Unix microseconds. */
  instant(microseconds: number): void {
    this.bigint(microseconds - EPOCH_MICROSECONDS);
  }

  /** For `bytea`. */
  hexadecimal(digits: string): void {
    this.#reserve(4 + digits.length / 2);
    const written = this.#bytes.write(digits, this.#length + 4, 'hex');
    this.#view.setInt32(this.#length, written);
    this.#length += 4 + written;
  }
}

/** Puts another instant (Unix microseconds) where a row that was written ends with one. */
export const stampLastInstant = (piece: Buffer, rowEnd: number, microseconds: number): void => {
  const value = microseconds - EPOCH_MICROSECONDS;
  piece.writeInt32BE(Math.floor(value / TWO_TO_THE_32), rowEnd - 8);
  piece.writeUInt32BE(value >>> 0, rowEnd - 4);
};
