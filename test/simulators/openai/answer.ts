import type { Answer } from '../answer.ts';
import type { AnswerToEncode, StreamEvent } from '../provider.ts';

/** The dated models that names without a date stand for. */
const SNAPSHOTS: Record<string, string> = {
  'gpt-4o': 'gpt-4o-2024-08-06',
  'gpt-4o-mini': 'gpt-4o-mini-2024-07-18',
  'gpt-4.1': 'gpt-4.1-2025-04-14',
  'gpt-4.1-mini': 'gpt-4.1-mini-2025-04-14',
  'gpt-4.1-nano': 'gpt-4.1-nano-2025-04-14',
  'gpt-5-nano': 'gpt-5-nano-2025-08-07',
};

const FINGERPRINT = 'fp_51a9c0de77';

const finishReason = (answer: Answer): string => {
  switch (answer.stop.kind) {
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

/** The API's own usage object: cached and written tokens are parts of `prompt_tokens`. */
const encodeUsage = ({ answer, behaviour }: AnswerToEncode): unknown => {
  if (behaviour.rawUsage !== undefined) return behaviour.rawUsage;
  const { tokens } = answer;
  const written = tokens.cache_write_5m + tokens.cache_write_1h + tokens.cache_write_other;
  const prompt = tokens.input + tokens.cache_read + written;
  return {
    prompt_tokens: prompt,
    completion_tokens: tokens.output,
    total_tokens: prompt + tokens.output,
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
};

const answerId = (unique: string): string => `chatcmpl-${unique.slice(0, 29)}`;
const callId = (unique: string, index: number): string =>
  `call_${unique.slice(0, 22)}${String(index).padStart(2, '0')}`;
const answeredModel = (model: string): string => SNAPSHOTS[model] ?? model;

export const encodeChatCompletion = (input: AnswerToEncode): string => {
  const { answer, context, request, behaviour } = input;
  const text = answer.text.join('');
  const refused = answer.stop.kind === 'refusal';
  const toolCalls = answer.toolCalls.map((call, index) => ({
    id: callId(context.unique, index),
    type: 'function',
    function: { name: call.name, arguments: call.fragments.join('') },
  }));
  const completion = {
    id: answerId(context.unique),
    object: 'chat.completion',
    created: Math.floor(context.nowMs / 1000),
    model: answeredModel(request.model),
    choices: [
      {
        index: 0,
        message: {
          role: 'assistant',
          content: toolCalls.length > 0 || refused ? null : text,
          ...(toolCalls.length > 0 ? { tool_calls: toolCalls } : {}),
          refusal: refused ? text : null,
          annotations: [],
        },
        logprobs: null,
        finish_reason: finishReason(answer),
      },
    ],
    ...(behaviour.omitUsage === true ? {} : { usage: encodeUsage(input) }),
    service_tier: 'default',
    system_fingerprint: FINGERPRINT,
  };
  return `${JSON.stringify(completion, null, 2)}\n`;
};

type Delta = Record<string, unknown>;

/** The deltas of the message, each with the output tokens it adds. */
function* deltasOf(answer: Answer, unique: string): Generator<{ delta: Delta; tokens: number }> {
  if (answer.toolCalls.length > 0) {
    yield { delta: { role: 'assistant', content: null, refusal: null }, tokens: 0 };
    for (const [index, call] of answer.toolCalls.entries()) {
      const opening = {
        index,
        id: callId(unique, index),
        type: 'function',
        function: { name: call.name, arguments: '' },
      };
      yield { delta: { tool_calls: [opening] }, tokens: 1 };
      for (const fragment of call.fragments)
        yield { delta: { tool_calls: [{ index, function: { arguments: fragment } }] }, tokens: 1 };
    }
    return;
  }
  const refused = answer.stop.kind === 'refusal';
  yield {
    delta: refused
      ? { role: 'assistant', content: null, refusal: '' }
      : { role: 'assistant', content: '', refusal: null },
    tokens: 0,
  };
  for (const token of answer.text)
    yield { delta: refused ? { refusal: token } : { content: token }, tokens: 1 };
}

const PADDING = 'Kq7mZx2Rv9Tb4Ls8';

export function* encodeChatCompletionStream(input: AnswerToEncode): Generator<StreamEvent> {
  const { answer, context, request, behaviour } = input;
  const shared = {
    id: answerId(context.unique),
    object: 'chat.completion.chunk',
    created: Math.floor(context.nowMs / 1000),
    model: answeredModel(request.model),
    service_tier: 'default',
    system_fingerprint: FINGERPRINT,
  };
  const usageAsked = request.includeUsage && behaviour.omitUsage !== true;
  let outputTokens = answer.thinking.length === 0 ? answer.tokens.reasoning : 0;
  let chunks = 0;
  const chunkText = (choices: unknown[], usage: unknown): string => {
    chunks += 1;
    const padding = request.obfuscate
      ? { obfuscation: PADDING.slice(0, 1 + ((chunks * 7) % PADDING.length)) }
      : {};
    const chunk = { ...shared, choices, ...(usageAsked ? { usage } : {}), ...padding };
    return `data: ${JSON.stringify(chunk)}\n\n`;
  };
  for (const { delta, tokens } of deltasOf(answer, context.unique)) {
    outputTokens += tokens;
    const choice = { index: 0, delta, logprobs: null, finish_reason: null };
    yield { text: chunkText([choice], null), outputTokens, isEndMark: false };
  }
  outputTokens = answer.tokens.output;
  const last = { index: 0, delta: {}, logprobs: null, finish_reason: finishReason(answer) };
  yield { text: chunkText([last], null), outputTokens, isEndMark: false };
  if (usageAsked) yield { text: chunkText([], encodeUsage(input)), outputTokens, isEndMark: false };
  yield { text: 'data: [DONE]\n\n', outputTokens, isEndMark: true };
}
