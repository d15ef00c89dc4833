import type { Answer } from '../answer.ts';
import type { AnswerToEncode, InferenceEndpoint, PlainEndpoint, StreamEvent } from '../provider.ts';
import { encryptReasoning } from '../seal.ts';
import { countInputTokens } from '../tokens.ts';
import { snapshotOf } from './answer.ts';
import { promptTokens, writtenTokens } from './chat-style.ts';
import { readResponsesRequest } from './responses-request.ts';

type Fields = Record<string, unknown>;

const itemId = (prefix: string, unique: string, index: number): string =>
  `${prefix}_0${unique}${String(index).padStart(4, '0')}`;

const usageOf = (input: AnswerToEncode): unknown => {
  const { answer, behaviour } = input;
  if (behaviour.omitUsage === true) return null;
  if (behaviour.rawUsage !== undefined) return behaviour.rawUsage;
  const written = writtenTokens(answer);
  return {
    input_tokens: promptTokens(answer),
    input_tokens_details: {
      cached_tokens: answer.tokens.cache_read,
      ...(written > 0 ? { cache_write_tokens: written } : {}),
    },
    output_tokens: answer.tokens.output,
    output_tokens_details: { reasoning_tokens: answer.tokens.reasoning },
    total_tokens: promptTokens(answer) + answer.tokens.output,
  };
};

/** What of the request an answer repeats, defaults filled in. */
const repeated = ({ request }: AnswerToEncode): Fields => {
  const echo: Fields = request.echo ?? {};
  const { reasoning, text } = echo as { reasoning?: Fields | null; text?: Fields };
  return {
    background: false,
    instructions: echo['instructions'] ?? null,
    max_output_tokens: echo['max_output_tokens'] ?? null,
    max_tool_calls: echo['max_tool_calls'] ?? null,
    parallel_tool_calls: echo['parallel_tool_calls'] ?? true,
    previous_response_id: echo['previous_response_id'] ?? null,
    prompt_cache_key: echo['prompt_cache_key'] ?? null,
    reasoning: { effort: reasoning?.['effort'] ?? null, summary: reasoning?.['summary'] ?? null },
    safety_identifier: echo['safety_identifier'] ?? null,
    store: echo['store'] ?? true,
    temperature: echo['temperature'] ?? 1,
    text: { format: { type: 'text' }, verbosity: 'medium', ...text },
    tool_choice: echo['tool_choice'] ?? 'auto',
    tools: echo['tools'] ?? [],
    top_logprobs: echo['top_logprobs'] ?? 0,
    top_p: echo['top_p'] ?? 1,
    truncation: echo['truncation'] ?? 'disabled',
    user: echo['user'] ?? null,
    metadata: echo['metadata'] ?? {},
  };
};

const responseOf = (input: AnswerToEncode, state: Fields): Fields => {
  const { context, request } = input;
  return {
    id: `resp_0${context.unique}aa`,
    object: 'response',
    created_at: Math.floor(context.nowMs / 1000),
    status: 'in_progress',
    error: null,
    incomplete_details: null,
    model: snapshotOf(request.model),
    output: [],
    service_tier: 'default',
    usage: null,
    ...repeated(input),
    ...state,
  };
};

const finalState = (input: AnswerToEncode, output: readonly Fields[]): Fields => {
  const isCut = input.answer.stop.kind === 'length';
  return {
    status: isCut ? 'incomplete' : 'completed',
    incomplete_details: isCut ? { reason: 'max_output_tokens' } : null,
    output,
    usage: usageOf(input),
  };
};

const wantsEncrypted = ({ request }: AnswerToEncode): boolean => {
  const include: unknown = request.echo?.['include'];
  return Array.isArray(include) && include.includes('reasoning.encrypted_content');
};

/** Pieces that each are a token, and the events they make. */
type Planned = { item: Fields; opening: Fields; parts: PlannedPart[] };
type PlannedPart = {
  kind: 'output_text' | 'refusal' | 'summary_text' | 'arguments';
  pieces: string[];
};

const planReasoning = (input: AnswerToEncode): Planned[] => {
  const { answer, context } = input;
  if (answer.tokens.reasoning === 0) return [];
  const text = answer.thinking.join('');
  const item: Fields = {
    id: itemId('rs', context.unique, 0),
    type: 'reasoning',
    summary: text === '' ? [] : [{ type: 'summary_text', text }],
    ...(wantsEncrypted(input) ? { encrypted_content: encryptReasoning(text) } : {}),
  };
  const parts: PlannedPart[] = text === '' ? [] : [{ kind: 'summary_text', pieces: answer.thinking }];
  return [{ item, opening: { ...item, summary: [] }, parts }];
};

const planMessage = ({ answer, context }: AnswerToEncode, index: number): Planned => {
  const refused = answer.stop.kind === 'refusal';
  const text = answer.text.join('');
  const item: Fields = {
    id: itemId('msg', context.unique, index),
    type: 'message',
    status: answer.stop.kind === 'length' ? 'incomplete' : 'completed',
    content: [
      refused
        ? { type: 'refusal', refusal: text }
        : { type: 'output_text', annotations: [], logprobs: [], text },
    ],
    role: 'assistant',
  };
  return {
    item,
    opening: { ...item, status: 'in_progress', content: [] },
    parts: [{ kind: refused ? 'refusal' : 'output_text', pieces: answer.text }],
  };
};

