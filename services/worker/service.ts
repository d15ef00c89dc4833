import type { NatsConnection } from '@nats-io/transport-node';
import { DELIVERIES_TRIED_MAX } from '#contracts/subjects';
import type { Lane, ProviderId } from '#contracts/vocabulary';
import { FloError } from '#domain/errors';
import { BatchPace } from '#domain/batch-pace';
import type { IdMint } from '#domain/mint-id';
import type { Clock, ConfigurationChanges, Logger, ProviderCredentials } from '#domain/ports';
import type { PayloadSeal, WorkClaims } from '#domain/work-ports';
import { createUpstreamClient } from '#http/upstream-client';
import { createAttemptEventPublisher } from '#nats/attempt-event-publisher';
import { createDispatchPublisher, type ReceivedDispatch } from '#nats/dispatch-queue';
import { openLimiterOwnerLine } from '#nats/limiter-line';
import { createPayloadStore } from '#nats/payload-store';
import { createWorkResultPublisher } from '#nats/work-results';
import { openWorkerLine } from '#nats/worker-line';
import { faultPoint } from '#runtime/fault-point';
import { watchLoopDelay } from '#runtime/loop-delay';
import type { OpenedRateLimiter } from '#runtime/rate-limiter';
import { abortError } from './attempt-limits.ts';
import type { RequestOwner } from './attempt-ports.ts';
import { BucketOwner } from './bucket-owner.ts';
import { burialLoop } from './burial-loop.ts';
import { ClaimBatcher } from './claim-batcher.ts';
import { cacheCredentials } from './credential-cache.ts';
import { DispatchRun, type DispatchRunDeps } from './dispatch-run.ts';
import { endWithoutCall } from './end-without-call.ts';
import { interactiveOwner } from './interactive-owner.ts';
import { readLanes, type Reception } from './lanes.ts';
import { redeem } from './redeem.ts';
import { RequestsInHand } from './requests-in-hand.ts';
import { startWorkBeat } from './work-beat.ts';
import { claimWork } from './work-owner.ts';

export type WorkerDeps = {
  connection: NatsConnection;
  credentials: ProviderCredentials;
  configurationChanges: ConfigurationChanges;
  /** Whose subjects it reads. */
  providers: readonly ProviderId[];
  workClaims: WorkClaims;
  payloadSeal: PayloadSeal;
  /** Calls at once, for each provider and lane. */
  concurrency: Readonly<Record<Lane, number>>;
  allowPrivateUpstreams: boolean;
  timeouts: { connectMs: number; firstByteMs: number; idleMs: number };
  /** How long a stop lets calls finish. */
  drainMs: number;
  rateLimiter: OpenedRateLimiter;
  clock: Clock;
  mint: IdMint;
  logger: Logger;
};

export type Worker = {
  name: 'worker';
  start: () => Promise<void>;
  /** Takes nothing new, lets calls finish for `drainMs`, then ends them; resolves with every event stored. */
  stop: () => Promise<void>;
  ready: () => boolean;
};

const PACED_EVERY_MS = 50;
/** So that what the pace brings is begun as it comes, not together. */
const WAKE_EVERY_MS = 10;

type Refusal = { error: FloError; dispose?: () => Promise<void> };

/** Why a message is not worked on any more; null where it is. */
const refusalOf = (received: ReceivedDispatch, nowMs: number): Refusal | null => {
  if (nowMs >= received.dispatch.header.deadlineAtMs) return { error: abortError('deadline_in_queue') };
  // A work item's message comes again while the store takes no claim; the claim that was won is the first try.
  if (received.dispatch.header.workItem) return null;
  if (received.deliveries <= DELIVERIES_TRIED_MAX) return null;
  const explanation = `No worker came to an end with it in ${received.deliveries - 1} deliveries.`;
  return {
    error: new FloError('internal', 'flo2 could not work on this request; it is kept as a dead letter.'),
    dispose: () => received.bury({ reason: 'exhausted', explanation }),
  };
};

