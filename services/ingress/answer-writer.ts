import type { AnswerHead } from '#contracts/attempt-line';
import type { RequestId } from '#contracts/ids';
import type { StreamFraming } from '#contracts/vocabulary';
import type { FloError } from '#domain/errors';
import type { Surface } from '#surfaces/surface';
import type { AnswerTarget } from './answer-target.ts';

const FRAMINGS: Readonly<Record<string, StreamFraming>> = {
  'text/event-stream': 'sse',
  'application/json': 'json_array',
};

/** A header holds visible ASCII; a model's name, which the client chose, may hold anything. */
const encodeHeaderText = (text: string): string =>
  /^[\x20-\x7e]*$/.test(text) ? text : encodeURIComponent(text.toWellFormed());

const KEEP_ALIVE = ': keep-alive\n\n';
/** An ending that its client has not taken by then is not taken any more. */
const UNREAD_MS_MAX = 10_000;

/** Writes one answer to a client in its dialect: a whole one, a stream, or an error in either. */
export class AnswerWriter {
  readonly #response: AnswerTarget;
  readonly #surface: Surface;
  readonly #requestId: RequestId;
  #framing: StreamFraming | null = null;
  /** What was written last: an error that ends a stream goes on from there. */
  #lastBytes: Uint8Array | null = null;
  #lastWriteMs = 0;

  constructor(response: AnswerTarget, surface: Surface, requestId: RequestId) {
    this.#response = response;
    this.#surface = surface;
    this.#requestId = requestId;
  }

  #headers(attempts: number, upstreamRequestId: string | null): Record<string, string> {
    return {
      'x-flo2-request-id': this.#requestId,
      'x-flo2-attempts': String(attempts),
      ...(upstreamRequestId !== null && {
        'x-flo2-upstream-request-id': encodeHeaderText(upstreamRequestId),
      }),
    };
  }

  #answerHeaders(head: AnswerHead, attempts: number): Record<string, string> {
    return {
      ...this.#headers(attempts, head.upstreamRequestId),
      'content-type': head.contentType,
      'x-flo2-provider': head.provider,
      'x-flo2-model': encodeHeaderText(head.model),
      'x-flo2-queue-ms': String(head.queueMs),
      ...(head.droppedParams.length > 0 && {
        'x-flo2-dropped-params': head.droppedParams.map(encodeHeaderText).join(', '),
      }),
    };
  }

  answer(head: AnswerHead, attempts: number, body: Uint8Array): void {
    const headers = { ...this.#answerHeaders(head, attempts), 'content-length': String(body.length) };
    this.#response.writeHead(head.status, headers);
    this.#response.end(body);
    this.#closeStalled();
  }

  head(head: AnswerHead, attempts: number): void {
    const headers = { ...this.#answerHeaders(head, attempts), 'cache-control': 'no-cache' };
    this.#framing = FRAMINGS[head.contentType.split(';', 1)[0] ?? ''] ?? null;
    this.#response.writeHead(head.status, headers);
    this.#lastWriteMs = Date.now();
  }

  /** `onTaken` is called once the bytes have left this process. */
  data(bytes: Uint8Array, onTaken: () => void): void {
    if (bytes.length > 0) this.#lastBytes = bytes;
    this.#lastWriteMs = Date.now();
    this.#response.write(bytes, (error) => {
      if (!error) onTaken();
    });
  }

  end(): void {
    this.#response.end();
    this.#closeStalled();
  }

  closeConnection(): void {
    if (!this.#response.headersSent) this.#response.shouldKeepAlive = false;
  }

  /** A comment, which readers of server-sent events skip, where nothing was written since then. */
  keepAlive(silentSinceMs: number): void {
    if (this.#framing !== 'sse' || this.#lastWriteMs > silentSinceMs) return;
    this.#lastWriteMs = Date.now();
    if (!this.#response.writableNeedDrain) this.#response.write(KEEP_ALIVE);
  }

  /** What was handed over and is never read may not hold a connection for ever. */
  #closeStalled(): void {
    const response = this.#response;
    if (response.writableFinished) return;
    const timer = setTimeout(() => response.destroy(), UNREAD_MS_MAX);
    timer.unref();
    response.once('close', () => clearTimeout(timer));
  }

  /** An answer that has begun is broken off so that no client takes it for whole. */
  fail(error: FloError, attempts: number, upstreamRequestId: string | null): void {
    const response = this.#response;
    if (response.destroyed || response.writableEnded) return;
    if (response.headersSent) {
      if (this.#framing === null) response.destroy();
      else {
        const soFar = { framing: this.#framing, tail: Buffer.from(this.#lastBytes ?? '').toString('utf8') };
        response.end(this.#surface.encodeStreamError(error, this.#requestId, soFar));
        this.#closeStalled();
      }
      return;
    }
    const { status, headers, body } = this.#surface.encodeError(error, this.#requestId);
    const bytes = Buffer.from(JSON.stringify(body));
    response.writeHead(status, {
      ...this.#headers(attempts, upstreamRequestId),
      'content-type': 'application/json',
      'content-length': String(bytes.length),
      ...headers,
    });
    response.end(bytes);
  }
}
