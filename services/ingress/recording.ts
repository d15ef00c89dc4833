import { RECORDED_BYTES_MAX } from '#domain/idempotency';
import type { AnswerTarget, Follower } from './answer-target.ts';

export type RecordedAnswer = { status: number; headers: Record<string, string>; body: Uint8Array };

/**
 * An answer that is kept as it comes and given to whoever follows, from its beginning. Its end is held back
 * until `release`, so that no client has a whole answer before it is stored.
 */
export class Recording implements AnswerTarget {
  readonly #onEnded: () => void;
  readonly #followers = new Set<Follower>();
  #head: { status: number; headers: Record<string, string> } | null = null;
  #chunks: Uint8Array[] = [];
  #bytes = 0;
  #overflowed = false;
  #ending: 'end' | 'broken' | null = null;
  /** What came with the end; given away with it. */
  #last: Uint8Array | null = null;
  #released = false;

  constructor(onEnded: () => void) {
    this.#onEnded = onEnded;
  }

  get destroyed(): boolean {
    return this.#ending === 'broken';
  }
  get headersSent(): boolean {
    return this.#head !== null;
  }
  get writableEnded(): boolean {
    return this.#ending !== null;
  }
  get writableFinished(): boolean {
    return true;
  }
  get writableNeedDrain(): boolean {
    return false;
  }
  get overflowed(): boolean {
    return this.#overflowed;
  }
  /**
   * Whether a provider may have worked on it, as far as status and headers say. One whose only call was turned away
   * with 429 was not: it may be sent again, and its answer says so.
   */
  get mayHaveRun(): boolean {
    if (this.#head === null) return false;
    const attempts = this.#head.headers['x-flo2-attempts'];
    return attempts !== '0' && !(attempts === '1' && this.#head.status === 429);
  }

  /** Null where it was broken off, or grew over what is kept. */
  get answer(): RecordedAnswer | null {
    if (this.#head === null || this.#overflowed || this.#ending !== 'end') return null;
    return { ...this.#head, body: Buffer.concat([...this.#chunks, this.#last ?? new Uint8Array()]) };
  }

  /** False where its beginning is not kept any more. The result stops following. */
  follow(follower: Follower): (() => void) | null {
    if (this.#overflowed) return null;
    if (this.#head !== null) follower.head(this.#head.status, this.#head.headers);
    for (const chunk of this.#chunks) follower.data(chunk);
    if (this.#released) this.#finish(follower);
    else this.#followers.add(follower);
    return () => this.#followers.delete(follower);
  }

  writeHead(status: number, headers: Record<string, string>): void {
    this.#head = { status, headers };
    for (const follower of this.#followers) follower.head(status, headers);
  }

  write(data: string | Uint8Array, onTaken?: (error?: Error | null) => void): void {
    if (typeof data === 'string') for (const follower of this.#followers) follower.comment(data);
    else {
      this.#keep(data);
      for (const follower of this.#followers) follower.data(data);
    }
    // Nobody is waited for: what is kept is bounded, and followers share it.
    if (onTaken !== undefined) queueMicrotask(onTaken);
  }

  end(data?: string | Uint8Array): void {
    if (this.#ending !== null) return;
    this.#last = data === undefined ? null : Buffer.from(data);
    this.#ending = 'end';
    this.#onEnded();
  }

  destroy(): void {
    if (this.#ending !== null) return;
    this.#ending = 'broken';
    this.#onEnded();
  }

  /** There is no connection that could close. */
  once(): void {}

  /** Gives the end away. */
  release(): void {
    if (this.#last !== null) {
      this.#keep(this.#last);
      for (const follower of this.#followers) follower.data(this.#last);
      this.#last = null;
    }
    this.#released = true;
    for (const follower of this.#followers) this.#finish(follower);
    this.#followers.clear();
  }

  #keep(bytes: Uint8Array): void {
    this.#bytes += bytes.length;
    if (this.#bytes > RECORDED_BYTES_MAX) {
      this.#overflowed = true;
      this.#chunks = [];
    }
    if (!this.#overflowed) this.#chunks.push(bytes);
  }

  #finish(follower: Follower): void {
    if (this.#ending === 'broken') follower.breakOff();
    else follower.end();
  }
}
