import type { AssistantPart, ChatResponse, FinishReason, TextPart } from '#contracts/inference';
import { FloError } from '#domain/errors';
import { parseObject, textOf, type JsonObject } from '../json-fields.ts';
import type { AnswerFacts } from '../provider.ts';
import {
  countSearches,
  decodeFinishReason,
  decodePart,
  firstCandidate,
  isBlocked,
  partsOf,
  placeCitation,
  readCitations,
  readLogprobs,
} from './answer.ts';
import { decodeGeminiError, hasFailed } from './failure.ts';
import { readGeminiUsage } from './usage.ts';

const readAnswer = (body: Uint8Array): JsonObject => {
  const answer = parseObject(body);
  if (hasFailed(answer)) throw decodeGeminiError(answer);
  if (firstCandidate(answer) === null && !isBlocked(answer)) {
    throw new FloError('malformed_answer', "The provider's answer has no candidates.");
  }
  return answer;
};

/** A call is its own end, which the API calls an ordinary one. */
const finishReasonOf = (answer: JsonObject): FinishReason | null => {
  if (isBlocked(answer)) return 'content_filter';
  const candidate = firstCandidate(answer);
  const reason = decodeFinishReason(candidate?.['finishReason']);
  const hasCall = partsOf(candidate).some((part) => part['functionCall'] !== undefined);
  return reason === 'stop' && hasCall ? 'tool_calls' : reason;
};

const factsOf = (answer: JsonObject): AnswerFacts => ({
  id: textOf(answer['responseId']),
  model: textOf(answer['modelVersion']),
  finishReason: finishReasonOf(answer),
  usage: {
    ...readGeminiUsage(answer['usageMetadata'], 'provider'),
    ...countSearches(firstCandidate(answer)),
  },
});

export const readGeminiAnswer = (body: Uint8Array): AnswerFacts => factsOf(readAnswer(body));

/** Citations point into all of the text; each stands with the text it begins in. */
const citeTexts = (content: readonly AssistantPart[], candidate: JsonObject | null): AssistantPart[] => {
  const citations = readCitations(candidate);
  if (citations.length === 0) return [...content];
  let bytes = 0;
  return content.map((part) => {
    if (part.type !== 'text') return part;
    const from = bytes;
    bytes += Buffer.byteLength(part.text);
    const own = citations.filter(({ startByte }) => (startByte ?? 0) >= from && (startByte ?? 0) < bytes);
    const cited: TextPart = { ...part, citations: own.map((each) => placeCitation(each, part.text, from)) };
    return own.length === 0 ? part : cited;
  });
};

export const decodeGeminiResponse = (body: Uint8Array): ChatResponse => {
  const answer = readAnswer(body);
  const candidate = firstCandidate(answer);
  const { id, model, finishReason, usage } = factsOf(answer);
  const content: AssistantPart[] = [];
  let callIndex = 0;
  for (const part of partsOf(candidate)) {
    for (const decoded of decodePart(part, { id, callIndex })) {
      if (decoded.type === 'tool_call') callIndex += 1;
      content.push(decoded);
    }
  }
  const logprobs = readLogprobs(candidate);
  return {
    id: id ?? '',
    model: model ?? '',
    content: citeTexts(content, candidate),
    finishReason: finishReason ?? 'stop',
    ...(logprobs.length > 0 && { logprobs }),
    usage,
  };
};