export const createWorker = (deps: WorkerDeps): Worker => {
  const { connection, clock, mint, logger, configurationChanges } = deps;
  const workerId = mint.mint('wrk');
  const { limiter, workers, fleet } = deps.rateLimiter;
  const requests = new RequestsInHand(workerId);
  const buckets = new BucketOwner({ workerId, workers, fleet, clock });
  const stopping = new AbortController();
  const reachable = new Map<string, boolean>();
  let finish: (() => Promise<void>) | null = null;

  const handleWith =
    (run: DispatchRunDeps, receive: Reception) =>
    async (received: ReceivedDispatch): Promise<void> => {
      faultPoint('worker.fetched');
      const { header } = received.dispatch;
      const { requestId, ingressId, deadlineAtMs } = header;
      const step = header.plan.steps[header.step];
      if (step === undefined) return received.done();
      const request = requests.take(requestId, header.step, ingressId);
      if (request === null) return;
      let owner: RequestOwner | null = null;
      try {
        owner = await receive(received, step);
        if (owner === null) return;
        const refusal = refusalOf(received, clock.nowMs());
        if (refusal !== null) {
          logger.warn({ requestId, code: refusal.error.code }, 'a request was ended before a call');
          if (header.reservation) limiter.release(header.reservation);
          return await endWithoutCall(received, owner, refusal.error, refusal.dispose);
        }
        request.abort.startDeadline(deadlineAtMs - clock.nowMs());
        await new DispatchRun(run, received, step, request, owner).run();
        await owner.close(request.abort.signal.reason);
      } catch (error) {
        logger.error({ requestId, err: error }, 'a request failed inside the worker');
        await owner?.close(error);
      } finally {
        requests.drop(request);
      }
    };

  return {
    name: 'worker',
    start: async () => {
      const upstream = createUpstreamClient({
        allowPrivate: deps.allowPrivateUpstreams,
        connectTimeoutMs: deps.timeouts.connectMs,
      });
      const events = createAttemptEventPublisher(connection, logger);
      const line = openWorkerLine(
        connection,
        workerId,
        (control) => requests.control(control),
        (subject) => logger.warn({ subject }, 'a message could not be read'),
      );
      requests.start(line);
      const ownerLine = openLimiterOwnerLine(connection, workerId, {
        onAsk: (ask) => buckets.ask(ask),
        onReport: (report) => buckets.report(report),
        onGone: (clientId, notices) => buckets.forgetClient(clientId, notices),
        onUnreadable: (subject) => logger.warn({ subject }, 'a message could not be read'),
      });
      buckets.start(ownerLine);
      const run: DispatchRunDeps = {
        credentials: cacheCredentials(deps.credentials, configurationChanges, clock),
        upstream,
        timeouts: deps.timeouts,
        events,
        queue: createDispatchPublisher(connection),
        limiter,
        clock,
        random: Math.random,
        logger,
      };
      const payloads = createPayloadStore(connection);
      const results = createWorkResultPublisher(connection, payloads, logger);
      const claims = new ClaimBatcher({ claims: deps.workClaims, workerId, logger, signal: stopping.signal });
      const work = {
        claims,
        results,
        limiter,
        seal: deps.payloadSeal,
        clock,
        mint,
        random: Math.random,
        logger,
      };
      const beat = startWorkBeat(deps.workClaims, workerId, requests, logger);
      const pace = new BatchPace();
      const interactive = handleWith(run, async (received, step) => {
        pace.noteInteractive(clock.nowMs());
        const { ingressId } = received.dispatch.header;
        if (ingressId !== null) {
          const body = await redeem(received.dispatch, payloads);
          const isWhole = !(body instanceof FloError);
          const dispatch = { ...received.dispatch, body: isWhole ? body : new Uint8Array() };
          const owner = interactiveOwner({ line, workerId, mint }, ingressId, dispatch, step);
          if (isWhole) return owner;
          await endWithoutCall(received, owner, body);
          return null;
        }
        received.done();
        return null;
      });
      const queued = handleWith(run, (received, step) => claimWork(work, received, step));
      const lanes = await readLanes({
        connection,
        providers: deps.providers,
        concurrency: deps.concurrency,
        batchPace: {
          allowance: () => pace.allowance(clock.nowMs()),
          begin: (count) => pace.begin(count),
          giveBack: (count) => pace.giveBack(count),
        },
        handle: (received, lane) => (lane === 'interactive' ? interactive(received) : queued(received)),
        signal: stopping.signal,
        logger,
        onReachable: (source, now) => void reachable.set(source, now),
      });
      const endPacing = watchLoopDelay(PACED_EVERY_MS, ({ lateMs }) => {
        pace.observe({ lateMs, nowMs: clock.nowMs() });
      });
      const waking = setInterval(lanes.wake, WAKE_EVERY_MS);
      const loops = [...lanes.loops, burialLoop({ connection, signal: stopping.signal, logger })];
      finish = async () => {
        stopping.abort();
        // First, so that whoever waits for room here has another owner while the calls in hand end.
        await ownerLine.leave();
        buckets.stop();
        const abortAll = setTimeout(() => requests.abortAll(), deps.drainMs);
        await requests.empty();
        await Promise.all(loops);
        await requests.empty();
        clearTimeout(abortAll);
        endPacing();
        clearInterval(waking);
        requests.stop();
        await Promise.all([events.flushed(), results.flushed()]);
        await beat.stop();
        await line.close();
        await upstream.close();
      };
    },
    stop: async () => {
      reachable.clear();
      await finish?.();
      finish = null;
    },
    ready: () => reachable.size > 0 && [...reachable.values()].every(Boolean),
  };
};
