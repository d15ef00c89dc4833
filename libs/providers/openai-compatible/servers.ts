/**
 * How the servers known to speak OpenAI's dialect differ from it. Data alone; what they answer is read from
 * all of them alike.
 */
import type { ChatRequest } from '#contracts/inference';
import type { CompatibleDialect } from '#contracts/vocabulary';
import {
  COMMON_FIELDS,
  OPENAI_DIALECT,
  OPENAI_RATE_LIMIT_HEADERS,
  sameWords,
  type OpenaiDialect,
} from '../openai/dialect.ts';
import {
  OPENAI_RESPONSES,
  OTHER_RESPONSES,
  type ResponsesDialect,
} from '../openai-responses/responses-wire.ts';
import type { RateLimitHeaders } from '../rate-limits.ts';

export type CompatibleServer = {
  dialect: OpenaiDialect;
  rateLimitHeaders: readonly RateLimitHeaders[];
  hasEmbeddings: boolean;
  /** Null for a server that has no Responses API, or is not known to. */
  responses: ResponsesDialect | null;
  /** What is told of a model in its list, by the member that tells it. */
  contextWindowMember: string | null;
};

const fields = (...more: readonly (keyof ChatRequest)[]): ReadonlySet<keyof ChatRequest> =>
  new Set<keyof ChatRequest>([...COMMON_FIELDS, ...more]);

const EFFORTS = sameWords('none', 'minimal', 'low', 'medium', 'high', 'xhigh', 'max');

/** Nobody knows what it is: it is asked as OpenAI is, for what nearly every server takes. */
const UNKNOWN: OpenaiDialect = {
  ...OPENAI_DIALECT,
  fields: fields('parallelToolCalls', 'frequencyPenalty', 'presencePenalty', 'seed', 'logprobs', 'endUser'),
  maxOutputTokens: 'max_tokens',
  reasoning: { asked: 'reasoning_effort', efforts: EFFORTS, shown: 'always', givenBack: null, sealsOf: null },
  serviceTiers: {},
  documents: null,
  audio: null,
};

/** https://api-docs.deepseek.com/guides/thinking_mode says which effort each word stands for. */
const DEEPSEEK: OpenaiDialect = {
  ...UNKNOWN,
  fields: fields('frequencyPenalty', 'presencePenalty', 'logprobs'),
  reasoning: {
    asked: 'thinking',
    efforts: {
      none: 'none',
      minimal: 'low',
      low: 'low',
      medium: 'high',
      high: 'high',
      xhigh: 'high',
      max: 'max',
    },
    shown: 'always',
    givenBack: 'reasoning_content',
    sealsOf: null,
  },
  takesSchemas: false,
};

/** Azure tells resets as numbers without a unit, so none is taken from it; a limit of −1 is none. */
const WITHOUT_RESET: readonly RateLimitHeaders[] = OPENAI_RATE_LIMIT_HEADERS.map((named) => ({
  unit: named.unit,
  windowMs: named.windowMs,
  limit: named.limit,
  remaining: named.remaining,
}));

export const COMPATIBLE_SERVERS: Readonly<Record<CompatibleDialect, CompatibleServer>> = {
  openai: {
    dialect: UNKNOWN,
    hasEmbeddings: true,
    responses: null,
    rateLimitHeaders: OPENAI_RATE_LIMIT_HEADERS,
    contextWindowMember: null,
  },
  azure: {
    dialect: OPENAI_DIALECT,
    hasEmbeddings: true,
    responses: OPENAI_RESPONSES,
    rateLimitHeaders: WITHOUT_RESET,
    contextWindowMember: null,
  },
  deepseek: {
    dialect: DEEPSEEK,
    hasEmbeddings: false,
    responses: null,
    rateLimitHeaders: [],
    contextWindowMember: null,
  },
  // https://docs.x.ai/docs/api-reference#create-new-response
  xai: {
    hasEmbeddings: false,
    responses: OTHER_RESPONSES,
    dialect: {
      ...UNKNOWN,
      maxOutputTokens: 'max_completion_tokens',
      reasoning: {
        asked: 'reasoning_effort',
        efforts: sameWords('none', 'low', 'medium', 'high'),
        shown: 'always',
        givenBack: null,
        sealsOf: null,
      },
    },
    rateLimitHeaders: OPENAI_RATE_LIMIT_HEADERS,
    contextWindowMember: null,
  },
  together: {
    hasEmbeddings: true,
    responses: null,
    dialect: {
      ...UNKNOWN,
      fields: fields('topK', 'frequencyPenalty', 'presencePenalty', 'seed'),
      reasoning: {
        asked: 'reasoning_effort',
        efforts: sameWords('low', 'medium', 'high'),
        shown: 'always',
        givenBack: null,
        sealsOf: null,
      },
    },
    // Its limits are by the second.
    rateLimitHeaders: [
      {
        unit: 'requests',
        windowMs: 1_000,
        limit: 'x-ratelimit-limit',
        remaining: 'x-ratelimit-remaining',
        reset: 'x-ratelimit-reset',
      },
      {
        unit: 'tokens',
        windowMs: 1_000,
        limit: 'x-ratelimit-limit-tokens',
        remaining: 'x-ratelimit-remaining-tokens',
        reset: 'x-ratelimit-reset',
      },
    ],
    contextWindowMember: 'context_length',
  },
  vllm: {
    hasEmbeddings: true,
    responses: null,
    dialect: {
      ...UNKNOWN,
      fields: new Set([...UNKNOWN.fields, 'topK' as const]),
      maxOutputTokens: 'max_completion_tokens',
      reasoning: { ...UNKNOWN.reasoning, givenBack: 'reasoning' },
      audio: 'with_format',
    },
    rateLimitHeaders: [],
    contextWindowMember: 'max_model_len',
  },
  ollama: {
    hasEmbeddings: true,
    responses: null,
    dialect: {
      ...UNKNOWN,
      fields: fields('frequencyPenalty', 'presencePenalty', 'seed', 'endUser'),
      reasoning: {
        asked: 'reasoning_effort',
        efforts: sameWords('none', 'low', 'medium', 'high'),
        shown: 'always',
        givenBack: 'reasoning',
        sealsOf: null,
      },
    },
    rateLimitHeaders: [],
    contextWindowMember: null,
  },
};

const HOSTS: readonly { host: RegExp; dialect: CompatibleDialect }[] = [
  { host: /\.(?:openai|cognitiveservices|services\.ai)\.azure\.com$/, dialect: 'azure' },
  { host: /^api\.deepseek\.com$/, dialect: 'deepseek' },
  { host: /(?:^|\.)api\.x\.ai$/, dialect: 'xai' },
  { host: /^api\.together\.(?:xyz|ai)$/, dialect: 'together' },
  { host: /^(?:[\w-]+\.)*ollama\.com$/, dialect: 'ollama' },
];
const OLLAMA_PORT = '11434';

/** What a server is, by its address. */
export const dialectOfHost = ({ hostname, port }: URL): CompatibleDialect => {
  if (port === OLLAMA_PORT) return 'ollama';
  return HOSTS.find(({ host }) => host.test(hostname))?.dialect ?? 'openai';
};
