import { jetstreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { dispatchStreamName, workerConsumer } from '#contracts/subjects';
import type { Lane, ProviderId } from '#contracts/vocabulary';

/** Messages of a provider in a lane: those no worker has taken, and those taken and not acknowledged. */
export type QueueDepth = { waiting: number; taken: number };

export type QueueDepths = { of: (lane: Lane, provider: ProviderId) => Promise<QueueDepth> };

/** Rejects when the server cannot be asked. */
export const openQueueDepths = async (connection: NatsConnection): Promise<QueueDepths> => {
  const manager = await jetstreamManager(connection);
  return {
    of: async (lane, provider) => {
      const info = await manager.consumers.info(
        dispatchStreamName(lane),
        workerConsumer(lane, provider).name,
      );
      return { waiting: info.num_pending, taken: info.num_ack_pending };
    },
  };
};
