/** Which lines of a batch may run by their provider's own batch API. */
import { BATCH_MODES, batchMode, type BatchMode } from '#contracts/batch';
import { STANDARD_TIER } from './billed-use.ts';
import { FloError } from './errors.ts';
import type { PriceRate } from './price-book.ts';

/** The tier under which price books list what batch APIs charge. */
export const BATCH_TIER = 'batch';

const HOUR_MS = 3_600_000;
/** What providers promise at the soonest. */
const AUTO_WINDOW_MIN_MS = 24 * HOUR_MS;

const PRICED = ['input', 'output'] as const;

const cheapestOf = (rates: readonly PriceRate[], component: string, tier: string): bigint | null =>
  rates
    .filter((rate) => rate.component === component && rate.tier === tier)
    .reduce<bigint | null>(
      (least, { ratePicoUsd }) => (least === null || ratePicoUsd < least ? ratePicoUsd : least),
      null,
    );

/** Whether the book lists the model's batch tier, no dearer for anything and cheaper for something. */
export const isCheaperInBatch = (rates: readonly PriceRate[]): boolean => {
  let isCheaper = false;
  for (const component of PRICED) {
    const standard = cheapestOf(rates, component, STANDARD_TIER);
    if (standard === null) continue;
    const batch = cheapestOf(rates, component, BATCH_TIER);
    if (batch === null || batch > standard) return false;
    isCheaper ||= batch < standard;
  }
  return isCheaper;
};

/**
 * `hasDriver`: whether flo2 speaks the batch API of the provider that is the first of the line's plan.
 * `windowMs`: the batch's whole time.
 */
export const mayRunNative = (asked: {
  mode: BatchMode;
  windowMs: number;
  hasDriver: boolean;
  rates: readonly PriceRate[];
}): boolean => {
  if (!asked.hasDriver || asked.mode === 'queued') return false;
  return asked.mode === 'native' || (asked.windowMs >= AUTO_WINDOW_MIN_MS && isCheaperInBatch(asked.rates));
};

/** The header that says it for one batch, and the batch's metadata where a client cannot send headers. */
export const BATCH_MODE_HEADER = 'x-flo2-batch-mode';
export const BATCH_MODE_METADATA = 'flo2_batch_mode';

/** What a caller says for one batch, null where it says nothing. Throws `FloError` `invalid_request`. */
export const readBatchMode = (
  headers: Readonly<Record<string, string | string[] | undefined>>,
  metadata: Readonly<Record<string, string>> | null,
): BatchMode | null => {
  const header = headers[BATCH_MODE_HEADER];
  const told = header ?? metadata?.[BATCH_MODE_METADATA];
  if (told === undefined) return null;
  const mode = batchMode.safeParse(told);
  if (mode.success) return mode.data;
  const param = header === undefined ? `metadata.${BATCH_MODE_METADATA}` : BATCH_MODE_HEADER;
  throw new FloError('invalid_request', `${param}: must be one of ${BATCH_MODES.join(', ')}.`, { param });
};
