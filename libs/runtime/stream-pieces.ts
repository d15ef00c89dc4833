/** Text that flo2 has written, or bytes as they came from the provider. */
export type StreamPiece = string | Uint8Array;

/** A stretch of memory that grows as long as what follows begins where it ends. */
type Stretch = { memory: ArrayBufferLike; start: number; end: number };

const NOTHING = new Uint8Array();

/**
 * Pieces of a stream that wait to be sent together. Events of one chunk stand one behind the other in memory
 * and become one piece again without being copied.
 */
export class StreamPieces {
  #pieces: (string | Stretch)[] = [];
  #length = 0;

  /** In bytes, where all of it is ASCII. */
  get length(): number {
    return this.#length;
  }

  add(piece: StreamPiece): void {
    if (piece.length === 0) return;
    this.#length += piece.length;
    if (typeof piece === 'string') {
      this.#pieces.push(piece);
      return;
    }
    const { buffer: memory, byteOffset: start } = piece;
    const last = this.#pieces.at(-1);
    if (typeof last === 'object' && last.memory === memory && last.end === start) last.end += piece.length;
    else this.#pieces.push({ memory, start, end: start + piece.length });
  }

  /** All of them, one after the other; none are left. */
  take(): Uint8Array {
    const pieces = this.#pieces;
    this.#pieces = [];
    this.#length = 0;
    if (pieces.length > 1 && pieces.every((piece) => typeof piece === 'string')) {
      return Buffer.from(pieces.join(''));
    }
    const bytes = pieces.map((piece) =>
      typeof piece === 'string'
        ? Buffer.from(piece)
        : new Uint8Array(piece.memory, piece.start, piece.end - piece.start),
    );
    return bytes.length > 1 ? Buffer.concat(bytes) : (bytes[0] ?? NOTHING);
  }
}
