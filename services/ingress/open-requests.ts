import type {
  Frame,
  FrameHeader,
  GrantReply,
  GrantRequest,
  Heartbeat,
  HeartbeatReply,
} from '#contracts/attempt-line';
import type { DispatchHeader } from '#contracts/dispatch';
import type { RequestId } from '#contracts/ids';
import { AttemptFence } from '#domain/attempt-fence';
import { presumedLostEvent } from '#domain/attempt-report';
import { decodeWireError, FloError } from '#domain/errors';
import type { Clock } from '#domain/ports';
import type { AttemptEventPublisher } from '#nats/attempt-event-publisher';
import type { IngressLine } from '#nats/ingress-line';
import type { AnswerWriter } from './answer-writer.ts';

const SWEEP_INTERVAL_MS = 500;
/**
 * Heartbeats come every second: a worker that is silent through 3.5 s of sweeps has missed three, and is lost.
 * Sweeps are counted instead of time, since an ingress that was held up itself has not heard anybody meanwhile.
 */
const SILENT_SWEEPS_MAX = 7;
/** The worker keeps the deadline too; this long the ingress leaves the word to it. */
const DEADLINE_GRACE_MS = 1_000;
/** A worker may be 64 KiB ahead of its client (`coalescing-writer.ts`); it is told of room in quarters. */
const CREDIT_BYTES = 16 * 1024;

/** Frames after which the worker is done with the attempt. */
const ENDINGS: ReadonlySet<FrameHeader['kind']> = new Set(['answer', 'end', 'fail', 'hand_over']);

/** `onSettled`: the client's part is over. `onClosed`: nothing more is called; `calls` attempts leave an event. */
export type RequestEndings = { onSettled: () => void; onClosed: (calls: number) => void };

type OpenRequest = {
  header: DispatchHeader;
  writer: AnswerWriter;
  fence: AttemptFence;
  grantedAtMs: number;
  silentSweeps: number;
  takenBytes: number;
  creditedBytes: number;
  deadline: NodeJS.Timeout;
  /** The client has its ending, or left; kept until the worker's own, so that a lost one is noticed. */
  settled: boolean;
} & RequestEndings;

export type OpenRequestsDeps = {
  clock: Clock;
  events: AttemptEventPublisher;
  /** Silence in a stream after which its client is sent a comment. */
  keepAliveMs: number;
};

/**
 * The requests whose clients this ingress holds. It grants their attempts, relays the frames of the
 * attempt that runs, and ends each request exactly once: by an answer, an error, or its client leaving.
 */
export class OpenRequests {
  readonly #deps: OpenRequestsDeps;
  readonly #requests = new Map<RequestId, OpenRequest>();
  #line: IngressLine | null = null;
  #sweep: NodeJS.Timeout | null = null;
  #onEmpty: (() => void) | null = null;

  constructor(deps: OpenRequestsDeps) {
    this.#deps = deps;
  }

  get size(): number {
    return this.#requests.size;
  }

