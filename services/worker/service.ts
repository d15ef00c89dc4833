import type { NatsConnection } from '@nats-io/transport-node';
import type { ProviderId } from '#contracts/vocabulary';
import type { IdMint } from '#domain/mint-id';
import type { Clock, ConfigurationChanges, Logger, ProviderCredentials } from '#domain/ports';
import { createUpstreamClient } from '#http/upstream-client';
import { createAttemptEventPublisher } from '#nats/attempt-event-publisher';
import { createDispatchPublisher, openDispatchSource, type ReceivedDispatch } from '#nats/dispatch-queue';
import { openWorkerLine, type WorkerLine } from '#nats/worker-line';
import { faultPoint } from '#runtime/fault-point';
import { cacheCredentials } from './credential-cache.ts';
import { DispatchRun, type DispatchRunDeps } from './dispatch-run.ts';
import { interactiveOwner } from './interactive-owner.ts';
import { pull, Slots } from './pull-loop.ts';
import { RequestsInHand } from './requests-in-hand.ts';

export type WorkerDeps = {
  connection: NatsConnection;
  credentials: ProviderCredentials;
  configurationChanges: ConfigurationChanges;
  /** Whose subjects it reads. */
  providers: readonly ProviderId[];
  /** Calls at once, for each provider. */
  concurrency: number;
  allowPrivateUpstreams: boolean;
  /** How long a stop lets calls finish. */
  drainMs: number;
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

/** Two, so that one waits for work while the other hands out what came. */
const PULLS_PER_PROVIDER = 2;

export const createWorker = (deps: WorkerDeps): Worker => {
  const { connection, clock, mint, logger, configurationChanges } = deps;
  const workerId = mint.mint('wrk');
  const requests = new RequestsInHand(workerId);
  const stopping = new AbortController();
  const reachable = new Map<string, boolean>();
  let finish: (() => Promise<void>) | null = null;

  const handleWith =
    (run: DispatchRunDeps, line: WorkerLine) =>
    async (received: ReceivedDispatch): Promise<void> => {
      faultPoint('worker.fetched');
      const { header } = received.dispatch;
      const { requestId, ingressId, deadlineAtMs } = header;
      const step = header.plan.steps[header.step];
      const waitsNoMore = clock.nowMs() >= deadlineAtMs;
      if (step === undefined || waitsNoMore) return received.done();
      const request = requests.take(requestId, header.step, ingressId);
      if (request === null) return;
      request.abort.startDeadline(deadlineAtMs - clock.nowMs());
      try {
        const owner = interactiveOwner(line, workerId, header, step);
        await new DispatchRun(run, received, step, request, owner).run();
      } catch (error) {
        logger.error({ requestId, err: error }, 'a request failed inside the worker');
      } finally {
        requests.drop(request);
      }
    };

  return {
    name: 'worker',
    start: async () => {
      const upstream = createUpstreamClient({ allowPrivate: deps.allowPrivateUpstreams });
      const events = createAttemptEventPublisher(connection, logger);
      const line = openWorkerLine(
        connection,
        workerId,
        (control) => requests.control(control),
        (subject) => logger.warn({ subject }, 'a message could not be read'),
      );
      requests.start(line);
      const run: DispatchRunDeps = {
        credentials: cacheCredentials(deps.credentials, configurationChanges, clock),
        upstream,
        events,
        queue: createDispatchPublisher(connection),
        clock,
        mint,
        random: Math.random,
        logger,
      };
      const handle = handleWith(run, line);
      const loops: Promise<void>[] = [];
      for (const provider of deps.providers) {
        const slots = new Slots(deps.concurrency);
        const source = await openDispatchSource({
          connection,
          lane: 'interactive',
          provider,
          onUnreadable: (reason) => logger.error({ provider, reason }, 'a queued message was unreadable'),
        });
        for (let loop = 0; loop < PULLS_PER_PROVIDER; loop += 1) {
          const onReachable = (now: boolean): void => void reachable.set(`${provider}.${loop}`, now);
          onReachable(true);
          loops.push(pull({ source, slots, handle, signal: stopping.signal, logger, onReachable }));
        }
      }
      finish = async () => {
        stopping.abort();
        const abortAll = setTimeout(() => requests.abortAll(), deps.drainMs);
        await requests.empty();
        await Promise.all(loops);
        await requests.empty();
        clearTimeout(abortAll);
        requests.stop();
        await events.flushed();
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
