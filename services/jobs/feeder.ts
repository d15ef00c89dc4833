/**
 * Gives work to the queue: little more than the workers take at once, in the order of a fair share, so that
 * whoever comes waits for one window and not for all that was there before.
 *
 * Postgres holds the backlog; what was given and is not yet claimed is known in memory alone. A feeder that
 * dies is followed by one that gives the same again: the claims let only one of both be worked on.
 *
 * Long because reading ahead, giving and review go on over the same maps of what is asked for, given and held; whose
 * turn it is, is `provider-queue`.
 */
import type { Reservation } from '#contracts/reservation';
import type { ProviderId } from '#contracts/vocabulary';
import type { WorkItemId } from '#contracts/ids';
import type { BudgetGate, BudgetHold } from '#domain/budget-gate';
import { FloError } from '#domain/errors';
import type { Clock, Logger, RateLimiter, TenantDirectory } from '#domain/ports';
import { planRequest } from '#domain/route-plan';
import type { TenantRouting } from '#domain/tenant-routing';
import { costAndSpeedOf, type TargetKnowledge } from '#domain/target-knowledge';
import { isTerminal } from '#domain/work-item';
import type { QueuedLane, WorkFlow } from '#domain/work-ports';
import type { DispatchPublisher } from '#nats/dispatch-queue';
import type { QueueDepths } from '#nats/queue-depth';
import type { AdmittedItem, Standing, WorkBacklog } from '#postgres/work-backlog';
import { dispatchOf, type Planned } from './dispatch-of.ts';
import { ProviderQueue, type Waiting } from './provider-queue.ts';

export type FeederDeps = TargetKnowledge & {
  backlog: WorkBacklog;
  directory: Pick<TenantDirectory, 'loadRouting'>;
  depths: QueueDepths;
  queue: DispatchPublisher;
  budgets: BudgetGate;
  limiter: RateLimiter;
  isListed: (provider: ProviderId, model: string) => boolean;
  clock: Clock;
  /** In [0, 1). */
  random: () => number;
  logger: Logger;
};

const LANES: readonly QueuedLane[] = ['async', 'batch'];
const FLOWS_MAX = 5_000;
/** Items of one flow read ahead, or waiting for room: none runs dry within a turn, and none piles up. */
const AHEAD_MAX = 512;
const AHEAD_MIN = 4;
/** What asks for room longer than this waits for its key; what asks since just now is as good as given. */
const ASKING_SHORT_MS = 200;
/** A flow of which so many items wait for their key gets no other turn: what is granted goes out at once. */
const ASKING_LONG_MAX = 16;
/** What asks for room so long waits for its key, and is told so. */
const ASKING_LONG_MS = 2_000;
/** What is in memory is bounded by this, whatever the number of flows. */
const AHEAD_TOTAL_MAX = 50_000;
/** A flow that cannot be served now (no key, no budget) is looked at again after this. */
const PARK_MS = 5_000;
const PARK_MAX_MS = 60_000;
/** Given, and neither claimed nor in the queue any more: the queue has lost it. */
const LOST_AFTER_MS = 20_000;
/** What targets are compared by where no item's own are known. */
const TYPICAL_TOKENS = { inputTokens: 1_000, outputTokens: 256 };
/** A budget's hold ends a while after the longest attempt, not with the item's deadline a day from now. */
const HOLD_MS = 15 * 60_000;

type Given = { lane: QueuedLane; provider: ProviderId; round: number; atMs: number };
/** An item's room is asked for, and not there yet. */
type Asking = { queue: ProviderQueue; name: string; flow: WorkFlow; sinceMs: number };
/** Why a flow waits. */
type Trouble = { flow: WorkFlow; code: string; message: string; untilMs: number };
type Held = { hold: BudgetHold; calls: number; rounds: number; untilMs: number };

/** Attempts of an item that leave an event, or may: those of a lost worker are counted among them. */
const callsOf = ({ attempts, uncalled }: Pick<Standing, 'attempts' | 'uncalled'>): number =>
  attempts - uncalled;

const nameOf = (flow: WorkFlow): string =>
  JSON.stringify([flow.lane, flow.tenantId, flow.requestedModel, flow.team, flow.feature]);

