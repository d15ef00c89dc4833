import type { ProviderId } from '#contracts/vocabulary';
import { groqBatch } from './groq/batch.ts';
import type { NativeBatchProvider } from './native-batch.ts';
import { openaiBatch } from './openai/batch.ts';

/** The providers whose own batch API flo2 uses. */
const DRIVERS: Readonly<Partial<Record<ProviderId, NativeBatchProvider>>> = {
  openai: openaiBatch,
  groq: groqBatch,
};

/** Null for a provider without a batch API. */
export const nativeBatchOf = (id: ProviderId): NativeBatchProvider | null => DRIVERS[id] ?? null;
