import type {
  AssistantPart,
  ChatResponse,
  Citation,
  FinishReason,
  ReasoningPart,
  Seal,
  TokenLogprob,
} from '#contracts/inference';
import { FloError } from '#domain/errors';
import { isObject, listOf, objectOf, parseObject, textOf, type JsonObject } from '../json-fields.ts';
import { readCitations, readLogprobs } from '../openai/answer-parts.ts';
import { decodeOpenaiError } from '../openai/failure.ts';
import type { AnswerFacts } from '../provider.ts';
import { readResponsesUsage } from './usage.ts';

/** Between the parts of one summary, which are thoughts of their own. */
export const BETWEEN_SUMMARIES = '\n\n';

/** An annotation is the citation itself here. */
export const readAnnotation = (annotation: unknown): Citation[] =>
  objectOf(annotation)['type'] === 'url_citation'
    ? readCitations({ annotations: [{ url_citation: annotation }] })
    : [];

export const readTokens = (tokens: unknown): TokenLogprob[] =>
  readLogprobs({ logprobs: { content: tokens } });

/** What proves a reasoning item in later turns; undefined where it was not asked for, or nobody else knows it. */
export const sealOf = (item: JsonObject, origin: Seal['origin'] | null): Seal | undefined => {
  const value = textOf(item['encrypted_content']) ?? '';
  const id = textOf(item['id']);
  return value === '' || origin === null
    ? undefined
    : { origin, kind: 'encrypted', value, ...(id !== null && { id }) };
};

const textsOf = (parts: unknown): string[] =>
  listOf(parts).map((part) => textOf(objectOf(part)['text']) ?? '');

const decodeReasoning = (item: JsonObject, sealsOf: Seal['origin'] | null): ReasoningPart[] => {
  const text = [...textsOf(item['summary']), ...textsOf(item['content'])].join(BETWEEN_SUMMARIES);
  const seal = sealOf(item, sealsOf);
  return text === '' && seal === undefined
    ? []
    : [{ type: 'reasoning', text, ...(seal !== undefined && { seal }) }];
};

const decodeContent = (value: unknown): AssistantPart[] => {
  const part = objectOf(value);
  if (part['type'] === 'refusal') return [{ type: 'refusal', text: textOf(part['refusal']) ?? '' }];
  const text = textOf(part['text']) ?? '';
  if (part['type'] !== 'output_text' || text === '') return [];
  const citations = listOf(part['annotations']).flatMap(readAnnotation);
  return [{ type: 'text', text, ...(citations.length > 0 && { citations }) }];
};

/** What tools did on the provider's side has no place in the canonical form, where none can be asked for. */
const decodeItem = (value: unknown, sealsOf: Seal['origin'] | null): AssistantPart[] => {
  const item = objectOf(value);
  switch (item['type']) {
    case 'reasoning':
      return decodeReasoning(item, sealsOf);
    case 'message':
      return listOf(item['content']).flatMap(decodeContent);
    case 'function_call': {
      const id = textOf(item['call_id']);
      const name = textOf(item['name']);
      if (id === null || name === null) {
        throw new FloError(
          'malformed_answer',
          "A function call in the provider's answer has no id or no name.",
        );
      }
      return [{ type: 'tool_call', id, name, argumentsJson: textOf(item['arguments']) ?? '' }];
    }
    default:
      return [];
  }
};

const holds = (output: unknown, type: 'refusal' | 'function_call'): boolean =>
  listOf(output).some((value) => {
    const item = objectOf(value);
    return item['type'] === type || listOf(item['content']).some((part) => objectOf(part)['type'] === type);
  });

/** Null while it is being written. */
export const finishReasonOf = ({
  status,
  incomplete_details: details,
  output,
}: JsonObject): FinishReason | null => {
  if (status === 'incomplete') {
    return objectOf(details)['reason'] === 'content_filter' ? 'content_filter' : 'length';
  }
  if (status !== 'completed') return null;
  if (holds(output, 'refusal')) return 'content_filter';
  return holds(output, 'function_call') ? 'tool_calls' : 'stop';
};

/** Throws what a failed response says of itself. */
export const throwIfFailed = (response: JsonObject): void => {
  if (isObject(response['error'])) throw decodeOpenaiError(response);
};

const readResponse = (body: Uint8Array): JsonObject => {
  const response = parseObject(body);
  throwIfFailed(response);
  if (!Array.isArray(response['output'])) {
    throw new FloError('malformed_answer', "The provider's answer has no output.");
  }
  return response;
};

const factsOf = (response: JsonObject): AnswerFacts => ({
  id: textOf(response['id']),
  model: textOf(response['model']),
  finishReason: finishReasonOf(response),
  usage: readResponsesUsage(response, 'provider'),
});

export const readResponsesAnswer = (body: Uint8Array): AnswerFacts => factsOf(readResponse(body));

const logprobsOf = (output: unknown): TokenLogprob[] =>
  listOf(output).flatMap((item) =>
    listOf(objectOf(item)['content']).flatMap((part) => readTokens(objectOf(part)['logprobs'])),
  );

export const decodeResponsesResponse = (body: Uint8Array, sealsOf: Seal['origin'] | null): ChatResponse => {
  const response = readResponse(body);
  const { id, model, finishReason, usage } = factsOf(response);
  const logprobs = logprobsOf(response['output']);
  return {
    id: id ?? '',
    model: model ?? '',
    content: listOf(response['output']).flatMap((item) => decodeItem(item, sealsOf)),
    finishReason: finishReason ?? 'stop',
    ...(logprobs.length > 0 && { logprobs }),
    usage,
  };
};
