import type { Answer } from '../answer.ts';
import type { AnswerToEncode } from '../provider.ts';

/** How a provider that speaks Chat Completions differs in its answers from OpenAI, where the dialect began. */
export type ChatStyle = {
  /** The dated model that a name without a date stands for. */
  answeredModel: (model: string) => string;
  answerId: (unique: string) => string;
  callId: (unique: string, index: number) => string;
  finishReason: (answer: Answer) => string;
  usage: (input: AnswerToEncode) => Record<string, unknown>;
  /** More fields of a whole answer or a chunk. */
  envelope: (input: AnswerToEncode) => Record<string, unknown>;
  /** More fields of a choice. */
  choice: (answer: Answer, isLast: boolean) => Record<string, unknown>;
  /** The message of a whole answer; `calls` is empty where none are made. */
  message: (said: SaidWhole) => Record<string, unknown>;
  /** The delta that shows a piece of reasoning; `isLast` ends it. */
  reasoningDelta: (piece: string, reasoning: { whole: string; isLast: boolean }) => Record<string, unknown>;
  /** A delta of text, where it is not simply `content`. */
  textDelta?: (piece: string) => Record<string, unknown>;
  openingDelta: (answer: Answer) => Record<string, unknown>;
  /** `asked`: a chunk of its own after the last, where the client wants it; `with_finish`: always, with the last. */
  streamUsage: 'asked' | 'with_finish';
  /** More fields of the chunk that ends the answer. */
  finishFields?: (input: AnswerToEncode) => Record<string, unknown>;
  /** Whether a tool call comes in one piece. */
  wholeCalls: boolean;
  /** What comes before the first chunk, such as a comment that keeps the connection alive. */
  preamble?: string;
  /** Whether a whole answer is laid out over several lines. */
  pretty: boolean;
};

export type SaidWhole = {
  text: string;
  reasoning: string;
  refused: boolean;
  calls: { id: string; type: 'function'; function: { name: string; arguments: string } }[];
};

export const writtenTokens = ({ tokens }: Answer): number =>
  tokens.cache_write_5m + tokens.cache_write_1h + tokens.cache_write_other;

/** All of the prompt's tokens, cached ones included. */
export const promptTokens = (answer: Answer): number =>
  answer.tokens.input + answer.tokens.cache_read + writtenTokens(answer);

export const baseUsage = ({ answer }: AnswerToEncode) => {
  const prompt = promptTokens(answer);
  return {
    prompt_tokens: prompt,
    completion_tokens: answer.tokens.output,
    total_tokens: prompt + answer.tokens.output,
  };
};

export const finishReasonOf = ({ stop }: Answer): string => {
  switch (stop.kind) {
    case 'end':
    case 'stop_sequence':
    case 'refusal':
      return 'stop';
    case 'length':
      return 'length';
    case 'tool_calls':
      return 'tool_calls';
  }
};

/** What compatible servers share; each sets what it does otherwise. */
export const PLAIN_STYLE: ChatStyle = {
  answeredModel: (model) => model,
  answerId: (unique) => `chatcmpl-${unique}`,
  callId: (unique, index) => `call_${unique.slice(0, 22)}${String(index).padStart(2, '0')}`,
  finishReason: finishReasonOf,
  usage: baseUsage,
  envelope: () => ({}),
  choice: () => ({}),
  message: ({ text, reasoning, calls }) => ({
    role: 'assistant',
    content: calls.length > 0 ? null : text,
    ...(reasoning === '' ? {} : { reasoning_content: reasoning }),
    ...(calls.length > 0 ? { tool_calls: calls } : {}),
  }),
  reasoningDelta: (piece) => ({ reasoning_content: piece }),
  openingDelta: () => ({ role: 'assistant', content: '' }),
  streamUsage: 'asked',
  wholeCalls: false,
  pretty: false,
};
