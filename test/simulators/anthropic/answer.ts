import type { Answer } from '../answer.ts';
import type { AnswerToEncode, StreamEvent } from '../provider.ts';
import { sealOf } from '../seal.ts';

/** The dated models that names without a date stand for. */
const SNAPSHOTS: Record<string, string> = {
  'claude-haiku-4-5': 'claude-haiku-4-5-20251001',
  'claude-sonnet-4-5': 'claude-sonnet-4-5-20250929',
  'claude-sonnet-4-0': 'claude-sonnet-4-20250514',
};

const stopReason = (answer: Answer): string => {
  switch (answer.stop.kind) {
    case 'end':
      return 'end_turn';
    case 'length':
      return 'max_tokens';
    case 'tool_calls':
      return 'tool_use';
    case 'refusal':
      return 'refusal';
    case 'stop_sequence':
      return 'stop_sequence';
  }
};

const stopFields = (answer: Answer): Record<string, unknown> => ({
  stop_reason: stopReason(answer),
  stop_sequence: answer.stop.kind === 'stop_sequence' ? answer.stop.sequence : null,
  stop_details: null,
});

const inputUsage = ({ tokens }: Answer): Record<string, unknown> => ({
  input_tokens: tokens.input,
  cache_creation_input_tokens: tokens.cache_write_5m + tokens.cache_write_1h + tokens.cache_write_other,
  cache_read_input_tokens: tokens.cache_read,
});

const fullUsage = (answer: Answer, outputTokens: number): Record<string, unknown> => ({
  ...inputUsage(answer),
  // A write of unknown lifetime is one the API gives no split for.
  ...(answer.tokens.cache_write_other > 0
    ? {}
    : {
        cache_creation: {
          ephemeral_5m_input_tokens: answer.tokens.cache_write_5m,
          ephemeral_1h_input_tokens: answer.tokens.cache_write_1h,
        },
      }),
  output_tokens: outputTokens,
});

const SERVED = { service_tier: 'standard', inference_geo: 'not_available' };

const CALLED_DIRECTLY = { type: 'direct' };

const thinkingDetails = (answer: Answer): Record<string, unknown> =>
  answer.tokens.reasoning > 0 ? { output_tokens_details: { thinking_tokens: answer.tokens.reasoning } } : {};

const toolUseId = (unique: string, index: number): string =>
  `toolu_01${unique.slice(0, 20)}${String(index).padStart(2, '0')}`;

/** Arguments cut off by the token limit are no JSON; the API then gives an empty input. */
const parseInput = (json: string): unknown => {
  try {
    return JSON.parse(json);
  } catch {
    return {};
  }
};

const head = ({ request, context }: AnswerToEncode): Record<string, unknown> => ({
  model: SNAPSHOTS[request.model] ?? request.model,
  id: `msg_01${context.unique.slice(0, 22)}`,
  type: 'message',
  role: 'assistant',
});

export const encodeMessage = (input: AnswerToEncode): string => {
  const { answer, context, behaviour } = input;
  const thinking = answer.thinking.join('');
  const text = answer.text.join('');
  const content: unknown[] = answer.toolCalls.map((call, index) => ({
    type: 'tool_use',
    id: toolUseId(context.unique, index),
    name: call.name,
    input: parseInput(call.fragments.join('')),
    caller: CALLED_DIRECTLY,
  }));
  if (text !== '') content.unshift({ type: 'text', text });
  if (thinking !== '') content.unshift({ type: 'thinking', thinking, signature: sealOf(thinking) });
  const usage = behaviour.rawUsage ?? {
    ...fullUsage(answer, answer.tokens.output),
    ...thinkingDetails(answer),
    ...SERVED,
  };
  return JSON.stringify({
    ...head(input),
    content,
    ...stopFields(answer),
    ...(behaviour.omitUsage === true ? {} : { usage }),
  });
};

type Delta = { delta: Record<string, unknown>; tokens: number };
type Block = { opening: Record<string, unknown>; deltas: Delta[] };

const blocksOf = (answer: Answer, unique: string): Block[] => {
  const blocks: Block[] = [];
  if (answer.thinking.length > 0) {
    const deltas: Delta[] = answer.thinking.map((thinking) => ({
      delta: { type: 'thinking_delta', thinking },
      tokens: 1,
    }));
    const signature = sealOf(answer.thinking.join(''));
    deltas.push({ delta: { type: 'signature_delta', signature }, tokens: 0 });
    blocks.push({ opening: { type: 'thinking', thinking: '', signature: '' }, deltas });
  }
  if (answer.text.length > 0)
    blocks.push({
      opening: { type: 'text', text: '' },
      deltas: answer.text.map((text) => ({ delta: { type: 'text_delta', text }, tokens: 1 })),
    });
  answer.toolCalls.forEach((call, index) => {
    const deltas = ['', ...call.fragments].map((fragment) => ({
      delta: { type: 'input_json_delta', partial_json: fragment },
      tokens: 1,
    }));
    blocks.push({
      opening: {
        type: 'tool_use',
        id: toolUseId(unique, index),
        name: call.name,
        input: {},
        caller: CALLED_DIRECTLY,
      },
      deltas,
    });
  });
  return blocks;
};

export function* encodeMessageStream(input: AnswerToEncode): Generator<StreamEvent> {
  const { answer, context, behaviour } = input;
  const usageSent = behaviour.omitUsage !== true;
  let outputTokens = 0;
  let events = 0;
  const event = (type: string, fields: Record<string, unknown>, isEndMark = false): StreamEvent => {
    events += 1;
    const json = JSON.stringify({ type, ...fields });
    // The API pads its events with spaces inside the object, some of them.
    const padded = `${json.slice(0, -1)}${' '.repeat((events * 5) % 11)}}`;
    return { text: `event: ${type}\ndata: ${padded}\n\n`, outputTokens, isEndMark };
  };
  const startUsage = { ...fullUsage(answer, Math.min(1, answer.tokens.output)), ...SERVED };
  yield event('message_start', {
    message: {
      ...head(input),
      content: [],
      stop_reason: null,
      stop_sequence: null,
      stop_details: null,
      ...(usageSent ? { usage: startUsage } : {}),
    },
  });
  let index = 0;
  for (const block of blocksOf(answer, context.unique)) {
    yield event('content_block_start', { index, content_block: block.opening });
    if (index === 0)
      yield { text: 'event: ping\ndata: {"type": "ping"}\n\n', outputTokens, isEndMark: false };
    for (const { delta, tokens } of block.deltas) {
      outputTokens += tokens;
      yield event('content_block_delta', { index, delta });
    }
    yield event('content_block_stop', { index });
    index += 1;
  }
  outputTokens = answer.tokens.output;
  const endUsage = behaviour.rawUsage ?? {
    ...inputUsage(answer),
    output_tokens: outputTokens,
    ...thinkingDetails(answer),
  };
  yield event('message_delta', { delta: stopFields(answer), ...(usageSent ? { usage: endUsage } : {}) });
  yield event('message_stop', {}, true);
}
