import { StreamPieces, type StreamPiece } from '#runtime/stream-pieces';

/** The least time between two frames, well under what a reader notices. */
const COALESCE_MS = 10;
/** Enough to be sent without waiting. */
const COALESCE_BYTES = 16 * 1024;
/** Sent and not yet taken by the client; past it the provider is not read on. A thousand stalled readers hold 64 MiB. */
const WINDOW_BYTES = 64 * 1024;

/**
 * Sends a stream's bytes in few frames: what comes 10 ms or more after the last frame at once, what comes sooner
 * together at the end of that time, and never more than the window ahead of the client.
 */
export class CoalescingWriter {
  readonly #send: (bytes: Uint8Array) => void;
  readonly #held = new StreamPieces();
  #sentBytes = 0;
  #takenBytes = 0;
  #timer: NodeJS.Timeout | null = null;
  /** On the clock of `performance`. */
  #sentAtMs = 0;
  #resume: (() => void) | null = null;
  #abandoned = false;

  constructor(send: (bytes: Uint8Array) => void) {
    this.#send = send;
  }

  /** Resolves when the client has room; rejects with the signal's reason. */
  async write(piece: StreamPiece, signal: AbortSignal): Promise<void> {
    if (piece.length === 0 || this.#abandoned) return;
    this.#held.add(piece);
    if (this.#sentBytes === 0 || this.#held.length >= COALESCE_BYTES) this.flush();
    else this.#timer ??= setTimeout(() => this.flush(), this.#nextFrameInMs());
    if (this.#sentBytes - this.#takenBytes < WINDOW_BYTES) return;
    this.flush();
    await this.#room(signal);
  }

  #nextFrameInMs(): number {
    return Math.max(0, this.#sentAtMs + COALESCE_MS - performance.now());
  }

  flush(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    if (this.#held.length === 0) return;
    const bytes = this.#held.take();
    this.#sentBytes += bytes.length;
    this.#sentAtMs = performance.now();
    this.#send(bytes);
  }

  /** The client has taken so many bytes since the beginning. */
  credit(takenBytes: number): void {
    this.#takenBytes = Math.max(this.#takenBytes, takenBytes);
    if (this.#sentBytes - this.#takenBytes < WINDOW_BYTES) this.#resume?.();
  }

  /** Nobody takes anything any more: what comes is dropped, and nobody waits for room. */
  abandon(): void {
    this.#abandoned = true;
    this.close();
    this.#resume?.();
  }

  /** Drops what is held. */
  close(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#held.take();
  }

  #room(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const onAbort = (): void => {
        this.#resume = null;
        reject(signal.reason);
      };
      if (signal.aborted) return onAbort();
      signal.addEventListener('abort', onAbort, { once: true });
      this.#resume = () => {
        this.#resume = null;
        signal.removeEventListener('abort', onAbort);
        resolve();
      };
    });
  }
}
