import type { Conversation } from '../conversation.ts';
import type { ChatStyle } from '../openai/chat-style.ts';
import { embeddingsEndpoint } from '../openai/embeddings.ts';
import {
  encodeOpenaiFailure,
  openaiFailureHeaders,
  openaiFailureOf,
  openaiFailureOfLimit,
  openaiLimitHeaders,
} from '../openai/failures.ts';
import { modelsEndpoint } from '../openai/models.ts';
import { bearerOf, chatEndpoint, routesBelow } from '../openai/openai.ts';
import { readChatRequestAs, withoutReasoning } from '../openai/request.ts';
import { refusalOfIssue } from '../openai/request-refusal.ts';
import { chatCompletionBody, type ChatCompletionBody as Body } from '../openai/request-schema.ts';
import { readResponsesRequestFor } from '../openai/responses-request.ts';
import { responsesEndpointOf } from '../openai/responses.ts';
import { RefusedRequest } from '../provider.ts';
import type { Failure, Route, SimulatedProvider } from '../provider.ts';

export type CompatibleServer = {
  id: string;
  /** Where it serves: `/deepseek`. */
  prefix: string;
  keyPrefix: string;
  style: ChatStyle;
  /** Fields beyond OpenAI's that it knows, taken as they come. */
  ownFields: readonly string[];
  /** Whether a field that neither has is refused, or left out without a word. */
  refusesUnknown: boolean;
  check: (request: Body) => void;
  reasoningOf: (request: Body) => Conversation['reasoning'];
  isOwnModel: (model: string) => boolean;
  /** Which of its models reason where it has the Responses API; null where it has not. */
  responses: { isReasoning: (model: string) => boolean } | null;
  refuseCredential: SimulatedProvider['refuseCredential'];
  encodeFailure: (failure: Failure) => string;
};

export const SERVER_DEFAULTS = {
  keyPrefix: 'sk-',
  ownFields: [] as readonly string[],
  refusesUnknown: false,
  check: () => undefined,
  reasoningOf: () => 'none',
  responses: null,
  refuseCredential: () => ({
    status: 401,
    type: 'authentication_error',
    message: 'Incorrect API key provided',
    code: 'invalid_api_key',
  }),
  encodeFailure: encodeOpenaiFailure,
} satisfies Partial<CompatibleServer>;

const KNOWN_FIELDS = new Set(Object.keys(chatCompletionBody.shape));

const parseAs =
  ({ ownFields, refusesUnknown }: CompatibleServer) =>
  (raw: unknown): Body => {
    const own = new Set(ownFields);
    const fields = Object.entries(Object(raw) as Record<string, unknown>).filter(
      ([name]) => !own.has(name) && (refusesUnknown || KNOWN_FIELDS.has(name)),
    );
    const body = {
      ...Object.fromEntries(fields),
      messages: withoutReasoning(Reflect.get(Object(raw), 'messages')),
    };
    const parsed = chatCompletionBody.safeParse(body);
    if (!parsed.success) throw new RefusedRequest(refusalOfIssue(parsed.error.issues, body));
    return parsed.data;
  };

/** The routes of the Responses API, where the server has it. */
const responsesRoutes = ({ responses, isOwnModel }: CompatibleServer): Record<string, Route> => {
  if (responses === null) return {};
  const assertOwn = (model: string): void => {
    if (!isOwnModel(model)) throw new RefusedRequest(openaiFailureOf({ status: 404 }, model));
  };
  const readRequest = readResponsesRequestFor({
    assertOwn,
    isReasoning: responses.isReasoning,
    refusesBareReasoning: false,
  });
  return { '/responses': { endpoint: responsesEndpointOf(readRequest) } };
};

/** A server that speaks Chat Completions in its own way. */
export const compatibleServer = (server: CompatibleServer): SimulatedProvider => ({
  id: server.id,
  routeOf: routesBelow(
    server.prefix,
    {
      '/chat/completions': {
        endpoint: chatEndpoint(
          server.style,
          readChatRequestAs({
            parse: parseAs(server),
            check: (request) => {
              if (!server.isOwnModel(request.model))
                throw new RefusedRequest(openaiFailureOf({ status: 404 }, request.model));
              server.check(request);
            },
            reasoningOf: server.reasoningOf,
          }),
        ),
      },
      '/embeddings': { endpoint: embeddingsEndpoint },
      ...responsesRoutes(server),
    },
    {
      endpoint: modelsEndpoint({
        isOwn: server.isOwnModel,
        ownedBy: server.id,
        notFound: (model) => openaiFailureOf({ status: 404 }, model),
      }),
    },
  ),
  credentialOf: bearerOf,
  keyPrefix: server.keyPrefix,
  refuseCredential: server.refuseCredential,
  newRequestId: (unique) => `req_${unique}`,
  answerHeaders: (context) => ({ 'x-request-id': context.requestId, ...openaiLimitHeaders(context) }),
  failureOfLimit: openaiFailureOfLimit,
  failureOf: openaiFailureOf,
  failureHeaders: openaiFailureHeaders,
  encodeFailure: server.encodeFailure,
});
