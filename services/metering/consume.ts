import { hash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { attemptEvent, type AttemptEvent } from '#contracts/attempt-event';
import type { AttemptEventSource, Ledger, PricedEvent, QuarantinedEvent, ReceivedEvent } from '#domain/ports';
import { priceEvent, type PriceTerms } from '#domain/price-event';
import { faultPoint } from '#runtime/fault-point';

/** Where metering tells of trouble; pino's shape. */
export type MeteringLogger = {
  warn: (details: object, message: string) => void;
};

export type ConsumeOptions = {
  source: AttemptEventSource;
  ledger: Ledger;
  prices: { current: () => PriceTerms };
  logger: MeteringLogger;
  /** Ends the loop after the batch in hand. */
  signal: AbortSignal;
  /** Told whenever the stream and the ledger are found reachable, or one of them not. */
  onReachable: (reachable: boolean) => void;
};

export const BATCH_MAX = 5_000;
const FETCH_EXPIRES_MS = 1_000;
const BACK_OFF_MIN_MS = 50;
const BACK_OFF_MAX_MS = 5_000;

/** Doubles with each failure in a row, with jitter, so that several instances do not come back at once. */
const backOffMs = (failures: number): number =>
  Math.min(BACK_OFF_MAX_MS, BACK_OFF_MIN_MS * 2 ** Math.min(failures, 16)) * (0.5 + Math.random() / 2);

const errorName = (error: unknown): string => (error instanceof Error ? error.message : String(error));

type Decoded = { priced: PricedEvent } | { quarantined: QuarantinedEvent };

const readEvent = (text: string): AttemptEvent | string => {
  try {
    const parsed = attemptEvent.safeParse(JSON.parse(text));
    if (parsed.success) return parsed.data;
    const fields = parsed.error.issues.map((issue) => issue.path.join('.') || '(root)');
    return `not an attempt event of version 1: ${[...new Set(fields)].slice(0, 10).join(', ')}`;
  } catch {
    return 'not JSON';
  }
};

/** Fields it does not know are dropped; the hash is of the bytes as they came. */
export const decodeReceived = (received: ReceivedEvent, terms: PriceTerms): Decoded => {
  const { buffer, byteOffset, byteLength } = received.bytes;
  const payload = Buffer.from(buffer, byteOffset, byteLength).toString('utf8');
  const { stream, streamSequence, bytes } = received;
  const payloadHash = hash('sha256', bytes, 'hex');
  const event = readEvent(payload);
  if (typeof event === 'string') {
    return { quarantined: { stream, streamSequence, payloadHash, payload, attemptId: null, reason: event } };
  }
  const { pricing, counted } = priceEvent(event, terms);
  return { priced: { stream, streamSequence, payloadHash, bytes, event, pricing, counted } };
};

/** One at a time, so that no more of them than one has to be held. */
export function* decodeBatch(
  batch: readonly ReceivedEvent[],
  terms: PriceTerms,
  onQuarantined: (event: QuarantinedEvent) => void,
): Generator<PricedEvent> {
  for (const received of batch) {
    const decoded = decodeReceived(received, terms);
    if ('priced' in decoded) yield decoded.priced;
    else onQuarantined(decoded.quarantined);
  }
}

const record = async (batch: readonly ReceivedEvent[], options: ConsumeOptions): Promise<void> => {
  const quarantined: QuarantinedEvent[] = [];
  const counts = await options.ledger.recordEvents(
    decodeBatch(batch, options.prices.current(), (event) => quarantined.push(event)),
  );
  if (quarantined.length > 0) await options.ledger.quarantine(quarantined);
  const refused = quarantined.length + counts.quarantined;
  if (refused > 0) options.logger.warn({ refused }, 'events went to quarantine');
};

/**
 * Reads events and records them, batch by batch, until the signal. A batch is tried until the ledger takes
 * it; one that it has not taken when the signal comes is handed back to the stream.
 */
export const consume = async (options: ConsumeOptions): Promise<void> => {
  const { source, logger, signal, onReachable } = options;
  let failures = 0;
  const pause = async (error: unknown, what: string) => {
    const waitMs = Math.round(backOffMs(failures));
    failures += 1;
    onReachable(false);
    logger.warn({ error: errorName(error), waitMs }, what);
    await sleep(waitMs, undefined, { signal }).catch(() => undefined);
  };

  while (!signal.aborted) {
    let batch: ReceivedEvent[];
    try {
      batch = await source.fetch({ maxMessages: BATCH_MAX, expiresMs: FETCH_EXPIRES_MS });
    } catch (error) {
      await pause(error, 'the event stream cannot be read');
      continue;
    }
    let recorded = batch.length === 0;
    while (!recorded) {
      try {
        faultPoint('metering.committing');
        await record(batch, options);
        faultPoint('metering.committed');
        recorded = true;
      } catch (error) {
        await pause(error, 'the ledger cannot be written');
        if (signal.aborted) break;
      }
    }
    if (!recorded) {
      // First, so that what is handed back does not come here again.
      await source.release();
      for (const received of batch) received.retryLater();
      return;
    }
    failures = 0;
    onReachable(true);
    // Only now that they are committed; one whose acknowledgement is lost comes again and is known.
    for (const received of batch) received.ack();
    if (batch.length > 0) faultPoint('metering.acknowledged');
  }
};
