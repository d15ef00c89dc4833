import { setTimeout as sleep } from 'node:timers/promises';
import type { Consumer, ConsumerMessages, JsMsg } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';

/**
 * How long a batch waits for more messages: a transaction for each of a steady stream's would cost
 * Postgres several times as much, and a reader of the ledger does not notice so little. For each message that the
 * batch before it had, up to the longest that the caller allows: batches of a dozen events took a sixth of a
 * request's processor time.
 */
const LINGER_MS = 25;
/** A server that is away hands nothing out either. */
const RELEASE_WAIT_MS = 1_000;

/** The messages, and the tag of the pull that brought them. */
type Fetched<Tag> = { tag: Tag; messages: JsMsg[] };
type FetchOptions = { maxMessages: number; expiresMs: number };

/** A request for messages that the server still answers, and the message it will bring next. */
class Pull<Tag> {
  readonly tag: Tag;
  readonly #messages: ConsumerMessages;
  readonly #iterator: AsyncIterator<JsMsg>;
  #next: Promise<IteratorResult<JsMsg>>;
  ended = false;

  constructor(messages: ConsumerMessages, tag: Tag) {
    this.tag = tag;
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

/**
 * Keeps a pull over several fetches: to leave one early would drop what the server sends meanwhile, and
 * that would then wait for its redelivery.
 */
export class PullingSource<Tag> {
  readonly #connection: NatsConnection;
  readonly #consumer: Consumer;
  readonly #tagPull: () => Promise<Tag>;
  readonly #lingerMaxMs: number;
  #pull: Pull<Tag> | null = null;
  #inFlight: Promise<Fetched<Tag>> | null = null;
  #lingerMs = LINGER_MS;

  /** `tagPull` is asked for each pull; what it resolves to comes with the messages of that pull. */
  constructor(
    connection: NatsConnection,
    consumer: Consumer,
    tagPull: () => Promise<Tag>,
    lingerMaxMs = LINGER_MS,
  ) {
    this.#lingerMaxMs = lingerMaxMs;
    this.#connection = connection;
    this.#consumer = consumer;
    this.#tagPull = tagPull;
  }

  /** What is there, in batches; one fetch at a time. Who waited for a fetch that found nothing has found nothing too. */
  async fetch(options: FetchOptions): Promise<Fetched<Tag>> {
    while (this.#inFlight !== null) {
      const others = await this.#inFlight.catch(() => null);
      if (others?.messages.length === 0) return others;
    }
    this.#inFlight = this.#fetchNow(options);
    try {
      return await this.#inFlight;
    } finally {
      this.#inFlight = null;
    }
  }

  async #fetchNow({ maxMessages, expiresMs }: FetchOptions): Promise<Fetched<Tag>> {
    if (this.#pull === null || this.#pull.ended) {
      const options = { max_messages: maxMessages, expires: expiresMs };
      const tag = await this.#tagPull();
      this.#pull = new Pull(await this.#consumer.fetch(options), tag);
    }
    const { tag } = this.#pull;
    const received: JsMsg[] = [];
    let message = await this.#pull.take();
    const linger = sleep(this.#lingerMs, null, { ref: false });
    while (message !== null) {
      received.push(message);
      if (received.length === maxMessages) break;
      // What the stream holds already is on its way.
      const patience = message.info.pending > 0 ? undefined : linger;
      // A pull that breaks now takes nothing away from what it has brought.
      message = await this.#pull.take(patience).catch(() => null);
    }
    this.#lingerMs = Math.min(this.#lingerMaxMs, LINGER_MS * Math.max(1, received.length));
    return { tag, messages: received };
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
