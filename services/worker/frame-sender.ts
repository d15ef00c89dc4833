import type { AnswerHead } from '#contracts/attempt-line';
import type { RequestId } from '#contracts/ids';
import { encodeWireError, type FloError } from '#domain/errors';
import type { WorkerLine } from '#nats/worker-line';

/** An answer over it goes out in pieces; with the header it must fit one message. */
const ONE_FRAME_BYTES_MAX = 4 * 1024 * 1024;

/** Sends the frames of one attempt, in sequence. */
export class FrameSender {
  readonly #line: WorkerLine;
  readonly #ingressId: string;
  readonly #position: { requestId: RequestId; attemptNumber: number };
  #sequence = 0;

  constructor(
    line: WorkerLine,
    ingressId: string,
    position: { requestId: RequestId; attemptNumber: number },
  ) {
    this.#line = line;
    this.#ingressId = ingressId;
    this.#position = position;
  }

  #next(): { requestId: RequestId; attemptNumber: number; sequence: number } {
    const sequence = this.#sequence;
    this.#sequence += 1;
    return { ...this.#position, sequence };
  }

  answer(head: AnswerHead, body: Uint8Array): void {
    if (body.length <= ONE_FRAME_BYTES_MAX) {
      this.#line.sendFrame(this.#ingressId, { kind: 'answer', ...this.#next(), head }, body);
      return;
    }
    this.head(head);
    for (let start = 0; start < body.length; start += ONE_FRAME_BYTES_MAX) {
      this.data(body.subarray(start, start + ONE_FRAME_BYTES_MAX));
    }
    this.end();
  }

  head(head: AnswerHead): void {
    this.#line.sendFrame(this.#ingressId, { kind: 'head', ...this.#next(), head });
  }

  data(bytes: Uint8Array): void {
    this.#line.sendFrame(this.#ingressId, { kind: 'data', ...this.#next() }, bytes);
  }

  end(): void {
    this.#line.sendFrame(this.#ingressId, { kind: 'end', ...this.#next() });
  }

  handOver(step: number): void {
    this.#line.sendFrame(this.#ingressId, { kind: 'hand_over', ...this.#next(), step });
  }

  fail(error: FloError, upstreamRequestId: string | null): void {
    const frame = {
      kind: 'fail',
      ...this.#next(),
      error: encodeWireError(error),
      upstreamRequestId,
    } as const;
    this.#line.sendFrame(this.#ingressId, frame);
  }
}
