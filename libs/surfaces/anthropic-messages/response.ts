import type { AssistantPart, ChatResponse, Citation, FinishReason, Seal } from '#contracts/inference';
import type { Usage } from '#contracts/usage';
import { parseArguments } from '../call-arguments.ts';
import { NO_SEAL, wrapSeal, writeSeal } from '../seal-text.ts';
import { answerTokensOf, uncachedTokensOf } from '../token-totals.ts';

const STOP_REASONS: Readonly<Record<FinishReason, string>> = {
  stop: 'end_turn',
  stop_sequence: 'stop_sequence',
  length: 'max_tokens',
  tool_calls: 'tool_use',
  content_filter: 'refusal',
};

export const encodeStopReason = (reason: FinishReason): string => STOP_REASONS[reason];

/** The tiers of the dialect; clients may refuse a word they do not know. */
const SERVICE_TIERS = ['standard', 'priority', 'batch'];

/**
 * Usage as the dialect counts: `input_tokens` without caches. What is unknown is null where the dialect
 * lets it be, else 0.
 */
export const encodeUsage = ({ tokens, reasoning, serviceTier }: Usage): object => {
  const { cache_write_5m, cache_write_1h, cache_write_other } = tokens;
  const hasWrites = [cache_write_5m, cache_write_1h, cache_write_other].some((count) => count !== undefined);
  const isSplit = cache_write_5m !== undefined || cache_write_1h !== undefined;
  return {
    input_tokens: uncachedTokensOf(tokens),
    cache_creation_input_tokens: hasWrites
      ? (cache_write_5m ?? 0) + (cache_write_1h ?? 0) + (cache_write_other ?? 0)
      : null,
    cache_read_input_tokens: tokens.cache_read ?? null,
    // With a write of unknown lifetime the split would not add up.
    cache_creation:
      isSplit && (cache_write_other ?? 0) === 0
        ? {
            ephemeral_5m_input_tokens: cache_write_5m ?? 0,
            ephemeral_1h_input_tokens: cache_write_1h ?? 0,
          }
        : null,
    output_tokens: answerTokensOf(tokens),
    ...(reasoning !== undefined && { output_tokens_details: { thinking_tokens: reasoning } }),
    service_tier: serviceTier !== undefined && SERVICE_TIERS.includes(serviceTier) ? serviceTier : null,
  };
};

export const encodeCitations = (citations: readonly Citation[]): object[] =>
  citations.flatMap(({ url, title, citedText }) =>
    url === undefined
      ? []
      : [
          {
            type: 'web_search_result_location',
            url,
            title: title ?? null,
            cited_text: citedText ?? '',
            encrypted_index: '',
          },
        ],
  );

/** The dialect shows nothing of what another provider sealed. */
export const encodeSealAlone = (seal: Seal): object =>
  seal.origin === 'anthropic' && seal.kind === 'signature'
    ? { type: 'thinking', thinking: '', signature: seal.value }
    : { type: 'redacted_thinking', data: writeSeal(seal, 'anthropic') };

/** A call has no place for a seal of its own: it goes before the call, and names it. */
export const encodeCallSeal = (seal: Seal, toolCallId: string): object => ({
  type: 'redacted_thinking',
  data: wrapSeal(seal, toolCallId),
});

const encodePart = (part: AssistantPart): object[] => {
  switch (part.type) {
    case 'text': {
      const citations = encodeCitations(part.citations ?? []);
      return [{ type: 'text', text: part.text, ...(citations.length > 0 && { citations }) }];
    }
    case 'refusal':
      return [{ type: 'text', text: part.text }];
    case 'reasoning': {
      const { text, seal } = part;
      if (text === '') return seal === undefined ? [] : [encodeSealAlone(seal)];
      const signature = seal === undefined ? NO_SEAL : writeSeal(seal, 'anthropic');
      return [{ type: 'thinking', thinking: text, signature }];
    }
    case 'tool_call': {
      const { id, name, seal } = part;
      const call = { type: 'tool_use', id, name, input: parseArguments(part) };
      return seal === undefined ? [call] : [encodeCallSeal(seal, id), call];
    }
  }
};

export const encodeAnthropicResponse = (response: ChatResponse): object => ({
  id: response.id,
  type: 'message',
  role: 'assistant',
  model: response.model,
  content: response.content.flatMap(encodePart),
  stop_reason: encodeStopReason(response.finishReason),
  stop_sequence: response.stopSequence ?? null,
  usage: encodeUsage(response.usage),
});