export class Feeder {
  readonly #deps: FeederDeps;
  readonly #queues = new Map<string, ProviderQueue>();
  /** Given to the queue and not known to be claimed. */
  readonly #given = new Map<WorkItemId, Given>();
  readonly #held = new Map<WorkItemId, Held>();
  readonly #asking = new Map<WorkItemId, Asking>();
  readonly #closing = new AbortController();
  readonly #parked = new Map<string, Trouble>();
  /** Tenants' weights as they were last read. */
  readonly #weights = new Map<string, (path: readonly string[]) => number>();

  constructor(deps: FeederDeps) {
    this.#deps = deps;
  }

  /** Asks for no more room; what has been given stays given. */
  close(): void {
    this.#closing.abort(new FloError('unavailable', 'The feeder was stopped.'));
  }

  /** Why a tenant's work waits for more than its turn; null where it does not. */
  waitingReason(tenantId: string): object | null {
    for (const { flow, code, message, untilMs } of this.#parked.values()) {
      if (flow.tenantId !== tenantId) continue;
      return { model: flow.requestedModel, code, message, until: new Date(untilMs).toISOString() };
    }
    const nowMs = performance.now();
    for (const { flow, sinceMs } of this.#asking.values()) {
      if (flow.tenantId !== tenantId || nowMs - sinceMs < ASKING_LONG_MS) continue;
      const message = 'The rate limits of the provider keys that serve the model leave no room now.';
      return { model: flow.requestedModel, code: 'rate_limited', message, until: null };
    }
    return null;
  }

  /** Whether anything waits for room: it may be there at any moment. */
  get isAsking(): boolean {
    return this.#asking.size > 0;
  }

  /** One turn; resolves to how many items' turn it was. Rejects where a store cannot be reached. */
  async turn(): Promise<number> {
    let served = 0;
    for (const lane of LANES) {
      await this.#readAhead(lane);
      for (const queue of this.#queues.values()) {
        if (queue.lane === lane && queue.size > 0) served += await this.#serve(queue);
      }
    }
    return served;
  }

