import type { ChatRequest, ReasoningEffort, Seal } from '#contracts/inference';
import type { RateLimitHeaders } from '../rate-limits.ts';

type ServiceTier = NonNullable<ChatRequest['serviceTier']>;

/**
 * How a server that speaks OpenAI's dialect differs from OpenAI. Data alone: all of them share one wire,
 * and what is read from answers is read from every one of them alike.
 */
export type OpenaiDialect = {
  /** The fields of the canonical form that its Chat Completions have a word for, besides the conversation. */
  fields: ReadonlySet<keyof ChatRequest>;
  maxOutputTokens: 'max_completion_tokens' | 'max_tokens';
  seed: 'seed' | 'random_seed';
  /** Its word for "call a tool, whichever". */
  requiredToolChoice: 'required' | 'any';
  /** Whether a stream tells its usage only when asked; else the option is unknown to it. */
  asksForUsage: boolean;
  reasoning: ReasoningWords;
  /** Its words for our tiers; a tier that is missing here cannot be asked for. */
  serviceTiers: Readonly<Partial<Record<ServiceTier, string>>>;
  /** Whether it takes a JSON Schema for the answer, or JSON alone. */
  takesSchemas: boolean;
  /** How a document is sent: as `file` (its content, or also by URL), as `document_url`, or not at all. */
  documents: 'file' | 'file_or_url' | 'document_url' | null;
  /** How sound is sent: with its format, as the bare base64, or not at all. */
  audio: 'with_format' | 'bare' | null;
  /** Whether parts of a message may say what is to be kept in the prompt cache. */
  cacheControl: boolean;
};

/** How thinking is asked for, shown, and given back. */
export type ReasoningWords = {
  /** The member that says how much: a word, OpenRouter's object, or DeepSeek's switch with a word beside. */
  asked: 'reasoning_effort' | 'reasoning' | 'thinking';
  /** Its words for our efforts; an effort that is missing here cannot be asked for. */
  efforts: Readonly<Partial<Record<ReasoningEffort, string>>>;
  /** Whether the answer holds what was thought, `asked` by a member of the request. */
  shown: 'never' | 'always' | 'asked';
  /** How what was thought goes back in later turns; null where the server wants none of it. */
  givenBack: 'reasoning' | 'reasoning_content' | 'reasoning_details' | 'thinking_part' | null;
  /** Whose seals it understands. */
  sealsOf: Seal['origin'] | null;
};

export const sameWords = <Word extends string>(...words: readonly Word[]): Partial<Record<Word, string>> =>
  Object.fromEntries(words.map((word) => [word, word as string])) as Record<Word, string>;

/** What nearly every server takes. */
export const COMMON_FIELDS = [
  'outputFormat',
  'reasoning',
  'maxOutputTokens',
  'temperature',
  'topP',
] as const satisfies readonly (keyof ChatRequest)[];

/** OpenAI itself: https://platform.openai.com/docs/api-reference/chat/create */
export const OPENAI_DIALECT: OpenaiDialect = {
  fields: new Set<keyof ChatRequest>([
    ...COMMON_FIELDS,
    'parallelToolCalls',
    'frequencyPenalty',
    'presencePenalty',
    'seed',
    'logprobs',
    'verbosity',
    'serviceTier',
    'endUser',
  ]),
  maxOutputTokens: 'max_completion_tokens',
  seed: 'seed',
  requiredToolChoice: 'required',
  asksForUsage: true,
  reasoning: {
    asked: 'reasoning_effort',
    efforts: sameWords('none', 'minimal', 'low', 'medium', 'high', 'xhigh', 'max'),
    shown: 'never',
    givenBack: null,
    sealsOf: null,
  },
  serviceTiers: { auto: 'auto', standard: 'default', flex: 'flex', priority: 'priority' },
  takesSchemas: true,
  documents: 'file',
  audio: 'with_format',
  cacheControl: false,
};

const MINUTE_MS = 60_000;

/** https://platform.openai.com/docs/guides/rate-limits#rate-limits-in-headers */
export const OPENAI_RATE_LIMIT_HEADERS: readonly RateLimitHeaders[] = (['requests', 'tokens'] as const).map(
  (unit) => ({
    unit,
    windowMs: MINUTE_MS,
    limit: `x-ratelimit-limit-${unit}`,
    remaining: `x-ratelimit-remaining-${unit}`,
    reset: `x-ratelimit-reset-${unit}`,
  }),
);
