import { z } from 'zod';
import { OPERATIONS } from './vocabulary.ts';

const MODEL_ID_LENGTH_MAX = 256;
/** Past this many, models are left out of a key’s list. */
export const LISTED_MODELS_MAX = 5_000;

/** What a model can be asked for; an absent member is one the provider says nothing of. */
export const modelCapabilities = z.object({
  operations: z.array(z.enum(OPERATIONS)).optional(),
  imageInput: z.boolean().optional(),
  tools: z.boolean().optional(),
  structuredOutput: z.boolean().optional(),
  reasoning: z.boolean().optional(),
});
export type ModelCapabilities = z.infer<typeof modelCapabilities>;

/** A model as a provider lists it. Null is what it does not tell. */
export const listedModel = z.object({
  id: z.string().min(1).max(MODEL_ID_LENGTH_MAX),
  /** The tokens of a prompt, or of prompt and answer together where the provider has one window for both. */
  contextWindowTokens: z.int().nonnegative().nullable(),
  maxOutputTokens: z.int().nonnegative().nullable(),
  capabilities: modelCapabilities.nullable(),
});
export type ListedModel = z.infer<typeof listedModel>;

export const listedModels = z.array(listedModel).max(LISTED_MODELS_MAX);
