import type { PlanStep } from '#contracts/dispatch';
import { LANES, type Lane, type ProviderId } from '#contracts/vocabulary';
import type { Logger } from '#domain/ports';
import { openDispatchSource, type ReceivedDispatch } from '#nats/dispatch-queue';
import type { NatsConnection } from '@nats-io/transport-node';
import type { RequestOwner } from './attempt-ports.ts';
import { pull } from './pull-loop.ts';
import { Slots, type Pace } from './slots.ts';

/** Two, so that one waits for work while the other hands out what came. */
const PULLS = 2;

/** Who owns a dispatch of the lane; null where there is nothing to do for it. */
export type Reception = (received: ReceivedDispatch, step: PlanStep) => Promise<RequestOwner | null>;

export type LanesOptions = {
  connection: NatsConnection;
  providers: readonly ProviderId[];
  /** Calls at once, for each provider. Lanes have slots of their own: none waits for another's. */
  concurrency: Readonly<Record<Lane, number>>;
  /** What holds the lines of batches back, for each provider. */
  batchPace: Pace;
  /** Resolves when the dispatch needs its slot no more. Never rejects. */
  handle: (received: ReceivedDispatch, lane: Lane) => Promise<void>;
  signal: AbortSignal;
  logger: Logger;
  /** Told for each source of work whether it can be read. */
  onReachable: (source: string, reachable: boolean) => void;
};

export type ReadLanes = {
  /** They end after the signal. */
  loops: Promise<void>[];
  /** The pace may allow more. */
  wake: () => void;
};

/** Reads every lane of every provider. */
export const readLanes = async (options: LanesOptions): Promise<ReadLanes> => {
  const { connection, concurrency, handle, signal, logger } = options;
  const loops: Promise<void>[] = [];
  const paced: Slots[] = [];
  for (const provider of options.providers) {
    for (const lane of LANES) {
      const slots = new Slots(concurrency[lane], lane === 'batch' ? options.batchPace : null);
      if (lane === 'batch') paced.push(slots);
      const source = await openDispatchSource({
        connection,
        lane,
        provider,
        onUnreadable: (reason) => logger.error({ provider, lane, reason }, 'a queued message was unreadable'),
      });
      for (let loop = 0; loop < PULLS; loop += 1) {
        const onReachable = (now: boolean): void => options.onReachable(`${provider}.${lane}.${loop}`, now);
        onReachable(true);
        const take = (received: ReceivedDispatch): Promise<void> => handle(received, lane);
        loops.push(pull({ source, slots, handle: take, signal, logger, onReachable }));
      }
    }
  }
  return {
    loops,
    wake: () => {
      for (const slots of paced) slots.wake();
    },
  };
};