  async #readAhead(lane: QueuedLane): Promise<void> {
    const blocked = this.#blocked();
    const flows = await this.#deps.backlog.flows(lane, FLOWS_MAX);
    const ahead = Math.max(
      AHEAD_MIN,
      Math.min(AHEAD_MAX, Math.floor(AHEAD_TOTAL_MAX / Math.max(1, flows.length))),
    );
    const nowMs = this.#deps.clock.nowMs();
    for (const [name, { untilMs }] of this.#parked) if (untilMs <= nowMs) this.#parked.delete(name);
    const weightOf = ({ tenantId }: WorkFlow): number => this.#weights.get(tenantId)?.([tenantId]) ?? 1;
    const heaviest = Math.max(...flows.map(weightOf));
    for (const flow of flows) {
      const name = nameOf(flow);
      if (this.#parked.has(name)) continue;
      const planned = await this.#plan(flow, nowMs);
      const provider = planned?.plan.steps[0]?.provider;
      if (provider === undefined) {
        const message = 'No provider key of this tenant serves the model now.';
        this.#parked.set(name, { flow, code: 'model_not_found', message, untilMs: nowMs + PARK_MS });
        continue;
      }
      const queue = this.#queueOf(lane, provider);
      const waiting = queue.waitingOf(name);
      if (blocked.has(name)) {
        queue.drop(flow, name);
        continue;
      }
      const asking = this.#askingOf(name);
      // Where workers take all that is read, it is what is read that they share.
      const own = Math.max(AHEAD_MIN, Math.floor((ahead * weightOf(flow)) / heaviest));
      if ((waiting.size + asking) * 2 >= own) continue;
      const limit = own + waiting.size + asking + this.#givenOf(name);
      for (const item of await this.#deps.backlog.waiting(flow, limit)) {
        const known = this.#given.get(item.id);
        if (waiting.has(item.id) || this.#asking.has(item.id)) continue;
        if (known?.round === item.rounds + 1) continue;
        queue.add({ id: item.id, flow, name }, item.estimatedTokens);
      }
    }
  }

  /** Flows that wait for their keys, not for their turn. */
  #blocked(): ReadonlySet<string> {
    const nowMs = performance.now();
    const long = new Map<string, number>();
    for (const { name, sinceMs } of this.#asking.values()) {
      if (nowMs - sinceMs >= ASKING_SHORT_MS) long.set(name, (long.get(name) ?? 0) + 1);
    }
    return new Set([...long].filter(([, count]) => count >= ASKING_LONG_MAX).map(([name]) => name));
  }

  #askingOf(name: string): number {
    let count = 0;
    for (const asking of this.#asking.values()) if (asking.name === name) count += 1;
    return count;
  }

  #givenOf(name: string): number {
    let count = 0;
    for (const queue of this.#queues.values()) count += queue.givenOf(name);
    return count;
  }

  /** Null where the flow cannot be served now; that is told by its items' waiting. */
  async #plan(
    flow: Pick<WorkFlow, 'tenantId' | 'requestedModel'>,
    nowMs: number,
    tokens = TYPICAL_TOKENS,
  ): Promise<(Planned & { routing: TenantRouting }) | null> {
    const routing = await this.#deps.directory.loadRouting(flow.tenantId);
    this.#weights.set(flow.tenantId, ([, team, feature]) => {
      if (team === undefined) return routing.weight;
      return (feature === undefined ? routing.shares.teams[team] : routing.shares.features[feature]) ?? 1;
    });
    try {
      const planned = planRequest({
        model: flow.requestedModel,
        routing,
        // What the key may use was decided when the work was taken on.
        apiKey: { models: null },
        isListed: this.#deps.isListed,
        random: this.#deps.random,
        facts: {
          ...costAndSpeedOf(this.#deps, { tenantId: flow.tenantId, tokens, nowMs }),
          random: this.#deps.random,
        },
      });
      return { ...planned, routing };
    } catch (error) {
      if (!(error instanceof FloError)) throw error;
      this.#deps.logger.warn(
        { tenantId: flow.tenantId, code: error.code, nowMs },
        'work has nowhere to go now',
      );
      return null;
    }
  }

  #queueOf(lane: QueuedLane, provider: ProviderId): ProviderQueue {
    const name = `${lane}.${provider}`;
    const known = this.#queues.get(name);
    if (known !== undefined) return known;
    const queue = new ProviderQueue(lane, provider, (path) => this.#weights.get(path[0] ?? '')?.(path) ?? 1);
    this.#queues.set(name, queue);
    return queue;
  }

  async #serve(queue: ProviderQueue): Promise<number> {
    const { lane, provider } = queue;
    const depth = await this.#deps.depths.of(lane, provider);
    const sinceMs = performance.now();
    let onTheirWay = 0;
    for (const asking of this.#asking.values()) {
      if (asking.queue === queue && sinceMs - asking.sinceMs < ASKING_SHORT_MS) onTheirWay += 1;
    }
    const chosen = queue.take(depth.waiting * queue.together + onTheirWay);
    if (chosen.length === 0) return 0;
    const byId = new Map(chosen.map((waiting) => [waiting.id, waiting]));
    for (const item of await this.#deps.backlog.load([...byId.keys()])) {
      const waiting = byId.get(item.id);
      if (waiting === undefined) continue;
      this.#asking.set(item.id, { queue, name: waiting.name, flow: waiting.flow, sinceMs });
      void this.#give(queue, item, waiting).finally(() => this.#asking.delete(item.id));
    }
    return chosen.length;
  }

  /** Waits for room and gives the item to the queue, or leaves it in the backlog. Never rejects. */
  async #give(queue: ProviderQueue, item: AdmittedItem, waiting: Waiting): Promise<void> {
    const { budgets, clock, limiter, logger, queue: dispatches } = this.#deps;
    let reservation: Reservation | null = null;
    let hold: BudgetHold | null = null;
    try {
      const planned = await this.#plan(waiting.flow, clock.nowMs(), {
        inputTokens: item.estimatedInputTokens,
        outputTokens: item.estimatedOutputTokens,
      });
      if (planned === null) return;
      reservation = await limiter.reserve({
        tenantId: item.tenantId,
        lane: item.lane,
        team: waiting.flow.team === '' ? null : waiting.flow.team,
        feature: waiting.flow.feature === '' ? null : waiting.flow.feature,
        routing: planned.routing,
        plan: planned.plan,
        inputTokens: item.estimatedInputTokens,
        outputTokens: item.estimatedOutputTokens,
        deadlineAtMs: item.deadlineAtMs,
        signal: this.#closing.signal,
      });
      const nowMs = clock.nowMs();
      const deadlineAtMs = Math.min(item.deadlineAtMs, nowMs + HOLD_MS);
      const held = this.#heldFor(item, nowMs);
      hold = held?.hold ?? null;
      hold ??= await budgets.hold({
        tenantId: item.tenantId,
        apiKeyId: item.apiKeyId,
        attribution: item.options.attribution,
        operation: item.options.operation,
        plan: planned.plan,
        inputTokens: item.estimatedInputTokens,
        maxOutputTokens: item.options.maxOutputTokens,
        answers: item.options.answers,
        admittedAtMs: nowMs,
        deadlineAtMs,
      });
      const header = dispatchOf(item, planned, { holds: hold.holds, reservation });
      await dispatches.publishTogether(header, queue.together);
      const { lane, provider } = queue;
      this.#given.set(item.id, { lane, provider, round: item.rounds + 1, atMs: performance.now() });
      queue.gave(waiting);
      if (hold.holds.length > 0 && held === null) {
        const { rounds } = item;
        this.#held.set(item.id, { hold, calls: callsOf(item), rounds, untilMs: deadlineAtMs });
      }
    } catch (error) {
      hold?.end(0);
      this.#held.delete(item.id);
      if (reservation !== null) limiter.release(reservation);
      if (this.#closing.signal.aborted) return;
      const code = error instanceof FloError ? error.code : 'internal';
      const retryAfterMs = error instanceof FloError ? error.retryAfterMs : undefined;
      const untilMs = clock.nowMs() + Math.min(retryAfterMs ?? PARK_MS, PARK_MAX_MS);
      const message = error instanceof FloError ? error.message : 'flo2 failed; it is tried again.';
      this.#parked.set(waiting.name, { flow: waiting.flow, code, message, untilMs });
      logger.warn({ workItemId: item.id, code }, 'work could not be given to the queue; it waits');
    }
  }

  /**
   * What an earlier dispatch of the same round holds: whichever of both is worked on, the same comes back with its
   * event. What an earlier round held is given back.
   */
  #heldFor(item: AdmittedItem, nowMs: number): Held | null {
    const held = this.#held.get(item.id);
    if (held === undefined) return null;
    if (held.rounds === item.rounds && nowMs < held.untilMs) return held;
    this.#held.delete(item.id);
    held.hold.end(Math.max(0, callsOf(item) - held.calls));
    return null;
  }

  /**
   * Compares what was given with where it stands: what was claimed is forgotten, what the queue has lost is
   * given again, and budgets get back what no call will use.
   */
  async review(): Promise<void> {
    const nowMs = performance.now();
    const ids = [...new Set([...this.#given.keys(), ...this.#held.keys()])];
    if (ids.length === 0) return;
    const standing = await this.#deps.backlog.standing(ids);
    const late = new Map<string, WorkItemId[]>();
    for (const [id, given] of this.#given) {
      const now = standing.get(id);
      const stillWaits = now?.state === 'queued' && now.rounds + 1 === given.round;
      if (!stillWaits) this.#forget(id, given);
      else if (nowMs - given.atMs > LOST_AFTER_MS) {
        const name = `${given.lane}.${given.provider}`;
        late.set(name, [...(late.get(name) ?? []), id]);
      }
    }
    for (const ofOne of late.values()) {
      const [first] = ofOne;
      const given = first === undefined ? undefined : this.#given.get(first);
      if (given === undefined) continue;
      const depth = await this.#deps.depths.of(given.lane, given.provider);
      if (depth.waiting > 0 || depth.taken > 0) continue;
      this.#deps.logger.warn(
        { count: ofOne.length, provider: given.provider },
        'the queue has lost work; it is given again',
      );
      for (const id of ofOne) this.#forget(id, given);
    }
    for (const [id, { hold, calls, rounds }] of this.#held) {
      const now = standing.get(id);
      if (now !== undefined && !isTerminal(now.state) && now.rounds === rounds) continue;
      hold.end(now === undefined ? 0 : Math.max(0, callsOf(now) - calls));
      this.#held.delete(id);
    }
  }

  #forget(id: WorkItemId, { lane, provider }: Given): void {
    this.#given.delete(id);
    this.#queueOf(lane, provider).claimed(id);
  }
}
