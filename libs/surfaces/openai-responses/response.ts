import type { AssistantPart, ChatResponse, FinishReason, TextPart } from '#contracts/inference';
import type { Usage } from '#contracts/usage';
import { isObject, type JsonObject } from '../field-reader.ts';
import { encodeLogprobs, encodeServiceTier, encodeUrlCitation } from '../openai/options.ts';
import { wrapSeal, writeSeal } from '../seal-text.ts';
import type { EncodeContext } from '../surface.ts';
import { answerTokensOf, promptTokensOf, writtenTokensOf } from '../token-totals.ts';

export type OutputItem = { id: string; type: string } & Record<string, unknown>;

/** Totals that hold their details as parts, as this dialect has them. */
export const encodeUsage = ({ tokens, reasoning }: Usage): object => {
  const input = promptTokensOf(tokens);
  const output = answerTokensOf(tokens);
  const written = writtenTokensOf(tokens);
  return {
    input_tokens: input,
    input_tokens_details: {
      cached_tokens: tokens.cache_read ?? 0,
      ...(written > 0 && { cache_write_tokens: written }),
    },
    output_tokens: output,
    output_tokens_details: { reasoning_tokens: reasoning ?? 0 },
    total_tokens: input + output,
  };
};

/** What the answer repeats of the request; nothing is kept of either. */
const repeatRequest = (body: unknown): object => {
  const asked: JsonObject = isObject(body) ? body : {};
  const text = isObject(asked['text']) ? asked['text'] : {};
  const reasoning = isObject(asked['reasoning']) ? asked['reasoning'] : {};
  return {
    background: false,
    instructions: asked['instructions'] ?? null,
    max_output_tokens: asked['max_output_tokens'] ?? null,
    max_tool_calls: asked['max_tool_calls'] ?? null,
    metadata: asked['metadata'] ?? {},
    parallel_tool_calls: asked['parallel_tool_calls'] ?? true,
    previous_response_id: null,
    prompt_cache_key: asked['prompt_cache_key'] ?? null,
    reasoning: { effort: reasoning['effort'] ?? null, summary: reasoning['summary'] ?? null },
    safety_identifier: asked['safety_identifier'] ?? null,
    store: false,
    temperature: asked['temperature'] ?? null,
    text: { ...text, format: text['format'] ?? { type: 'text' } },
    tool_choice: asked['tool_choice'] ?? 'auto',
    tools: asked['tools'] ?? [],
    top_logprobs: asked['top_logprobs'] ?? 0,
    top_p: asked['top_p'] ?? null,
    truncation: 'disabled',
    user: asked['user'] ?? null,
  };
};

export type ResponseState = {
  id: string;
  model: string;
  /** Null while it is being written. */
  finishReason: FinishReason | null;
  output: readonly OutputItem[];
  usage: Usage;
};

const holdsRefusal = (output: readonly OutputItem[]): boolean =>
  output.some(
    ({ content }) =>
      Array.isArray(content) && content.some((part) => isObject(part) && part['type'] === 'refusal'),
  );

/** Why an answer is not complete: a refusal is one that is. */
const incompleteReasonOf = ({ finishReason, output }: ResponseState): string | null => {
  if (finishReason === 'length') return 'max_output_tokens';
  return finishReason === 'content_filter' && !holdsRefusal(output) ? 'content_filter' : null;
};

export const statusOf = (state: ResponseState): 'in_progress' | 'completed' | 'incomplete' =>
  state.finishReason === null
    ? 'in_progress'
    : incompleteReasonOf(state) === null
      ? 'completed'
      : 'incomplete';

export const encodeResponseObject = (state: ResponseState, context: EncodeContext, body: unknown): object => {
  const { id, model, finishReason, output, usage } = state;
  const reason = incompleteReasonOf(state);
  return {
    id,
    object: 'response',
    created_at: Math.floor(context.createdAtMs / 1_000),
    status: statusOf(state),
    error: null,
    incomplete_details: reason === null ? null : { reason },
    ...repeatRequest(body),
    model,
    output,
    service_tier: encodeServiceTier(usage.serviceTier) ?? 'default',
    usage: finishReason === null || usage.source === 'none' ? null : encodeUsage(usage),
  };
};

export const encodeAnnotations = ({ citations = [] }: Pick<TextPart, 'citations'>): object[] =>
  citations.flatMap((citation) => {
    const encoded = encodeUrlCitation(citation);
    return encoded === null ? [] : [{ type: 'url_citation', ...encoded }];
  });

/** Ids of items, unique in a conversation as long as the answers' are. */
export const itemIdOf = (prefix: 'msg' | 'rs' | 'fc', responseId: string, position: number): string =>
  `${prefix}_${responseId}_${position}`;

/** A seal that stands alone: what is sealed is not shown, or belongs to the call after it. */
const encodeReasoning = (id: string, text: string, encrypted: string | null): OutputItem => ({
  id,
  type: 'reasoning',
  summary: text === '' ? [] : [{ type: 'summary_text', text }],
  ...(encrypted !== null && { encrypted_content: encrypted }),
});

const encodeContent = (
  part: Extract<AssistantPart, { type: 'text' | 'refusal' }>,
  logprobs: ChatResponse['logprobs'],
): object =>
  part.type === 'refusal'
    ? { type: 'refusal', refusal: part.text }
    : {
        type: 'output_text',
        text: part.text,
        annotations: encodeAnnotations(part),
        logprobs: encodeLogprobs(logprobs ?? []),
      };

const encodeOutput = ({ id, content, logprobs }: ChatResponse): OutputItem[] => {
  const output: OutputItem[] = [];
  let message: object[] | null = null;
  let tokens = logprobs;
  for (const part of content) {
    if (part.type === 'text' || part.type === 'refusal') {
      if (message === null) {
        message = [];
        output.push({
          id: itemIdOf('msg', id, output.length),
          type: 'message',
          status: 'completed',
          role: 'assistant',
          content: message,
        });
      }
      message.push(encodeContent(part, tokens));
      // They are of the whole answer: given once, with its first text.
      if (part.type === 'text') tokens = undefined;
      continue;
    }
    message = null;
    if (part.type === 'reasoning') {
      const encrypted = part.seal === undefined ? null : writeSeal(part.seal, 'openai');
      const itemId = part.seal?.id ?? itemIdOf('rs', id, output.length);
      output.push(encodeReasoning(itemId, part.text, encrypted));
      continue;
    }
    if (part.seal !== undefined) {
      output.push(encodeReasoning(itemIdOf('rs', id, output.length), '', wrapSeal(part.seal, part.id)));
    }
    output.push({
      id: itemIdOf('fc', id, output.length),
      type: 'function_call',
      status: 'completed',
      call_id: part.id,
      name: part.name,
      arguments: part.argumentsJson,
    });
  }
  return output;
};

export const encodeResponsesResponse = (
  response: ChatResponse,
  context: EncodeContext,
  body: unknown,
): object =>
  encodeResponseObject(
    {
      id: response.id,
      model: response.model,
      finishReason: response.finishReason,
      output: encodeOutput(response),
      usage: response.usage,
    },
    context,
    body,
  );
