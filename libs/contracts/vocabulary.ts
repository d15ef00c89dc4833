import { z } from 'zod';

/** What a request asks for, whatever its dialect. */
export const OPERATIONS = ['chat', 'embedding', 'token_count'] as const;
export type Operation = (typeof OPERATIONS)[number];

/** How the events of a stream are told apart. */
export const STREAM_FRAMINGS = ['sse', 'json_array'] as const;
export const streamFraming = z.enum(STREAM_FRAMINGS);
export type StreamFraming = z.infer<typeof streamFraming>;

/** Dialects a client may speak to flo2. */
export const SURFACE_IDS = [
  'openai-chat',
  'openai-responses',
  'openai-count-tokens',
  'openai-embeddings',
  'anthropic-messages',
  'anthropic-count-tokens',
  'gemini-generate-content',
  'gemini-count-tokens',
  'gemini-embed-content',
] as const;
export const surfaceId = z.enum(SURFACE_IDS);
export type SurfaceId = z.infer<typeof surfaceId>;

/** Providers with a codec in `libs/providers`; the registry there holds one entry for each. */
export const PROVIDER_IDS = [
  'openai',
  'anthropic',
  'google',
  'mistral',
  'groq',
  'openrouter',
  'openai_compatible',
] as const;
export const providerId = z.enum(PROVIDER_IDS);
export type ProviderId = z.infer<typeof providerId>;

/** What an `openai_compatible` server is: how it differs from OpenAI. `openai` is one that does not. */
export const COMPATIBLE_DIALECTS = [
  'openai',
  'azure',
  'deepseek',
  'xai',
  'together',
  'vllm',
  'ollama',
] as const;
export const compatibleDialect = z.enum(COMPATIBLE_DIALECTS);
export type CompatibleDialect = z.infer<typeof compatibleDialect>;

/** Lanes of the queue, most urgent first. */
export const LANES = ['interactive', 'async', 'batch'] as const;
export const lane = z.enum(LANES);
export type Lane = z.infer<typeof lane>;

/** How a route's targets are put in order. */
export const ROUTE_STRATEGIES = ['fallback', 'weighted', 'cheapest', 'fastest'] as const;
export type RouteStrategy = (typeof ROUTE_STRATEGIES)[number];
