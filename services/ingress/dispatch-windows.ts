import type { DispatchHeader } from '#contracts/dispatch';
import type { RequestId } from '#contracts/ids';
import type { ProviderId } from '#contracts/vocabulary';
import { FairWindow, type WindowPlace } from '#domain/fair-window';
import type { Clock } from '#domain/ports';
import { flowOf } from '#domain/room-candidates';
import type { TenantRouting } from '#domain/tenant-routing';

/** This ingress's window into each provider's queue, and which of its requests are in one. */
export class DispatchWindows {
  readonly #clock: Clock;
  readonly #windows = new Map<ProviderId, FairWindow>();
  readonly #places = new Map<RequestId, WindowPlace>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Resolves when it is the request's turn to be published; rejects as `FairWindow.enter`. */
  async enter(
    header: DispatchHeader,
    request: {
      routing: TenantRouting;
      tokens: { inputTokens: number; outputTokens: number };
      signal: AbortSignal;
    },
  ): Promise<void> {
    const provider = header.plan.steps[header.step]?.provider;
    if (provider === undefined) return;
    const { team = null, feature = null } = header.attribution;
    const { routing, tokens, signal } = request;
    const place = await this.#windowOf(provider).enter({
      flow: [{ name: header.tenantId, weight: routing.weight }, ...flowOf({ team, feature }, routing.shares)],
      tokens: tokens.inputTokens + tokens.outputTokens,
      deadlineInMs: header.deadlineAtMs - this.#clock.nowMs(),
      signal,
    });
    this.#places.set(header.requestId, place);
  }

  #windowOf(provider: ProviderId): FairWindow {
    const known = this.#windows.get(provider);
    if (known !== undefined) return known;
    const window = new FairWindow(() => this.#clock.nowMs());
    this.#windows.set(provider, window);
    return window;
  }

  /** A worker has it. */
  taken(requestId: RequestId): void {
    this.#places.get(requestId)?.taken();
    this.#places.delete(requestId);
  }

  /** The request is over, whether or not it was published. */
  over(requestId: RequestId): void {
    this.#places.get(requestId)?.giveUp();
    this.#places.delete(requestId);
  }
}
