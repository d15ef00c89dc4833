import type { Seal } from '#contracts/inference';
import { replaceJsonMembers } from '../json-members.ts';
import type { ChatWire, UpstreamCall } from '../provider.ts';
import { encodeResponsesRequest, suitsResponses } from './request.ts';
import { decodeResponsesResponse, readResponsesAnswer } from './response.ts';
import { createResponsesStreamDecoder, RESPONSES_VARYING } from './stream.ts';

export type ResponsesDialect = {
  path: string;
  /** Whose proofs of reasoning it understands; null where they are known to nobody else. */
  sealsOf: Seal['origin'] | null;
  /** Whether it shows what a model thought where the server's chat completions do not. */
  showsMore: boolean;
};

/** OpenAI itself. */
export const OPENAI_RESPONSES: ResponsesDialect = { path: '/responses', sealsOf: 'openai', showsMore: true };

/** A server whose chat completions tell as much: only clients of the dialect itself are passed on to it. */
export const OTHER_RESPONSES: ResponsesDialect = { path: '/responses', sealsOf: null, showsMore: false };

/** The Responses API (https://platform.openai.com/docs/api-reference/responses); a stream tells its usage unasked. */
export const createResponsesWire = ({ path, sealsOf, showsMore }: ResponsesDialect): ChatWire => {
  const callOf = (body: Uint8Array): UpstreamCall => ({
    path,
    headers: { 'content-type': 'application/json' },
    body,
  });
  return {
    operation: 'chat',
    surface: 'openai-responses',
    ...(showsMore && { suits: suitsResponses }),
    encodePassThrough: ({ body, model }) => ({
      ...callOf(replaceJsonMembers(body, { model })),
      usageInjected: false,
    }),
    encodeRequest: (input) => callOf(Buffer.from(JSON.stringify(encodeResponsesRequest(input, sealsOf)))),
    decodeResponse: (body) => decodeResponsesResponse(body, sealsOf),
    readAnswer: readResponsesAnswer,
    createStreamDecoder: () => createResponsesStreamDecoder(sealsOf),
    varying: RESPONSES_VARYING,
  };
};
