import { setTimeout as sleep } from 'node:timers/promises';
import {
  jetstream,
  jetstreamManager,
  type Consumer,
  type ConsumerMessages,
  type JetStreamManager,
  type JsMsg,
} from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { EVENT_STREAM, METERING_CONSUMER } from '#contracts/subjects';
import type { AttemptEventSource, ReceivedEvent } from '#domain/ports';

/**
 * How long a batch waits for more events: a transaction for each of a steady stream's events would cost
 * Postgres several times as much, and a reader of the ledger does not notice so little.
 */
const LINGER_MS = 25;
/** A server that is away hands nothing out either. */
const RELEASE_WAIT_MS = 1_000;

type FetchOptions = Parameters<AttemptEventSource['fetch']>[0];

/** A request for messages that the server still answers, and the message it will bring next. */
class Pull {
  /** The stream it was asked of. */
  readonly stream: string;
  readonly #messages: ConsumerMessages;
  readonly #iterator: AsyncIterator<JsMsg>;
  #next: Promise<IteratorResult<JsMsg>>;
  ended = false;

  constructor(messages: ConsumerMessages, stream: string) {
    this.stream = stream;
    this.#messages = messages;
    this.#iterator = messages[Symbol.asyncIterator]();
    this.#next = this.#askNext();
  }

  #askNext(): Promise<IteratorResult<JsMsg>> {
    const next = this.#iterator.next();
    // Whoever takes next is told of a failure; until then nobody listens.
    next.catch(() => undefined);
    return next;
  }

  /** The next message; null when the pull ends before, or `patience` does. Rejects where the pull failed. */
  async take(patience?: Promise<null>): Promise<JsMsg | null> {
    try {
      const result = await (patience === undefined ? this.#next : Promise.race([this.#next, patience]));
      if (result === null) return null;
      this.ended = result.done === true;
      if (result.done === true) return null;
      this.#next = this.#askNext();
      return result.value;
    } catch (error) {
      this.ended = true;
      throw error;
    }
  }

  /** The server sends no more; what it has sent can still be taken. */
  stop(): void {
    this.#messages.stop();
  }
}

const encodeReceived = (message: JsMsg, stream: string): ReceivedEvent => ({
  bytes: message.data,
  stream,
  streamSequence: BigInt(message.seq),
  deliveryCount: message.info.deliveryCount,
  ack: () => message.ack(),
  retryLater: () => message.nak(),
});

/**
 * Keeps a pull over several fetches: to leave one early would drop what the server sends meanwhile, and
 * that would then wait for its redelivery.
 */
class PullingSource implements AttemptEventSource {
  readonly #connection: NatsConnection;
  readonly #consumer: Consumer;
  readonly #manager: JetStreamManager;
  #pull: Pull | null = null;
  #inFlight: Promise<ReceivedEvent[]> | null = null;

  constructor(connection: NatsConnection, consumer: Consumer, manager: JetStreamManager) {
    this.#connection = connection;
    this.#consumer = consumer;
    this.#manager = manager;
  }

  /** Asked for each pull: a stream that is made anew meanwhile is another one, and the consumer cannot tell. */
  async #nameStream(): Promise<string> {
    const { config, created } = await this.#manager.streams.info(EVENT_STREAM.name);
    return `${config.name}@${created}`;
  }

  /** One at a time; who waited for a fetch that found nothing has found nothing too. */
  async fetch(options: FetchOptions): Promise<ReceivedEvent[]> {
    while (this.#inFlight !== null) {
      const others = await this.#inFlight.catch(() => null);
      if (others?.length === 0) return [];
    }
    this.#inFlight = this.#fetchNow(options);
    try {
      return await this.#inFlight;
    } finally {
      this.#inFlight = null;
    }
  }

  async #fetchNow({ maxMessages, expiresMs }: FetchOptions): Promise<ReceivedEvent[]> {
    if (this.#pull === null || this.#pull.ended) {
      const options = { max_messages: maxMessages, expires: expiresMs };
      const stream = await this.#nameStream();
      this.#pull = new Pull(await this.#consumer.fetch(options), stream);
    }
    const { stream } = this.#pull;
    const received: ReceivedEvent[] = [];
    let message = await this.#pull.take();
    const linger = sleep(LINGER_MS, null, { ref: false });
    while (message !== null) {
      received.push(encodeReceived(message, stream));
      if (received.length === maxMessages) break;
      // What the stream holds already is on its way.
      const patience = message.info.pending > 0 ? undefined : linger;
      // A pull that breaks now takes nothing away from what it has brought.
      message = await this.#pull.take(patience).catch(() => null);
    }
    return received;
  }

  async release(): Promise<void> {
    this.#pull?.stop();
    // The server must know before anything is handed back, or it would hand it to this pull again.
    const flushed = this.#connection.flush().catch(() => undefined);
    await Promise.race([flushed, sleep(RELEASE_WAIT_MS, undefined, { ref: false })]);
    await this.#inFlight?.catch(() => null);
    while (this.#pull !== null && !this.#pull.ended) {
      const message = await this.#pull.take().catch(() => null);
      message?.nak();
    }
  }
}

/** The durable consumer that metering reads; `provisionStreams` made it. */
export const openAttemptEventSource = async (connection: NatsConnection): Promise<AttemptEventSource> =>
  new PullingSource(
    connection,
    await jetstream(connection).consumers.get(EVENT_STREAM.name, METERING_CONSUMER),
    await jetstreamManager(connection),
  );
