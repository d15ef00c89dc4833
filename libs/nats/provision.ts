import {
  AckPolicy,
  DeliverPolicy,
  DiscardPolicy,
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
  QUEUED_STREAMS,
  RESULT_CONSUMER,
  RESULT_STREAM,
  workerConsumer,
} from '#contracts/subjects';
import { PROVIDER_IDS } from '#contracts/vocabulary';
import { ensureConsumer, ensureStream } from './ensure.ts';

type StreamSettings = Parameters<JetStreamManager['streams']['add']>[0];
type ConsumerSettings = { stream: string; durable_name: string } & Parameters<
  JetStreamManager['consumers']['add']
>[1];

const queued = Object.values(QUEUED_STREAMS);

const STREAMS: readonly StreamSettings[] = [
  {
    name: INTERACTIVE_STREAM.name,
    subjects: [...INTERACTIVE_STREAM.subjects],
    retention: RetentionPolicy.Workqueue,
    storage: StorageType.File,
    discard: DiscardPolicy.New,
    discard_new_per_subject: true,
    max_msgs_per_subject: INTERACTIVE_STREAM.messagesPerSubjectMax,
    max_age: nanos(INTERACTIVE_STREAM.maxAgeMs),
    duplicate_window: nanos(INTERACTIVE_STREAM.duplicateWindowMs),
  },
  ...queued.map((stream) => ({
    name: stream.name,
    subjects: [...stream.subjects],
    retention: RetentionPolicy.Workqueue,
    storage: StorageType.File,
    discard: DiscardPolicy.Old,
    max_age: nanos(stream.maxAgeMs),
    duplicate_window: nanos(stream.duplicateWindowMs),
  })),
  {
    name: RESULT_STREAM.name,
    subjects: [...RESULT_STREAM.subjects],
    retention: RetentionPolicy.Workqueue,
    storage: StorageType.File,
    discard: DiscardPolicy.Old,
    duplicate_window: nanos(RESULT_STREAM.duplicateWindowMs),
  },
  {
    name: EVENT_STREAM.name,
    subjects: [...EVENT_STREAM.subjects],
    retention: RetentionPolicy.Limits,
    storage: StorageType.File,
    discard: DiscardPolicy.Old,
    max_age: nanos(EVENT_STREAM.maxAgeMs),
    duplicate_window: nanos(EVENT_STREAM.duplicateWindowMs),
  },
  {
    name: DEAD_LETTER_STREAM.name,
    subjects: [...DEAD_LETTER_STREAM.subjects],
    retention: RetentionPolicy.Limits,
    storage: StorageType.File,
    discard: DiscardPolicy.Old,
    max_age: nanos(DEAD_LETTER_STREAM.maxAgeMs),
    max_bytes: DEAD_LETTER_STREAM.bytesMax,
    duplicate_window: nanos(DEAD_LETTER_STREAM.duplicateWindowMs),
  },
  {
    name: ADVISORY_STREAM.name,
    subjects: [...ADVISORY_STREAM.subjects],
    retention: RetentionPolicy.Workqueue,
    storage: StorageType.File,
    discard: DiscardPolicy.Old,
    max_age: nanos(ADVISORY_STREAM.maxAgeMs),
    max_msgs: ADVISORY_STREAM.messagesMax,
  },
];

const readsAll = { ack_policy: AckPolicy.Explicit, deliver_policy: DeliverPolicy.All };

const CONSUMERS: readonly ConsumerSettings[] = [
  ...PROVIDER_IDS.flatMap((provider) =>
    (
      [
        ['interactive', INTERACTIVE_STREAM],
        ['async', QUEUED_STREAMS.async],
        ['batch', QUEUED_STREAMS.batch],
      ] as const
    ).map(([lane, stream]) => {
      const { name, filter } = workerConsumer(lane, provider);
      return {
        ...readsAll,
        stream: stream.name,
        durable_name: name,
        filter_subject: filter,
        ack_wait: nanos(stream.ackWaitMs),
        max_deliver: stream.deliveriesMax,
        max_ack_pending: stream.ackPendingMax,
      };
    }),
  ),
  {
    ...readsAll,
    stream: RESULT_STREAM.name,
    durable_name: RESULT_CONSUMER,
    ack_wait: nanos(RESULT_STREAM.ackWaitMs),
    max_ack_pending: RESULT_STREAM.ackPendingMax,
  },
  {
    ...readsAll,
    stream: ADVISORY_STREAM.name,
    durable_name: BURIAL_CONSUMER,
    ack_wait: nanos(ADVISORY_STREAM.ackWaitMs),
  },
  {
    ...readsAll,
    stream: EVENT_STREAM.name,
    durable_name: METERING_CONSUMER,
    ack_wait: nanos(EVENT_STREAM.ackWaitMs),
    max_ack_pending: EVENT_STREAM.ackPendingMax,
  },
];

/**
 * Creates every stream and consumer of the catalogue (`libs/contracts/subjects.ts`), and brings those that
 * an older flo2 made to its settings. May run in several processes at once. Rejects when JetStream is off or
 * cannot be reached, and with the setting's name where the server keeps another one.
 */
export const provisionStreams = async (connection: NatsConnection): Promise<void> => {
  const messageBytesMax = connection.info?.max_payload ?? 0;
  if (messageBytesMax < MESSAGE_BYTES_MAX) {
    throw new Error(
      `The NATS server takes messages of at most ${messageBytesMax} bytes; flo2 needs ${MESSAGE_BYTES_MAX}: set "max_payload: 8MB" in its configuration.`,
    );
  }
  const manager = await jetstreamManager(connection);
  for (const settings of STREAMS) await ensureStream(manager, settings);
  await Promise.all(CONSUMERS.map(({ stream, ...settings }) => ensureConsumer(manager, stream, settings)));
};
