import type { ProviderId } from '#contracts/vocabulary';
import { anthropicBatch } from './anthropic/batch.ts';
import { googleBatch } from './google/batch.ts';
import { groqBatch } from './groq/batch.ts';
import { mistralBatch } from './mistral/batch.ts';
import type { NativeBatchProvider } from './native-batch.ts';
import { openaiBatch } from './openai/batch.ts';

/** The providers whose own batch API flo2 uses. */
const DRIVERS: Readonly<Partial<Record<ProviderId, NativeBatchProvider>>> = {
  openai: openaiBatch,
  anthropic: anthropicBatch,
  google: googleBatch,
  mistral: mistralBatch,
  groq: groqBatch,
};

/** Null for a provider without a batch API. */
export const nativeBatchOf = (id: ProviderId): NativeBatchProvider | null => DRIVERS[id] ?? null;
