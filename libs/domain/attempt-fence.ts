import type { FrameHeader, GrantReply, GrantRequest } from '#contracts/attempt-line';

/**
 * Who may call a provider for a request, and whose frames count: the ingress's side of the state machine
 * in `libs/contracts/attempt-line.ts`, without its I/O.
 *
 * queued: nobody calls. attempting: the granted worker may call, nothing has reached the client.
 * answering: the answer's head is with the client. closed: the request is over.
 */
type State =
  | { name: 'queued' }
  | { name: 'attempting' | 'answering'; grant: GrantRequest; nextSequence: number }
  | { name: 'closed' };

/** `gap`: frames were lost; whoever holds the fence closes the request. */
export type FrameVerdict = 'take' | 'drop' | 'gap';

export class AttemptFence {
  #state: State = { name: 'queued' };
  #lastAttempt = 0;
  #calls = 0;
  #step = 0;

  /** The attempt that runs now, null when none does. */
  get running(): GrantRequest | null {
    return this.#state.name === 'attempting' || this.#state.name === 'answering' ? this.#state.grant : null;
  }

  get closed(): boolean {
    return this.#state.name === 'closed';
  }

  get answering(): boolean {
    return this.#state.name === 'answering';
  }

  /** How many attempts were granted. */
  get attempts(): number {
    return this.#lastAttempt;
  }

  /** How many of them call a provider, and so leave an event. */
  get calls(): number {
    return this.#calls;
  }

  /**
   * Grants each attempt number once, in order. A repeated question about the running attempt gets the
   * same answer, so a lost reply can be asked for again. While an attempt runs, the next one is granted
   * to its own worker, which is done with it, or to a later step, to which that worker has handed over.
   */
  grant(request: GrantRequest): GrantReply {
    const state = this.#state;
    if (state.name === 'closed') return { granted: false, reason: 'gone' };
    if (state.name !== 'queued' && state.grant.attemptId === request.attemptId) return { granted: true };
    const inOrder =
      state.name !== 'answering' &&
      request.attemptNumber === this.#lastAttempt + 1 &&
      request.step >= this.#step;
    const previousIsOver =
      state.name !== 'attempting' ||
      request.workerId === state.grant.workerId ||
      request.step > state.grant.step;
    if (!inOrder || !previousIsOver) return { granted: false, reason: 'stale' };
    this.#lastAttempt = request.attemptNumber;
    if (request.willCall) this.#calls += 1;
    this.#step = request.step;
    this.#state = { name: 'attempting', grant: request, nextSequence: 0 };
    return { granted: true };
  }

  /** Judges a frame and moves on. */
  accept(frame: FrameHeader): FrameVerdict {
    const state = this.#state;
    if (state.name === 'closed' || state.name === 'queued') return 'drop';
    if (frame.attemptNumber !== state.grant.attemptNumber || frame.sequence < state.nextSequence)
      return 'drop';
    if (frame.sequence > state.nextSequence) return 'gap';
    state.nextSequence += 1;
    switch (frame.kind) {
      case 'head':
        state.name = 'answering';
        break;
      case 'data':
        break;
      case 'hand_over':
        this.#step = frame.step;
        this.#state = { name: 'queued' };
        break;
      case 'answer':
      case 'end':
      case 'fail':
        this.close();
        break;
    }
    return 'take';
  }

  close(): void {
    this.#state = { name: 'closed' };
  }
}