const planItems = (input: AnswerToEncode): Planned[] => {
  const { answer, context } = input;
  const planned = planReasoning(input);
  for (const [index, call] of answer.toolCalls.entries()) {
    const item: Fields = {
      id: itemId('fc', context.unique, index),
      type: 'function_call',
      status: answer.stop.kind === 'length' ? 'incomplete' : 'completed',
      arguments: call.fragments.join(''),
      call_id: `call_${context.unique.slice(0, 22)}${String(index).padStart(2, '0')}`,
      name: call.name,
    };
    planned.push({
      item,
      opening: { ...item, status: 'in_progress', arguments: '' },
      parts: [{ kind: 'arguments', pieces: call.fragments }],
    });
  }
  if (answer.toolCalls.length === 0 && (answer.text.length > 0 || answer.stop.kind !== 'length'))
    planned.push(planMessage(input, 0));
  return planned;
};

const PART_EVENTS = {
  output_text: { delta: 'response.output_text.delta', done: 'response.output_text.done', field: 'text' },
  refusal: { delta: 'response.refusal.delta', done: 'response.refusal.done', field: 'refusal' },
  summary_text: {
    delta: 'response.reasoning_summary_text.delta',
    done: 'response.reasoning_summary_text.done',
    field: 'text',
  },
  arguments: {
    delta: 'response.function_call_arguments.delta',
    done: 'response.function_call_arguments.done',
    field: 'arguments',
  },
} as const;

const emptyPart = (kind: PlannedPart['kind'], text: string): Fields => {
  switch (kind) {
    case 'output_text':
      return { type: kind, annotations: [], logprobs: [], text };
    case 'refusal':
      return { type: kind, refusal: text };
    case 'summary_text':
    case 'arguments':
      return { type: kind, text };
  }
};

type Emit = (type: string, fields: Fields, tokens?: number) => StreamEvent;

function* encodePart(
  emit: Emit,
  part: PlannedPart,
  at: { item_id: unknown; output_index: number; name: unknown },
): Generator<StreamEvent> {
  const { kind, pieces } = part;
  const isSummary = kind === 'summary_text';
  const { name, ...place } = at;
  const position: Fields = { ...place, ...(isSummary ? { summary_index: 0 } : { content_index: 0 }) };
  const where = kind === 'arguments' ? place : position;
  const prefix = isSummary ? 'response.reasoning_summary_part' : 'response.content_part';
  const whole = pieces.join('');
  if (kind !== 'arguments') yield emit(`${prefix}.added`, { ...position, part: emptyPart(kind, '') });
  const events = PART_EVENTS[kind];
  const logprobs = kind === 'output_text' ? { logprobs: [] } : {};
  for (const delta of pieces) yield emit(events.delta, { ...where, delta, ...logprobs }, 1);
  const named = kind === 'arguments' ? { name } : {};
  yield emit(events.done, { ...where, [events.field]: whole, ...logprobs, ...named });
  if (kind !== 'arguments') yield emit(`${prefix}.done`, { ...position, part: emptyPart(kind, whole) });
}

const hiddenReasoning = ({ thinking, tokens }: Answer): number =>
  thinking.length === 0 ? tokens.reasoning : 0;

function* encodeResponseStream(input: AnswerToEncode): Generator<StreamEvent> {
  const { answer } = input;
  let sequence = 0;
  let outputTokens = hiddenReasoning(answer);
  const emit: Emit = (type, fields, tokens = 0) => {
    outputTokens += tokens;
    const event = { type, ...fields, sequence_number: sequence++ };
    const isEndMark = type === 'response.completed' || type === 'response.incomplete';
    return { text: `event: ${type}\ndata: ${JSON.stringify(event)}\n\n`, outputTokens, isEndMark };
  };
  yield emit('response.created', { response: responseOf(input, {}) });
  yield emit('response.in_progress', { response: responseOf(input, {}) });
  const planned = planItems(input);
  for (const [outputIndex, { item, opening, parts }] of planned.entries()) {
    const naming = item['type'] === 'function_call' ? 1 : 0;
    yield emit('response.output_item.added', { output_index: outputIndex, item: opening }, naming);
    for (const part of parts)
      yield* encodePart(emit, part, { item_id: item['id'], output_index: outputIndex, name: item['name'] });
    yield emit('response.output_item.done', { output_index: outputIndex, item });
  }
  outputTokens = answer.tokens.output;
  const state = finalState(
    input,
    planned.map(({ item }) => item),
  );
  const type = state['status'] === 'completed' ? 'response.completed' : 'response.incomplete';
  yield emit(type, { response: responseOf(input, state) });
}

/** `POST /v1/responses`, without memory of what came before. */
export const responsesEndpointOf = (readRequest: InferenceEndpoint['readRequest']): InferenceEndpoint => ({
  operation: 'inference',
  readRequest,
  encodeAnswer: (input) => {
    const items = planItems(input).map(({ item }) => item);
    return `${JSON.stringify(responseOf(input, finalState(input, items)), null, 2)}\n`;
  },
  encodeStream: encodeResponseStream,
  encodeStreamFailure: () =>
    `event: error\ndata: ${JSON.stringify({ type: 'error', code: 'server_error', message: 'The server had an error while processing your request.', param: null, sequence_number: 9_999 })}\n\n`,
});

export const responsesEndpoint = responsesEndpointOf(readResponsesRequest);

/** `POST /v1/responses/input_tokens`. */
export const inputTokensEndpoint: PlainEndpoint = {
  operation: 'token_count',
  readRequest: (raw, address) => {
    const { model, conversation } = readResponsesRequest(raw, address);
    return {
      model,
      inputTokens: null,
      encode: () =>
        JSON.stringify({ object: 'response.input_tokens', input_tokens: countInputTokens(conversation) }),
    };
  },
};
