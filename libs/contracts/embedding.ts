/** The canonical form of a request for embeddings, used only between dialects. */
import type { Usage } from './usage.ts';

/** A text, or the tokens of one. */
export type EmbeddingInput = string | number[];

export type EmbeddingRequest = {
  inputs: EmbeddingInput[];
  dimensions?: number;
  /** What the vectors are for, in Gemini's words (`RETRIEVAL_QUERY`). */
  taskType?: string;
  endUser?: string;
};

/** One vector for each input, in their order. */
export type EmbeddingResponse = { model: string; vectors: number[][]; usage: Usage };
