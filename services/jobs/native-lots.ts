import type { AttemptHold } from '#contracts/budget';
import type { DispatchHeader } from '#contracts/dispatch';
import type { NativeBatchId, ProviderKeyId, WorkItemId } from '#contracts/ids';
import type { ProviderId } from '#contracts/vocabulary';
import type { BudgetGate, BudgetHold } from '#domain/budget-gate';
import { FloError } from '#domain/errors';
import type { IdMint } from '#domain/mint-id';
import { planTimes, providerHours } from '#domain/native-batch';
import type { Clock, Logger, ProviderCredentials, TenantDirectory } from '#domain/ports';
import { planRequest } from '#domain/route-plan';
import type { PayloadSeal } from '#domain/work-ports';
import type { NativeBacklog, NativeLot, WaitingLine } from '#postgres/native-backlog';
import type { NativeBatch, NativeLineClaim } from '#postgres/native-batch-rows';
import type { NativeBatchStore } from '#postgres/native-batches';
import type { NativeBatchProvider } from '#providers/native-batch';
import { nativeBatchOf } from '#providers/native-batch-registry';
import type { Provider, UpstreamCall } from '#providers/provider';
import { providerFor } from '#providers/registry';
import { faultPoint } from '#runtime/fault-point';
import { translateFor } from '#runtime/translation';
import { dispatchOf, type Planned } from './dispatch-of.ts';

export type NativeLotDeps = {
  backlog: NativeBacklog;
  store: Pick<NativeBatchStore, 'begin'>;
  directory: Pick<TenantDirectory, 'loadRouting'>;
  credentials: ProviderCredentials;
  budgets: BudgetGate;
  seal: PayloadSeal;
  isListed: (provider: ProviderId, model: string) => boolean;
  clock: Clock;
  mint: IdMint;
  /** In [0, 1). */
  random: () => number;
  logger: Logger;
};

/** What one batch of ours holds at most, whatever a provider takes: it is in memory while it is sent. */
const BATCH_BYTES_MAX = 32 * 1024 * 1024;
const BATCH_LINES_MAX = 10_000;
const PAGE = { lines: 200, bytes: 8 * 1024 * 1024 };
/** A budget holds what a line may cost until its event can have come. */
const HOLD_SLACK_MS = 3_600_000;

/** Where the lines of one batch go, and what they share. */
type Target = {
  planned: Planned;
  provider: Provider;
  driver: NativeBatchProvider;
  providerKeyId: ProviderKeyId;
  model: string;
};

/** Without the line itself: it is made again when it is sent. */
type Taken = NativeLineClaim & {
  hold: BudgetHold;
  call: Pick<UpstreamCall, 'path' | 'headers'>;
  bytes: number;
};

/** What a batch's lines have to have in common. */
const kindOf = ({ path, headers }: Taken['call']): string =>
  JSON.stringify([path, Object.entries(headers).toSorted(([a], [b]) => (a < b ? -1 : 1))]);

/** A line's request as its provider gets it, and as its batch takes it. */
export const encodeNativeLine = (
  driver: NativeBatchProvider,
  provider: Provider,
  { header, body, model }: { header: DispatchHeader; body: Uint8Array; model: string },
): { call: UpstreamCall; line: Uint8Array } => {
  const { call } = translateFor(header, body, { provider, model });
  const customId = header.workItem?.id ?? '';
  return { call, line: driver.encodeLine({ customId, call }) };
};

/**
 * Puts lines that wait for their provider's batch API together to batches: those of one batch of flo2's, for
 * one model under one key, as many as fit. What cannot go that way is left to the queue.
 */
export class NativeLots {
  readonly #deps: NativeLotDeps;
  /** What batches that were not asked for yet hold of budgets. */
  readonly #holds = new Map<NativeBatchId, BudgetHold[]>();

  constructor(deps: NativeLotDeps) {
    this.#deps = deps;
  }

