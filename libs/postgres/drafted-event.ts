import { usageEntryOf, type UsageEntry } from '#domain/usage-entry';
import type { PricedEvent } from '#domain/ports';
import type { RecordedAttempt } from './budget-settlement.ts';
import { EncodedRows, type RowSpan } from './encoded-rows.ts';
import type { RefusedEvent } from './event-quarantine.ts';
import { CHARGE_COLUMNS, chargeRowsOf, EVENT_COLUMNS } from './ledger-rows.ts';
import { seriesKeyOf } from './usage-rollup.ts';

/**
 * What the ledger has to know of an event until it is recorded. Of thousands that wait for each other's transaction
 * this is a tenth of the events themselves, which no garbage collection has to carry on then.
 */
export type DraftedEvent = RecordedAttempt &
  Omit<RefusedEvent, 'event'> & {
    entry: UsageEntry;
    /** The event itself, where only the transaction can price it; its rows are made anew then. Null for all others. */
    whole: PricedEvent | null;
    /** Where its rows are. */
    row: number;
    charges: RowSpan;
  };

/** What the entries of one series have in common, kept once for a batch. */
type Series = Pick<UsageEntry, 'dimensions'> &
  Pick<PricedEvent['event'], 'tenantId' | 'apiKeyId' | 'provider' | 'model'> & {
    team: string | undefined;
    feature: string | undefined;
  };

/** The events of a batch with their rows. */
export class Drafts {
  readonly #events = new EncodedRows(EVENT_COLUMNS);
  readonly #charges = new EncodedRows(CHARGE_COLUMNS);
  readonly #series = new Map<string, Series>();

  #seriesOf({ event }: PricedEvent, { dimensions }: UsageEntry): Series {
    const key = seriesKeyOf(dimensions);
    const known = this.#series.get(key);
    if (known !== undefined) return known;
    const { tenantId, apiKeyId, provider, model, attribution } = event;
    const { team, feature } = attribution;
    const series = { dimensions, tenantId, apiKeyId, provider, model, team, feature };
    this.#series.set(key, series);
    return series;
  }

  /** Throws `NumberOutOfRange` for what the columns do not hold, and keeps nothing of it. */
  draft(priced: PricedEvent): DraftedEvent {
    const { event, pricing, stream, streamSequence, payloadHash, bytes } = priced;
    const charges = { from: this.#charges.count, to: this.#charges.count };
    const row = this.#events.count;
    try {
      this.#events.add(priced);
      for (const charge of chargeRowsOf(priced)) this.#charges.add(charge);
    } catch (error) {
      this.#events.removeFrom(row);
      this.#charges.removeFrom(charges.from);
      throw error;
    }
    charges.to = this.#charges.count;
    const entry = usageEntryOf(event, pricing);
    const { dimensions, tenantId, apiKeyId, provider, model, team, feature } = this.#seriesOf(priced, entry);
    return {
      event: {
        attemptId: event.attemptId,
        revision: event.revision,
        tenantId,
        apiKeyId,
        provider,
        model,
        attribution: { team, feature, user: event.attribution.user },
        startedAtMs: event.startedAtMs,
        queueMs: event.queueMs,
        holds: event.holds,
      },
      pricing: { kind: pricing.kind, costPicoUsd: pricing.costPicoUsd },
      entry: { startedAtMs: entry.startedAtMs, dimensions, measures: entry.measures },
      stream,
      streamSequence,
      payloadHash,
      bytes,
      whole: priced.counted === null ? null : priced,
      row,
      charges,
    };
  }

  /** The rows of `usage_event` for these events, recorded at this instant (Unix microseconds). */
  eventRows(drafted: readonly DraftedEvent[], recordedAt: number): Generator<Uint8Array> {
    const spans = drafted.map(({ row }) => ({ from: row, to: row + 1 }));
    return this.#events.recordedAt(recordedAt, spans);
  }

  /** Their rows of `usage_charge`. */
  chargeRows(drafted: readonly DraftedEvent[], recordedAt: number): Generator<Uint8Array> {
    const spans = drafted.map(({ charges }) => charges);
    return this.#charges.recordedAt(recordedAt, spans);
  }
}
