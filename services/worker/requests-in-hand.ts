import type { AttemptControl } from '#contracts/attempt-line';
import type { RequestId } from '#contracts/ids';
import type { WorkerLine } from '#nats/worker-line';
import { RequestAbort } from './attempt-limits.ts';
import type { CoalescingWriter } from './coalescing-writer.ts';

const BEAT_INTERVAL_MS = 1_000;
/** Unanswered heartbeats after which an ingress is taken for lost; it drops this worker about as soon. */
const SILENT_BEATS_MAX = 3;

export type RequestInHand = {
  requestId: RequestId;
  step: number;
  /** Null for work that no connection waits for. */
  ingressId: string | null;
  abort: RequestAbort;
  /** The running attempt's writer, which takes the client's credit. */
  writer: CoalescingWriter | null;
};

/**
 * The requests a worker works on, a step of each at a time, or two for the moment of a hand-over: it tells each ingress every second that it still does, and ends those
 * that nobody waits for any more.
 */
export class RequestsInHand {
  readonly #workerId: string;
  readonly #requests = new Map<RequestId, RequestInHand[]>();
  readonly #silentBeats = new Map<string, number>();
  #timer: NodeJS.Timeout | null = null;
  #onEmpty: (() => void) | null = null;

  constructor(workerId: string) {
    this.#workerId = workerId;
  }

  get size(): number {
    return this.#requests.size;
  }

  start(line: WorkerLine): void {
    this.#timer = setInterval(() => void this.#beat(line), BEAT_INTERVAL_MS);
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
  }

  /** Null while this step of the request is in hand already: the queue delivered it twice. */
  take(requestId: RequestId, step: number, ingressId: string | null): RequestInHand | null {
    const steps = this.#requests.get(requestId) ?? [];
    if (steps.some((known) => known.step === step)) return null;
    const request: RequestInHand = { requestId, step, ingressId, abort: new RequestAbort(), writer: null };
    this.#requests.set(requestId, [...steps, request]);
    return request;
  }

  drop(request: RequestInHand): void {
    request.abort.close();
    const others = (this.#requests.get(request.requestId) ?? []).filter((known) => known !== request);
    if (others.length > 0) this.#requests.set(request.requestId, others);
    else this.#requests.delete(request.requestId);
    if (this.#requests.size === 0) this.#onEmpty?.();
  }

  control(control: AttemptControl): void {
    for (const request of this.#requests.get(control.requestId) ?? []) {
      switch (control.kind) {
        case 'cancel':
          request.abort.abort('client_left');
          break;
        case 'credit':
          request.writer?.credit(control.takenBytes);
          break;
      }
    }
  }

  /** Whether any of it is of a lane that no connection waits for. */
  holdsWork(): boolean {
    for (const steps of this.#requests.values()) {
      if (steps.some(({ ingressId }) => ingressId === null)) return true;
    }
    return false;
  }

  /** Resolves when nothing is in hand. */
  empty(): Promise<void> {
    if (this.#requests.size === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#onEmpty = resolve;
    });
  }

  abortAll(): void {
    for (const { abort } of [...this.#requests.values()].flat()) abort.abort('shutdown');
  }

  async #beat(line: WorkerLine): Promise<void> {
    const byIngress = new Map<string, RequestInHand[]>();
    for (const request of [...this.#requests.values()].flat()) {
      if (request.ingressId === null) continue;
      const others = byIngress.get(request.ingressId);
      if (others === undefined) byIngress.set(request.ingressId, [request]);
      else others.push(request);
    }
    for (const ingressId of this.#silentBeats.keys()) {
      if (!byIngress.has(ingressId)) this.#silentBeats.delete(ingressId);
    }
    await Promise.all(
      [...byIngress].map(async ([ingressId, requests]) => {
        const requestIds = [...new Set(requests.map(({ requestId }) => requestId))];
        const reply = await line.beat(ingressId, { workerId: this.#workerId, requestIds });
        if (typeof reply === 'object') {
          this.#silentBeats.delete(ingressId);
          this.#abandon(reply.abandon);
          return;
        }
        const silentBeats = (this.#silentBeats.get(ingressId) ?? 0) + 1;
        this.#silentBeats.set(ingressId, silentBeats);
        if (reply === 'gone' || silentBeats >= SILENT_BEATS_MAX) this.#abandon(requestIds);
      }),
    );
  }

  #abandon(requestIds: readonly RequestId[]): void {
    for (const requestId of requestIds) {
      for (const { abort } of this.#requests.get(requestId) ?? []) abort.abort('ingress_lost');
    }
  }
}
