import { z } from 'zod';
import { countEmbeddingTokens, encodeVectorBase64, vectorOf } from '../embedding.ts';
import { RefusedRequest } from '../provider.ts';
import type { AcceptedPlain, PlainEndpoint } from '../provider.ts';
import { assertJsonBody, assertOpenaiModel } from './request.ts';
import { refusalOfIssue } from './request-refusal.ts';

const text = z.string().min(1);
const tokens = z.array(z.int().nonnegative()).min(1);
const embeddingsBody = z.strictObject({
  model: z.string(),
  input: z.union([text, z.array(text).min(1).max(2048), tokens, z.array(tokens).min(1).max(2048)]),
  encoding_format: z.enum(['float', 'base64']).optional(),
  dimensions: z.int().min(1).optional(),
  user: z.string().optional(),
});

const inputsOf = (input: z.infer<typeof embeddingsBody>['input']): (string | number[])[] => {
  if (typeof input === 'string') return [input];
  const numbers = input.filter((entry) => typeof entry === 'number');
  return numbers.length > 0 ? [numbers] : input.filter((entry) => typeof entry !== 'number');
};

const DIMENSIONS = 1536;

export type EmbeddingsToEncode = {
  model: string;
  inputs: (string | number[])[];
  dimensions: number;
  isBase64: boolean;
};

/** The answer's fields are the same at every provider that speaks this dialect. */
export const encodeEmbeddings = ({ model, inputs, dimensions, isBase64 }: EmbeddingsToEncode) => {
  const total = countEmbeddingTokens(inputs);
  return {
    object: 'list',
    data: inputs.map((input, index) => {
      const vector = vectorOf(input, dimensions);
      return { object: 'embedding', index, embedding: isBase64 ? encodeVectorBase64(vector) : vector };
    }),
    model,
    usage: { prompt_tokens: total, total_tokens: total },
  };
};

/** `POST /v1/embeddings`; `modelOf` is the name that the address gives the model instead of the body. */
export const embeddingsEndpoint: PlainEndpoint = {
  operation: 'embeddings',
  readRequest: (raw, address): AcceptedPlain => {
    const body = address.model === null ? raw : { model: address.model, ...Object(raw) };
    assertJsonBody(body, address);
    const parsed = embeddingsBody.safeParse(body);
    if (!parsed.success) throw new RefusedRequest(refusalOfIssue(parsed.error.issues, body));
    const { model, input, dimensions = DIMENSIONS, encoding_format: format } = parsed.data;
    assertOpenaiModel(model);
    const inputs = inputsOf(input);
    return {
      model,
      inputTokens: countEmbeddingTokens(inputs),
      encode: ({ behaviour }) => {
        const answer = encodeEmbeddings({ model, inputs, dimensions, isBase64: format === 'base64' });
        const { usage, ...rest } = answer;
        return JSON.stringify(
          behaviour.omitUsage === true ? rest : { ...rest, usage: behaviour.rawUsage ?? usage },
        );
      },
    };
  },
};
