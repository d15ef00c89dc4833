import type { WorkOptions } from '#domain/work-ports';
import type { Attribution } from '#contracts/attribution';
import type { SurfaceId } from '#contracts/vocabulary';
import { answersAskedBy } from '#domain/answers-asked';
import { estimateInputTokens } from '#domain/budget-estimate';
import { FloError } from '#domain/errors';
import { estimateOutputTokens } from '#domain/token-estimate';
import { surfaceOf } from '#surfaces/registry';
import type { ClientRequest, RequestPath } from '#surfaces/surface';

/** What an answer is taken to be long where nobody bounds it, for the order of the queue alone. */
const ASSUMED_OUTPUT_TOKENS = 1_000;

/** Work as it may be taken on, but for whose it is. */
export type ReadWork = {
  client: ClientRequest;
  body: Buffer;
  estimatedInputTokens: number;
  estimatedOutputTokens: number;
  /** `attribution`: whom it is accounted to. */
  optionsFor: (
    attribution: Attribution,
    sent: Pick<WorkOptions, 'forwardedHeaders' | 'dropInexpressible'>,
  ) => WorkOptions;
};

/**
 * Reads a request that is asked as work, in its dialect. Throws `FloError` `invalid_request`, naming the field
 * in the request's own terms.
 */
export const readWork = (surfaceId: SurfaceId, path: RequestPath, body: unknown): ReadWork => {
  const surface = surfaceOf(surfaceId);
  const client = surface.readRequest(body, path);
  if (client.stream) {
    throw new FloError('invalid_request', 'stream: nobody is connected to read a stream; leave it out.', {
      param: 'stream',
    });
  }
  const bytes = Buffer.from(JSON.stringify(body));
  const answers = answersAskedBy(body);
  const isChat = surface.operation === 'chat';
  return {
    client,
    body: bytes,
    estimatedInputTokens: estimateInputTokens(bytes.length),
    estimatedOutputTokens: isChat
      ? estimateOutputTokens({ maxOutputTokens: client.maxOutputTokens, answers }, ASSUMED_OUTPUT_TOKENS)
      : 0,
    optionsFor: (attribution, sent) => ({
      attribution,
      ...sent,
      operation: surface.operation,
      maxOutputTokens: client.maxOutputTokens,
      answers,
    }),
  };
};
