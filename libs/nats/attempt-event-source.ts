import { jetstream } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { EVENT_STREAM, METERING_CONSUMER } from '#contracts/subjects';
import type { AttemptEventSource, ReceivedEvent } from '#domain/ports';

/** The durable consumer that metering reads; `provisionStreams` made it. */
export const openAttemptEventSource = async (connection: NatsConnection): Promise<AttemptEventSource> => {
  const consumer = await jetstream(connection).consumers.get(EVENT_STREAM.name, METERING_CONSUMER);
  return {
    fetch: async ({ maxMessages, expiresMs }) => {
      const received: ReceivedEvent[] = [];
      const messages = await consumer.fetch({ max_messages: maxMessages, expires: expiresMs });
      for await (const message of messages) {
        received.push({
          bytes: message.data,
          streamSequence: BigInt(message.seq),
          deliveryCount: message.info.deliveryCount,
          ack: async () => {
            if (!(await message.ackAck())) throw new Error('the acknowledgement was not confirmed');
          },
          retryLater: () => message.nak(),
        });
        // A fetch ends only with its full number or its time; what is there now is enough.
        if (message.info.pending === 0) break;
      }
      return received;
    },
  };
};
