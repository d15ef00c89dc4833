import {
  AckPolicy,
  DeliverPolicy,
  DiscardPolicy,
  JetStreamApiError,
  jetstreamManager,
  RetentionPolicy,
  StorageType,
  type JetStreamManager,
} from '@nats-io/jetstream';
import { nanos, type NatsConnection } from '@nats-io/transport-node';
import {
  ADVISORY_STREAM,
  BURIAL_CONSUMER,
  DEAD_LETTER_STREAM,
  EVENT_STREAM,
  INTERACTIVE_STREAM,
  MESSAGE_BYTES_MAX,
  METERING_CONSUMER,
  workerConsumer,
} from '#contracts/subjects';
import { PROVIDER_IDS } from '#contracts/vocabulary';

const NOT_FOUND = 404;

type StreamSettings = Parameters<JetStreamManager['streams']['add']>[0];

const ensureStream = async (manager: JetStreamManager, settings: StreamSettings): Promise<void> => {
  try {
    await manager.streams.info(settings.name);
  } catch (error) {
    if (!(error instanceof JetStreamApiError) || error.status !== NOT_FOUND) throw error;
    await manager.streams.add(settings);
    return;
  }
  await manager.streams.update(settings.name, settings);
};

/**
 * Creates or updates every stream and consumer of the catalogue (`libs/contracts/subjects.ts`). May run
 * in several processes at once. Rejects when JetStream is off or cannot be reached.
 */
export const provisionStreams = async (connection: NatsConnection): Promise<void> => {
  const messageBytesMax = connection.info?.max_payload ?? 0;
  if (messageBytesMax < MESSAGE_BYTES_MAX) {
    throw new Error(
      `The NATS server takes messages of at most ${messageBytesMax} bytes; flo2 needs ${MESSAGE_BYTES_MAX}: set "max_payload: 8MB" in its configuration.`,
    );
  }
  const manager = await jetstreamManager(connection);
  await ensureStream(manager, {
    name: INTERACTIVE_STREAM.name,
    subjects: [...INTERACTIVE_STREAM.subjects],
    retention: RetentionPolicy.Workqueue,
    storage: StorageType.File,
    discard: DiscardPolicy.New,
    discard_new_per_subject: true,
    max_msgs_per_subject: INTERACTIVE_STREAM.messagesPerSubjectMax,
    max_age: nanos(INTERACTIVE_STREAM.maxAgeMs),
    duplicate_window: nanos(INTERACTIVE_STREAM.duplicateWindowMs),
  });
  await ensureStream(manager, {
    name: EVENT_STREAM.name,
    subjects: [...EVENT_STREAM.subjects],
    retention: RetentionPolicy.Limits,
    storage: StorageType.File,
    discard: DiscardPolicy.Old,
    max_age: nanos(EVENT_STREAM.maxAgeMs),
    duplicate_window: nanos(EVENT_STREAM.duplicateWindowMs),
  });
  await ensureStream(manager, {
    name: DEAD_LETTER_STREAM.name,
    subjects: [...DEAD_LETTER_STREAM.subjects],
    retention: RetentionPolicy.Limits,
    storage: StorageType.File,
    discard: DiscardPolicy.Old,
    max_age: nanos(DEAD_LETTER_STREAM.maxAgeMs),
    max_bytes: DEAD_LETTER_STREAM.bytesMax,
    duplicate_window: nanos(DEAD_LETTER_STREAM.duplicateWindowMs),
  });
  await ensureStream(manager, {
    name: ADVISORY_STREAM.name,
    subjects: [...ADVISORY_STREAM.subjects],
    retention: RetentionPolicy.Workqueue,
    storage: StorageType.File,
    discard: DiscardPolicy.Old,
    max_age: nanos(ADVISORY_STREAM.maxAgeMs),
    max_msgs: ADVISORY_STREAM.messagesMax,
  });
  await manager.consumers.add(ADVISORY_STREAM.name, {
    durable_name: BURIAL_CONSUMER,
    ack_policy: AckPolicy.Explicit,
    deliver_policy: DeliverPolicy.All,
    ack_wait: nanos(ADVISORY_STREAM.ackWaitMs),
  });
  for (const provider of PROVIDER_IDS) {
    const { name, filter } = workerConsumer('interactive', provider);
    await manager.consumers.add(INTERACTIVE_STREAM.name, {
      durable_name: name,
      filter_subject: filter,
      ack_policy: AckPolicy.Explicit,
      deliver_policy: DeliverPolicy.All,
      ack_wait: nanos(INTERACTIVE_STREAM.ackWaitMs),
      max_deliver: INTERACTIVE_STREAM.deliveriesMax,
      max_ack_pending: INTERACTIVE_STREAM.ackPendingMax,
    });
  }
  await manager.consumers.add(EVENT_STREAM.name, {
    durable_name: METERING_CONSUMER,
    ack_policy: AckPolicy.Explicit,
    deliver_policy: DeliverPolicy.All,
    ack_wait: nanos(EVENT_STREAM.ackWaitMs),
    max_ack_pending: EVENT_STREAM.ackPendingMax,
  });
};
