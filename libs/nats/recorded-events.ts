import { jetstreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { EVENT_STREAM, METERING_CONSUMER } from '#contracts/subjects';

/** NATS says that a message is not there in words alone. */
const NOT_FOUND = /no message found|not found/i;

export type RecordedEvents = {
  /**
   * A moment, in Unix milliseconds: every event that reached the stream before it has been recorded. Null
   * where that cannot be told now. Rejects when the stream cannot be reached.
   */
  recordedUpToMs: () => Promise<number | null>;
};

/** How far metering has come, by what it has acknowledged: it does so after its commit. */
export const openRecordedEvents = async (connection: NatsConnection): Promise<RecordedEvents> => {
  const manager = await jetstreamManager(connection);
  return {
    recordedUpToMs: async () => {
      // Before the question: what comes after it is not in the answer.
      const askedAtMs = Date.now();
      const info = await manager.consumers.info(EVENT_STREAM.name, METERING_CONSUMER);
      if (info.num_pending === 0 && info.num_ack_pending === 0) return askedAtMs;
      try {
        const seq = info.ack_floor.stream_seq + 1;
        const next = await manager.streams.getMessage(EVENT_STREAM.name, { seq });
        return next === null ? null : next.time.getTime();
      } catch (error) {
        // Dropped by its age, or never stored: the floor will move on.
        if (error instanceof Error && NOT_FOUND.test(error.message)) return null;
        throw error;
      }
    },
  };
};
