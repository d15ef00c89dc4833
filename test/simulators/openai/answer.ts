import type { Answer } from '../answer.ts';
import type { AnswerToEncode, StreamEvent } from '../provider.ts';
import { writtenTokens, baseUsage, PLAIN_STYLE, type ChatStyle } from './chat-style.ts';

/** The dated models that names without a date stand for. */
const SNAPSHOTS: Record<string, string> = {
  'gpt-4o': 'gpt-4o-2024-08-06',
  'gpt-4o-mini': 'gpt-4o-mini-2024-07-18',
  'gpt-4.1': 'gpt-4.1-2025-04-14',
  'gpt-4.1-mini': 'gpt-4.1-mini-2025-04-14',
  'gpt-4.1-nano': 'gpt-4.1-nano-2025-04-14',
  'gpt-5-nano': 'gpt-5-nano-2025-08-07',
};

export const snapshotOf = (model: string): string => SNAPSHOTS[model] ?? model;

const FINGERPRINT = 'fp_51a9c0de77';
const LOGPROB = -0.25;

const logprobsOf = (tokens: readonly string[]) => ({
  content: tokens.map((token) => ({
    token,
    logprob: LOGPROB,
    bytes: [...Buffer.from(token)],
    top_logprobs: [],
  })),
  refusal: null,
});

/** OpenAI's own style: cached and written tokens are parts of `prompt_tokens`. */
export const OPENAI_STYLE: ChatStyle = {
  ...PLAIN_STYLE,
  answeredModel: snapshotOf,
  answerId: (unique) => `chatcmpl-${unique.slice(0, 29)}`,
  usage: (input) => {
    const { tokens } = input.answer;
    const written = writtenTokens(input.answer);
    return {
      ...baseUsage(input),
      prompt_tokens_details: {
        cached_tokens: tokens.cache_read,
        ...(written > 0 ? { cache_write_tokens: written } : {}),
        audio_tokens: 0,
      },
      completion_tokens_details: {
        reasoning_tokens: tokens.reasoning,
        audio_tokens: 0,
        accepted_prediction_tokens: 0,
        rejected_prediction_tokens: 0,
      },
    };
  },
  envelope: ({ request }) => ({
    service_tier: request.echo?.['service_tier'] === 'flex' ? 'flex' : 'default',
    system_fingerprint: FINGERPRINT,
  }),
  message: ({ text, refused, calls }) => ({
    role: 'assistant',
    content: calls.length > 0 || refused ? null : text,
    ...(calls.length > 0 ? { tool_calls: calls } : {}),
    refusal: refused ? text : null,
    annotations: [],
  }),
  openingDelta: (answer) => ({
    role: 'assistant',
    content: answer.toolCalls.length > 0 || answer.stop.kind === 'refusal' ? null : '',
    refusal: answer.stop.kind === 'refusal' ? '' : null,
  }),
  // Reasoning is charged here and never shown.
  reasoningDelta: () => ({}),
  pretty: true,
};

const usageOf = (style: ChatStyle, input: AnswerToEncode): unknown =>
  input.behaviour.rawUsage ?? style.usage(input);

const wantsLogprobs = ({ request }: AnswerToEncode): boolean => request.echo?.['logprobs'] === true;

export const encodeChatCompletion = (style: ChatStyle, input: AnswerToEncode): string => {
  const { answer, context, request, behaviour } = input;
  const completion = {
    id: style.answerId(context.unique),
    object: 'chat.completion',
    created: Math.floor(context.nowMs / 1000),
    model: style.answeredModel(request.model),
    choices: [
      {
        index: 0,
        message: style.message({
          text: answer.text.join(''),
          reasoning: answer.thinking.join(''),
          refused: answer.stop.kind === 'refusal',
          calls: answer.toolCalls.map((call, index) => ({
            id: style.callId(context.unique, index),
            type: 'function',
            function: { name: call.name, arguments: call.fragments.join('') },
          })),
        }),
        logprobs: wantsLogprobs(input) ? logprobsOf(answer.text) : null,
        finish_reason: style.finishReason(answer),
        ...style.choice(answer, true),
      },
    ],
    ...(behaviour.omitUsage === true ? {} : { usage: usageOf(style, input) }),
    ...style.envelope(input),
  };
  return style.pretty ? `${JSON.stringify(completion, null, 2)}\n` : JSON.stringify(completion);
};

