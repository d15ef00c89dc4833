import type { FinishReason, Seal, StreamPart } from '#contracts/inference';
import { UNKNOWN_USAGE, type Usage } from '#contracts/usage';
import { FloError } from '#domain/errors';
import type { VaryingMembers } from '../event-shape.ts';
import { countOf, objectOf, parseObject, textOf, type JsonObject } from '../json-fields.ts';
import { decodeOpenaiError } from '../openai/failure.ts';
import type { DecodedEvent, StreamDecoder } from '../provider.ts';
import {
  BETWEEN_SUMMARIES,
  finishReasonOf,
  readAnnotation,
  readTokens,
  sealOf,
  throwIfFailed,
} from './response.ts';
import { readResponsesUsage } from './usage.ts';

export const RESPONSES_VARYING: VaryingMembers = {
  texts: new Set(['delta', 'obfuscation']),
  counts: new Set(['sequence_number']),
};

const CALLS_MAX = 1_000;
const NOTHING: DecodedEvent = { parts: [], content: false, hidden: false };

type OpenCall = { index: number; hasArguments: boolean };

/** Reads the events of a streamed response; the last one holds the whole of it, its usage included. */
class ResponsesStreamDecoder {
  #id: string | null = null;
  #model: string | null = null;
  #finishReason: FinishReason | null = null;
  #usage: Usage = UNKNOWN_USAGE;
  #started = false;
  #refused = false;
  /** By the place of their item in the output. */
  readonly #calls = new Map<number, OpenCall>();
  readonly #sealsOf: Seal['origin'] | null;

  constructor(sealsOf: Seal['origin'] | null) {
    this.#sealsOf = sealsOf;
  }

  decode({ data }: { data: string }): DecodedEvent {
    if (data === '' || data.trim() === '[DONE]') return NOTHING;
    const event = parseObject(data);
    const parts = this.#read(event);
    return { parts, content: this.#isContent(event, parts), hidden: false };
  }

  facts() {
    return { id: this.#id, model: this.#model, finishReason: this.#finishReason, usage: this.#usage };
  }

  /** What tools write on the provider's side is seen by the reader, too, though it becomes no part. */
  #isContent({ type, item }: JsonObject, parts: readonly StreamPart[]): boolean {
    if (parts.some((part) => part.type.endsWith('_delta') || part.type === 'tool_call_start')) return true;
    const itemType = objectOf(item)['type'];
    return type === 'response.output_item.added' && itemType !== 'message' && itemType !== 'reasoning';
  }

  #read(event: JsonObject): StreamPart[] {
    switch (event['type']) {
      case 'error':
        // The API's own shape, and the flat one of its description.
        throw decodeOpenaiError(event['error'] === undefined ? { error: event } : event);
      case 'response.created':
      case 'response.queued':
      case 'response.in_progress':
        return this.#start(objectOf(event['response']));
      case 'response.output_item.added':
        return this.#openItem(event);
      case 'response.output_item.done':
        return this.#closeItem(event);
      case 'response.output_text.delta': {
        const tokens = readTokens(event['logprobs']);
        const text = textOf(event['delta']) ?? '';
        return [
          ...(tokens.length > 0 ? [{ type: 'logprobs' as const, tokens }] : []),
          ...(text === '' ? [] : [{ type: 'text_delta' as const, text }]),
        ];
      }
      case 'response.output_text.annotation.added':
        return readAnnotation(event['annotation']).map((citation) => ({ type: 'citation', citation }));
      case 'response.refusal.delta': {
        this.#refused = true;
        const text = textOf(event['delta']) ?? '';
        return text === '' ? [] : [{ type: 'refusal_delta', text }];
      }
      case 'response.reasoning_summary_part.added':
        return (countOf(event['summary_index']) ?? 0) > 0
          ? [{ type: 'reasoning_delta', text: BETWEEN_SUMMARIES }]
          : [];
      case 'response.reasoning_summary_text.delta':
      case 'response.reasoning_text.delta': {
        const text = textOf(event['delta']) ?? '';
        return text === '' ? [] : [{ type: 'reasoning_delta', text }];
      }
      case 'response.function_call_arguments.delta':
        return this.#writeCall(event, textOf(event['delta']) ?? '');
      case 'response.completed':
      case 'response.incomplete':
      case 'response.failed':
        return this.#end(objectOf(event['response']));
      default:
        return [];
    }
  }

  #start(response: JsonObject): StreamPart[] {
    this.#id ??= textOf(response['id']);
    this.#model ??= textOf(response['model']);
    if (this.#started) return [];
    this.#started = true;
    return [{ type: 'start', id: this.#id ?? '', model: this.#model ?? '' }];
  }

  #openItem({ item: value, output_index: place }: JsonObject): StreamPart[] {
    const item = objectOf(value);
    if (item['type'] !== 'function_call') return [];
    const id = textOf(item['call_id']);
    const name = textOf(item['name']);
    if (id === null || name === null || this.#calls.size >= CALLS_MAX) {
      throw new FloError('malformed_answer', "A function call in the provider's answer cannot be read.");
    }
    const index = this.#calls.size;
    this.#calls.set(countOf(place) ?? index, { index, hasArguments: false });
    return [{ type: 'tool_call_start', index, id, name }];
  }

  #writeCall({ output_index: place }: JsonObject, argumentsDelta: string): StreamPart[] {
    const call = this.#calls.get(countOf(place) ?? -1);
    if (call === undefined || argumentsDelta === '') return [];
    call.hasArguments = true;
    return [{ type: 'tool_call_delta', index: call.index, argumentsDelta }];
  }

  #closeItem(event: JsonObject): StreamPart[] {
    const item = objectOf(event['item']);
    if (item['type'] === 'reasoning') {
      const seal = sealOf(item, this.#sealsOf);
      return seal === undefined ? [] : [{ type: 'reasoning_seal', seal }];
    }
    if (item['type'] !== 'function_call') return [];
    // Some servers write a call at once.
    const place = countOf(event['output_index']) ?? -1;
    const started = this.#calls.has(place) ? [] : this.#openItem(event);
    const isWritten = this.#calls.get(place)?.hasArguments === true;
    return [...started, ...(isWritten ? [] : this.#writeCall(event, textOf(item['arguments']) ?? ''))];
  }

  #end(response: JsonObject): StreamPart[] {
    const started = this.#start(response);
    this.#usage = readResponsesUsage(response, 'provider');
    throwIfFailed(response);
    const reason = finishReasonOf(response);
    if (reason === null) {
      throw new FloError('malformed_answer', "The provider's answer ends without having been completed.");
    }
    this.#finishReason = reason === 'stop' ? this.#reasonSeen() : reason;
    return [
      ...started,
      { type: 'finish', reason: this.#finishReason },
      { type: 'usage', usage: this.#usage },
      { type: 'end' },
    ];
  }

  /** Servers that do not repeat the output at the end have said it before. */
  #reasonSeen(): FinishReason {
    if (this.#refused) return 'content_filter';
    return this.#calls.size > 0 ? 'tool_calls' : 'stop';
  }
}

export const createResponsesStreamDecoder = (sealsOf: Seal['origin'] | null): StreamDecoder => {
  const decoder = new ResponsesStreamDecoder(sealsOf);
  return { decode: (event) => decoder.decode(event), facts: () => decoder.facts() };
};
