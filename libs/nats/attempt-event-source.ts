import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { EVENT_STREAM, METERING_CONSUMER } from '#contracts/subjects';
import type { AttemptEventSource } from '#domain/ports';
import { PullingSource } from './pulling-source.ts';

/** How far the ledger may be behind so that many events share a transaction. */
const LINGER_MAX_MS = 200;

/** The durable consumer that metering reads; `provisionStreams` made it. */
export const openAttemptEventSource = async (connection: NatsConnection): Promise<AttemptEventSource> => {
  const consumer = await jetstream(connection).consumers.get(EVENT_STREAM.name, METERING_CONSUMER);
  const manager = await jetstreamManager(connection);
  /** Asked for each pull: a stream that is made anew meanwhile is another one, and the consumer cannot tell. */
  const nameStream = async (): Promise<string> => {
    const { config, created } = await manager.streams.info(EVENT_STREAM.name);
    return `${config.name}@${created}`;
  };
  const source = new PullingSource(connection, consumer, nameStream, LINGER_MAX_MS);
  return {
    fetch: async (options) => {
      const { tag: stream, messages } = await source.fetch(options);
      return messages.map((message) => ({
        bytes: message.data,
        stream,
        streamSequence: BigInt(message.seq),
        deliveryCount: message.info.deliveryCount,
        ack: () => message.ack(),
        retryLater: () => message.nak(),
      }));
    },
    release: () => source.release(),
  };
};