type Delta = { delta: Record<string, unknown>; tokens: number; said?: string };

function* deltasOfCalls(style: ChatStyle, answer: Answer, unique: string): Generator<Delta> {
  for (const [index, call] of answer.toolCalls.entries()) {
    const opening = { index, id: style.callId(unique, index), type: 'function' };
    if (style.wholeCalls) {
      const whole = { ...opening, function: { name: call.name, arguments: call.fragments.join('') } };
      yield { delta: { tool_calls: [whole] }, tokens: 1 + call.fragments.length };
      continue;
    }
    const named = { ...opening, function: { name: call.name, arguments: '' } };
    yield { delta: { tool_calls: [named] }, tokens: 1 };
    for (const fragment of call.fragments)
      yield { delta: { tool_calls: [{ index, function: { arguments: fragment } }] }, tokens: 1 };
  }
}

/** The deltas of the message, each with the output tokens it adds. */
function* deltasOf(style: ChatStyle, answer: Answer, unique: string): Generator<Delta> {
  yield { delta: style.openingDelta(answer), tokens: 0 };
  const whole = answer.thinking.join('');
  for (const [index, piece] of answer.thinking.entries()) {
    const isLast = index === answer.thinking.length - 1;
    yield { delta: style.reasoningDelta(piece, { whole, isLast }), tokens: 1 };
  }
  if (answer.toolCalls.length > 0) yield* deltasOfCalls(style, answer, unique);
  else {
    const refused = answer.stop.kind === 'refusal' && 'refusal' in style.openingDelta(answer);
    for (const token of answer.text)
      yield {
        delta: refused ? { refusal: token } : (style.textDelta?.(token) ?? { content: token }),
        tokens: 1,
        said: token,
      };
  }
}

const PADDING = 'Kq7mZx2Rv9Tb4Ls8';

export function* encodeChatCompletionStream(style: ChatStyle, input: AnswerToEncode): Generator<StreamEvent> {
  const { answer, context, request, behaviour } = input;
  const shared = {
    id: style.answerId(context.unique),
    object: 'chat.completion.chunk',
    created: Math.floor(context.nowMs / 1000),
    model: style.answeredModel(request.model),
    ...style.envelope(input),
  };
  const usageSent = behaviour.omitUsage !== true;
  const usageAsked = style.streamUsage === 'asked' && request.includeUsage && usageSent;
  let outputTokens = answer.thinking.length === 0 ? answer.tokens.reasoning : 0;
  let chunks = 0;
  const chunkText = (choices: unknown[], fields: Record<string, unknown>): string => {
    chunks += 1;
    const padding = request.obfuscate
      ? { obfuscation: PADDING.slice(0, 1 + ((chunks * 7) % PADDING.length)) }
      : {};
    return `data: ${JSON.stringify({ ...shared, choices, ...fields, ...padding })}\n\n`;
  };
  const noUsage = usageAsked ? { usage: null } : {};
  if (style.preamble !== undefined) yield { text: style.preamble, outputTokens, isEndMark: false };
  for (const { delta, tokens, said } of deltasOf(style, answer, context.unique)) {
    outputTokens += tokens;
    const logprobs = wantsLogprobs(input) && said !== undefined ? logprobsOf([said]) : null;
    const choice = { index: 0, delta, logprobs, finish_reason: null, ...style.choice(answer, false) };
    yield { text: chunkText([choice], noUsage), outputTokens, isEndMark: false };
  }
  outputTokens = answer.tokens.output;
  const last = {
    index: 0,
    delta: {},
    logprobs: null,
    finish_reason: style.finishReason(answer),
    ...style.choice(answer, true),
  };
  const ownUsage = style.streamUsage === 'with_finish' && usageSent;
  const finish = {
    ...noUsage,
    ...(ownUsage ? { usage: usageOf(style, input) } : {}),
    ...(usageSent ? style.finishFields?.(input) : {}),
  };
  yield { text: chunkText([last], finish), outputTokens, isEndMark: false };
  if (usageAsked)
    yield { text: chunkText([], { usage: usageOf(style, input) }), outputTokens, isEndMark: false };
  yield { text: 'data: [DONE]\n\n', outputTokens, isEndMark: true };
}
