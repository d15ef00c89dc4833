import { z } from 'zod';
import { countEmbeddingTokens } from '../embedding.ts';
import { encodeEmbeddings } from '../openai/embeddings.ts';
import { RefusedRequest } from '../provider.ts';
import type { AcceptedPlain, PlainEndpoint } from '../provider.ts';
import { refusalOfIssue } from './request.ts';

const embeddingBody = z.strictObject({
  model: z.string(),
  input: z.union([z.string(), z.array(z.string()).min(1)]),
  metadata: z.unknown().optional(),
  output_dimension: z.int().min(1).max(3072).nullish(),
  output_dtype: z.enum(['float']).optional(),
  encoding_format: z.enum(['float', 'base64']).optional(),
});

const DIMENSIONS = 1024;

export const mistralEmbeddings: PlainEndpoint = {
  operation: 'embeddings',
  readRequest: (raw): AcceptedPlain => {
    const parsed = embeddingBody.safeParse(raw);
    if (!parsed.success) throw new RefusedRequest(refusalOfIssue(parsed.error.issues, raw));
    const { model, input, output_dimension: asked, encoding_format: format } = parsed.data;
    const inputs = typeof input === 'string' ? [input] : input;
    const answer = encodeEmbeddings({
      model,
      inputs,
      dimensions: asked ?? DIMENSIONS,
      isBase64: format === 'base64',
    });
    return {
      model,
      inputTokens: countEmbeddingTokens(inputs),
      encode: ({ context }) =>
        JSON.stringify({
          id: context.unique,
          ...answer,
          usage: { ...answer.usage, completion_tokens: 0, prompt_audio_seconds: null },
        }),
    };
  },
};