  start(line: IngressLine): void {
    this.#line = line;
    this.#sweep = setInterval(() => {
      this.#failLost();
      this.#keepAlive();
    }, SWEEP_INTERVAL_MS);
  }

  stop(): void {
    if (this.#sweep !== null) clearInterval(this.#sweep);
  }

  open(header: DispatchHeader, writer: AnswerWriter, endings: RequestEndings): void {
    const waitMs = Math.max(0, header.deadlineAtMs - this.#deps.clock.nowMs());
    this.#requests.set(header.requestId, {
      header,
      writer,
      fence: new AttemptFence(),
      grantedAtMs: 0,
      silentSweeps: 0,
      takenBytes: 0,
      creditedBytes: 0,
      deadline: setTimeout(() => this.#onDeadline(header.requestId), waitMs),
      settled: false,
      ...endings,
    });
  }

  /** Whether a client still waits for an answer to it. */
  awaits(requestId: RequestId): boolean {
    return this.#requests.get(requestId)?.settled === false;
  }

  /** The client went away. */
  leave(requestId: RequestId): void {
    const request = this.#requests.get(requestId);
    if (request !== undefined) this.#settle(request);
  }

  /** The queue did not take the request. Where a worker has it all the same, only the receipt was lost. */
  failUnqueued(requestId: RequestId, error: FloError): void {
    const request = this.#requests.get(requestId);
    if (request !== undefined && request.fence.attempts === 0) this.#fail(request, error, null);
  }

  /** Has each client's connection end with its answer. */
  closeConnections(): void {
    for (const { writer } of this.#requests.values()) writer.closeConnection();
  }

  /** Resolves when no request is open. */
  empty(): Promise<void> {
    if (this.#requests.size === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#onEmpty = resolve;
    });
  }

  failAll(error: FloError): void {
    for (const request of this.#requests.values()) {
      this.#cancelUpstream(request);
      this.#fail(request, error, null);
    }
  }

  grant(asked: GrantRequest): GrantReply {
    const request = this.#requests.get(asked.requestId);
    if (request === undefined) return { granted: false, reason: 'gone' };
    const before = request.fence.running?.attemptId;
    if (request.settled && before !== asked.attemptId) return { granted: false, reason: 'gone' };
    const reply = request.fence.grant(asked);
    const nowMs = this.#deps.clock.nowMs();
    if (reply.granted && before !== asked.attemptId) {
      request.grantedAtMs = nowMs;
      request.takenBytes = 0;
      request.creditedBytes = 0;
    }
    if (reply.granted) request.silentSweeps = 0;
    return reply;
  }

  beat({ workerId, requestIds }: Heartbeat): HeartbeatReply {
    const abandon: RequestId[] = [];
    for (const requestId of requestIds) {
      const request = this.#requests.get(requestId);
      const running = request?.fence.running;
      if (request === undefined || (running && running.workerId !== workerId)) abandon.push(requestId);
      else {
        request.silentSweeps = 0;
        // The word that the client is gone may have been lost.
        if (request.settled) abandon.push(requestId);
      }
    }
    return { abandon };
  }

  take({ header: frame, bytes }: Frame): void {
    const request = this.#requests.get(frame.requestId);
    if (request === undefined) return;
    const { fence, writer } = request;
    const running = fence.running;
    if (request.settled) {
      if (frame.attemptNumber === running?.attemptNumber && ENDINGS.has(frame.kind)) this.#close(request);
      return;
    }
    const verdict = fence.accept(frame);
    if (verdict === 'drop') return;
    request.silentSweeps = 0;
    if (verdict === 'gap') {
      const error = new FloError('cut_stream', 'A part of the answer was lost inside flo2.');
      writer.fail(error, fence.attempts, null);
      this.#settle(request);
      return;
    }
    switch (frame.kind) {
      case 'head':
        writer.head(frame.head, fence.attempts);
        break;
      case 'data':
        writer.data(bytes, () => this.#taken(request, running, bytes.length));
        break;
      case 'answer':
        writer.answer(frame.head, fence.attempts, bytes);
        this.#close(request);
        break;
      case 'end':
        writer.end();
        this.#close(request);
        break;
      case 'fail':
        this.#fail(request, decodeWireError(frame.error), frame.upstreamRequestId);
        break;
      case 'hand_over':
        break;
    }
  }

  #taken(request: OpenRequest, grant: GrantRequest | null, bytes: number): void {
    request.takenBytes += bytes;
    if (grant === null || request.takenBytes - request.creditedBytes < CREDIT_BYTES) return;
    request.creditedBytes = request.takenBytes;
    const { requestId } = request.header;
    this.#line?.control(grant.workerId, { kind: 'credit', requestId, takenBytes: request.takenBytes });
  }

  #cancelUpstream(request: OpenRequest): void {
    const { running } = request.fence;
    if (running !== null) {
      this.#line?.control(running.workerId, { kind: 'cancel', requestId: request.header.requestId });
    }
  }

  #fail(request: OpenRequest, error: FloError, upstreamRequestId: string | null): void {
    request.writer.fail(error, request.fence.attempts, upstreamRequestId);
    this.#close(request);
  }

  /** The client's part is over; an attempt that still runs is ended, and awaited. */
  #settle(request: OpenRequest): void {
    if (request.fence.running === null) {
      this.#close(request);
      return;
    }
    this.#cancelUpstream(request);
    clearTimeout(request.deadline);
    if (!request.settled) request.onSettled();
    request.settled = true;
  }

  #close(request: OpenRequest): void {
    clearTimeout(request.deadline);
    request.fence.close();
    this.#requests.delete(request.header.requestId);
    if (!request.settled) request.onSettled();
    request.onClosed(request.fence.calls);
    if (this.#requests.size === 0) this.#onEmpty?.();
  }

  #onDeadline(requestId: RequestId, graceMs = DEADLINE_GRACE_MS): void {
    const request = this.#requests.get(requestId);
    if (request === undefined) return;
    if (request.fence.running !== null && graceMs > 0) {
      request.deadline = setTimeout(() => this.#onDeadline(requestId, 0), graceMs);
      return;
    }
    const said =
      request.fence.attempts === 0
        ? 'The deadline passed while the request waited; no call was made.'
        : 'The deadline passed before an answer was complete.';
    const error = new FloError('deadline_exceeded', said);
    request.writer.fail(error, request.fence.attempts, null);
    this.#settle(request);
  }

  /** Streams whose provider thinks: what lies between may close a connection on which nothing moves. */
  #keepAlive(): void {
    const silentSinceMs = this.#deps.clock.nowMs() - this.#deps.keepAliveMs;
    for (const { fence, writer, settled } of this.#requests.values()) {
      if (fence.answering && !settled) writer.keepAlive(silentSinceMs);
    }
  }

  #failLost(): void {
    const nowMs = this.#deps.clock.nowMs();
    for (const request of this.#requests.values()) {
      const { running } = request.fence;
      if (running === null) continue;
      request.silentSweeps += 1;
      if (request.silentSweeps <= SILENT_SWEEPS_MAX) continue;
      const times = { grantedAtMs: request.grantedAtMs, nowMs };
      if (running.willCall) this.#deps.events.publish(presumedLostEvent(request.header, running, times));
      if (request.settled) {
        this.#close(request);
        continue;
      }
      this.#cancelUpstream(request);
      const message = `The call to the provider may have happened; its outcome was lost (attempt ${running.attemptId}). Repeat the request only if being charged twice is acceptable.`;
      this.#fail(request, new FloError('outcome_unknown', message), null);
    }
  }
}
