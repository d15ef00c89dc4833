/**
 * The canonical form of a chat request and its answer, used only where the client's dialect and the
 * provider's differ. Where they are the same, the original bytes go through and none of this is built.
 *
 * Plain types: values are made by `decode*` functions that have already validated their input.
 */
import type { Usage } from './usage.ts';

/** What the provider is asked to keep in its prompt cache, up to and with the part that carries it. */
export type CacheControl = { ttl: '5m' | '1h' };

export type BinarySource = { kind: 'url'; url: string } | { kind: 'base64'; mediaType: string; data: string };

/**
 * A provider's own proof of its reasoning, opaque to everyone else: given back in later turns so that the
 * conversation can go on, and only ever to the dialect it came from.
 */
export type Seal = {
  origin: 'anthropic' | 'google' | 'openai' | 'openrouter';
  /** `signature` proves the text beside it; `redacted` and `encrypted` stand in for a text that is not shown. */
  kind: 'signature' | 'redacted' | 'encrypted';
  value: string;
  /** The provider's id of the item, where it must be given back with it. */
  id?: string;
};

/** Where a statement of the answer comes from. Positions count UTF-16 units of the part's text. */
export type Citation = {
  url?: string;
  title?: string;
  citedText?: string;
  start?: number;
  end?: number;
};

export type TextPart = {
  type: 'text';
  text: string;
  cacheControl?: CacheControl;
  citations?: Citation[];
};
export type ImagePart = {
  type: 'image';
  source: BinarySource;
  detail?: 'auto' | 'low' | 'high';
  cacheControl?: CacheControl;
};
export type DocumentPart = {
  type: 'document';
  source: BinarySource | { kind: 'text'; text: string };
  title?: string;
  cacheControl?: CacheControl;
};
/** `format` as in the file's name: `wav`, `mp3`. */
export type AudioPart = { type: 'audio'; format: string; data: string };
/** What the model thought, as far as it is shown; the text may be empty beside a seal. */
export type ReasoningPart = { type: 'reasoning'; text: string; seal?: Seal };
/** What the model says instead of an answer. */
export type RefusalPart = { type: 'refusal'; text: string };
/** A call the model wants made. `argumentsJson` is kept as the text the model wrote. */
export type ToolCallPart = {
  type: 'tool_call';
  id: string;
  name: string;
  argumentsJson: string;
  seal?: Seal;
  cacheControl?: CacheControl;
};
export type ToolResultPart = {
  type: 'tool_result';
  toolCallId: string;
  content: (TextPart | ImagePart | DocumentPart)[];
  isError: boolean;
  cacheControl?: CacheControl;
};

export type UserPart = TextPart | ImagePart | DocumentPart | AudioPart | ToolResultPart;
export type AssistantPart = TextPart | ReasoningPart | RefusalPart | ToolCallPart;
export type UserMessage = { role: 'user'; content: UserPart[] };
export type AssistantMessage = { role: 'assistant'; content: AssistantPart[] };
/** An instruction in the middle of the conversation; what stands before it is the request's `system`. */
export type SystemMessage = { role: 'system'; content: TextPart[] };
export type ChatMessage = UserMessage | AssistantMessage | SystemMessage;

export type ToolDefinition = {
  name: string;
  description?: string;
  /** A JSON Schema, passed on as it is. */
  inputSchema: Record<string, unknown>;
  /** Whether the arguments must match the schema exactly. */
  strict?: boolean;
  cacheControl?: CacheControl;
};

export type ToolChoice =
  | { type: 'auto' }
  | { type: 'none' }
  | { type: 'required' }
  | { type: 'tool'; name: string };

/** `schema` is a JSON Schema, passed on as it is. */
export type OutputFormat =
  | { type: 'json' }
  | {
      type: 'json_schema';
      name?: string;
      description?: string;
      schema: Record<string, unknown>;
      strict?: boolean;
    };

export const REASONING_EFFORTS = ['none', 'minimal', 'low', 'medium', 'high', 'xhigh', 'max'] as const;
export type ReasoningEffort = (typeof REASONING_EFFORTS)[number];

/** How much the model may think. A dialect says it by effort or by a budget, never by both. */
export type Reasoning = {
  effort?: ReasoningEffort;
  budgetTokens?: number;
  /** Whether what it thought is wanted in the answer. */
  shown?: boolean;
};

export type ChatRequest = {
  stream: boolean;
  system: TextPart[];
  messages: ChatMessage[];
  tools: ToolDefinition[];
  toolChoice?: ToolChoice;
  parallelToolCalls?: boolean;
  outputFormat?: OutputFormat;
  reasoning?: Reasoning;
  maxOutputTokens?: number;
  temperature?: number;
  topP?: number;
  topK?: number;
  frequencyPenalty?: number;
  presencePenalty?: number;
  seed?: number;
  /** How many alternatives are wanted beside each token of the answer; 0 for the token alone. */
  logprobs?: number;
  verbosity?: 'low' | 'medium' | 'high';
  serviceTier?: 'auto' | 'standard' | 'flex' | 'priority';
  stop: string[];
  endUser?: string;
};

export type FinishReason = 'stop' | 'stop_sequence' | 'length' | 'tool_calls' | 'content_filter';

/** `logprob` is the natural logarithm; `bytes` the token's UTF-8. */
export type TokenAlternative = { token: string; logprob: number; bytes?: number[] };
export type TokenLogprob = TokenAlternative & { alternatives: TokenAlternative[] };

export type ChatResponse = {
  id: string;
  model: string;
  content: AssistantPart[];
  finishReason: FinishReason;
  /** The stop sequence that ended the answer, where the provider names it. */
  stopSequence?: string;
  logprobs?: TokenLogprob[];
  usage: Usage;
};

/**
 * Parts of a streamed answer, in order: one `start`, then deltas, then `finish`. `usage` may come
 * several times and each replaces the one before. `end` is the provider's own sign that the stream is
 * whole; a stream without it was cut. A `reasoning_seal` closes the reasoning before it, and stands alone
 * where nothing is shown.
 */
export type StreamPart =
  | { type: 'start'; id: string; model: string }
  | { type: 'text_delta'; text: string }
  | { type: 'citation'; citation: Citation }
  | { type: 'reasoning_delta'; text: string }
  | { type: 'reasoning_seal'; seal: Seal }
  | { type: 'refusal_delta'; text: string }
  | { type: 'logprobs'; tokens: TokenLogprob[] }
  | { type: 'tool_call_start'; index: number; id: string; name: string; seal?: Seal }
  | { type: 'tool_call_delta'; index: number; argumentsDelta: string }
  | { type: 'finish'; reason: FinishReason; stopSequence?: string }
  | { type: 'usage'; usage: Usage }
  | { type: 'end' };
