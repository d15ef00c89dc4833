import { FloError } from '#domain/errors';

/** Why an attempt was ended from outside. */
export type AbortReason =
  | 'client_left'
  | 'ingress_lost'
  | 'shutdown'
  | 'deadline'
  | 'deadline_in_queue'
  | 'first_byte_timeout'
  | 'idle_timeout';

export const abortError = (reason: AbortReason): FloError => {
  switch (reason) {
    case 'client_left':
    case 'ingress_lost':
      return new FloError('cancelled', 'The client left before the answer was complete.');
    case 'shutdown':
      return new FloError('unavailable', 'The worker was stopped before the answer was complete.');
    case 'deadline':
      return new FloError('deadline_exceeded', 'The deadline passed before the answer was complete.');
    case 'deadline_in_queue':
      return new FloError(
        'deadline_exceeded',
        'The deadline passed while the request waited; no call was made.',
      );
    case 'first_byte_timeout':
      return new FloError('timeout', 'The provider did not begin to answer in time.');
    case 'idle_timeout':
      return new FloError('timeout', 'The provider fell silent in the middle of its answer.');
  }
};

/** One request's abort signal; its reason is always an `AbortReason` turned into its `FloError`. */
export class RequestAbort {
  readonly #controller = new AbortController();
  #deadline: NodeJS.Timeout | null = null;

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  abort(reason: AbortReason): void {
    this.#controller.abort(abortError(reason));
  }

  startDeadline(afterMs: number): void {
    this.#deadline = setTimeout(() => this.abort('deadline'), Math.max(0, afterMs));
  }

  close(): void {
    if (this.#deadline !== null) clearTimeout(this.#deadline);
  }
}