  /** Makes one batch of a lot's lines, as it is stored; null where none of them could go. */
  async form(lot: NativeLot): Promise<NativeBatch | null> {
    const { backlog, store, clock } = this.#deps;
    const target = await this.#targetOf(lot);
    if (target === null) {
      await backlog.leaveLotToQueue(lot);
      return null;
    }
    const taken: Taken[] = [];
    let batch: NativeBatch;
    let won: ReadonlySet<WorkItemId>;
    try {
      await this.#take(lot, target, taken);
      const [first] = taken;
      if (first === undefined) return null;
      batch = this.#batchOf(lot, target, first, clock.nowMs());
      won = await store.begin(batch, taken);
    } catch (error) {
      for (const { hold } of taken) hold.end(0);
      throw error;
    }
    faultPoint('jobs.native_claimed');
    for (const { id, hold } of taken) if (!won.has(id)) hold.end(0);
    if (won.size === 0) return null;
    const holds = taken.filter(({ id }) => won.has(id)).map(({ hold }) => hold);
    this.#holds.set(
      batch.id,
      holds.filter((hold) => hold.holds.length > 0),
    );
    return { ...batch, lines: won.size };
  }

  /** `calls`: 1 once the provider is asked, so that only events give back what is held; 0 where it never is. */
  endHolds(id: NativeBatchId, calls: 0 | 1): void {
    for (const hold of this.#holds.get(id) ?? []) hold.end(calls);
    this.#holds.delete(id);
  }

  async #targetOf({ tenantId, requestedModel }: NativeLot): Promise<Target | null> {
    const { directory, credentials, isListed, random } = this.#deps;
    const routing = await directory.loadRouting(tenantId);
    let planned: Planned;
    try {
      planned = planRequest({
        model: requestedModel,
        routing,
        // What the key may use was decided when the work was taken on.
        apiKey: { models: null },
        isListed,
        random,
      });
    } catch (error) {
      if (error instanceof FloError) return null;
      throw error;
    }
    const [step] = planned.plan.steps;
    const providerKeyId = step?.providerKeyIds[0];
    const driver = step === undefined ? null : nativeBatchOf(step.provider);
    if (step === undefined || providerKeyId === undefined || driver === null) return null;
    const credential = await credentials.open(tenantId, providerKeyId);
    if (credential === null) return null;
    const { provider, model } = step;
    return {
      planned: {
        route: planned.route,
        plan: {
          steps: [{ provider, model, providerKeyIds: [providerKeyId] }],
          maxAttempts: 1,
          attemptTimeoutMs: planned.plan.attemptTimeoutMs,
        },
      },
      provider: providerFor(credential),
      driver,
      providerKeyId,
      model,
    };
  }

  /** Adds as many lines as fit in one batch. */
  async #take(lot: NativeLot, target: Target, taken: Taken[]): Promise<void> {
    const { backlog } = this.#deps;
    const { limits } = target.driver;
    const linesMax = Math.min(limits.lines, BATCH_LINES_MAX);
    const bytesMax = Math.min(limits.bytes, BATCH_BYTES_MAX);
    let bytes = 0;
    for (let after = 0; taken.length < linesMax;) {
      const page = await backlog.lines(lot, after, PAGE);
      const last = page.at(-1);
      if (last === undefined) return;
      after = last.lineNumber;
      for (const waiting of page) {
        if (taken.length === linesMax) return;
        const line = await this.#takeLine(waiting, target);
        if (line === null) continue;
        const [first] = taken;
        const differs = first !== undefined && kindOf(first.call) !== kindOf(line.call);
        const isFull = bytes + line.bytes > bytesMax;
        if (!differs && !isFull) {
          bytes += line.bytes;
          taken.push(line);
          continue;
        }
        // It stays for the next batch; alone it has to fit one, or it goes to the queue.
        line.hold.end(0);
        if (line.bytes > bytesMax) await backlog.leaveToQueue([line.id]);
        else if (isFull) return;
      }
    }
  }

  /** Null for one that cannot go this way: the queue says what is wrong with it, or has another way. */
  async #takeLine({ item, body }: WaitingLine, target: Target): Promise<Taken | null> {
    const { seal, backlog, clock, mint, logger } = this.#deps;
    const { planned, driver, provider, model, providerKeyId } = target;
    let hold: BudgetHold | null = null;
    try {
      hold = await this.#hold(item, target);
      const header = this.#headerOf(item, planned, hold.holds);
      const place = { tenantId: item.tenantId, kind: 'work request', id: item.id, part: 0 } as const;
      const opened = await seal.open(place, body);
      const { call, line } = encodeNativeLine(driver, provider, { header, body: opened, model });
      if (!driver.takes(call.path)) {
        throw new FloError('invalid_request', 'The batch API does not take this kind of request.');
      }
      const claim = {
        attemptId: mint.mint('att'),
        step: 0,
        provider: provider.id,
        model,
        providerKeyId,
        route: planned.route,
        claimedAtMs: clock.nowMs(),
      };
      const attemptNumber = item.attempts + 1;
      const { path, headers } = call;
      const bytes = line.length + 1;
      return { id: item.id, attemptNumber, claim, header, hold, call: { path, headers }, bytes };
    } catch (error) {
      hold?.end(0);
      const code = error instanceof FloError ? error.code : 'internal';
      logger.info({ workItemId: item.id, code }, 'a line is left to the queue');
      await backlog.leaveToQueue([item.id]);
      return null;
    }
  }

  #headerOf(item: WaitingLine['item'], planned: Planned, holds: AttemptHold[]): DispatchHeader {
    return dispatchOf(item, planned, { holds, reservation: null });
  }

  #hold(item: WaitingLine['item'], { planned }: Target): Promise<BudgetHold> {
    return this.#deps.budgets.hold({
      tenantId: item.tenantId,
      apiKeyId: item.apiKeyId,
      attribution: item.options.attribution,
      operation: item.options.operation,
      plan: planned.plan,
      inputTokens: item.estimatedInputTokens,
      maxOutputTokens: item.options.maxOutputTokens,
      answers: item.options.answers,
      admittedAtMs: this.#deps.clock.nowMs(),
      deadlineAtMs: item.deadlineAtMs + HOLD_SLACK_MS,
    });
  }

  #batchOf(lot: NativeLot, target: Target, first: Taken, nowMs: number): NativeBatch {
    const times = planTimes({ nowMs, deadlineAtMs: first.header.deadlineAtMs });
    return {
      id: this.#deps.mint.mint('nbat'),
      tenantId: lot.tenantId,
      batchId: lot.batchId,
      provider: target.provider.id,
      providerKeyId: target.providerKeyId,
      model: target.model,
      path: first.call.path,
      headers: first.call.headers,
      lines: 0,
      windowHours: providerHours(target.driver.windowHours, { nowMs, ...times }),
      state: 'creating',
      mayExist: false,
      askedAtMs: null,
      refusals: 0,
      failures: 0,
      isAbandoned: false,
      cancelledAtMs: null,
      createdAtMs: nowMs,
      ...times,
      reference: null,
      observed: null,
      lastError: null,
      endedAtMs: null,
    };
  }
}
