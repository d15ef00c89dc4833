/** What one `GenerateContentResponse` holds, whole or a piece of a stream. */
import type {
  Citation,
  FinishReason,
  ReasoningPart,
  Seal,
  TextPart,
  TokenAlternative,
  TokenLogprob,
  ToolCallPart,
} from '#contracts/inference';
import { countOf, isObject, listOf, numberOf, objectOf, textOf, type JsonObject } from '../json-fields.ts';

const FINISH_REASONS: Readonly<Record<string, FinishReason>> = {
  STOP: 'stop',
  MAX_TOKENS: 'length',
  SAFETY: 'content_filter',
  RECITATION: 'content_filter',
  LANGUAGE: 'content_filter',
  BLOCKLIST: 'content_filter',
  PROHIBITED_CONTENT: 'content_filter',
  SPII: 'content_filter',
  IMAGE_SAFETY: 'content_filter',
  IMAGE_PROHIBITED_CONTENT: 'content_filter',
  IMAGE_RECITATION: 'content_filter',
  MODEL_ARMOR: 'content_filter',
};
/** Where enums are written as numbers. */
const BY_NUMBER: readonly string[] = ['UNSPECIFIED', 'STOP', 'MAX_TOKENS', 'SAFETY', 'RECITATION', 'OTHER'];

/** An unknown reason is an ordinary end. Null where none is told. */
export const decodeFinishReason = (value: unknown): FinishReason | null => {
  if (value === undefined || value === null) return null;
  const name = typeof value === 'number' ? BY_NUMBER[value] : textOf(value);
  return FINISH_REASONS[name ?? ''] ?? 'stop';
};

export const firstCandidate = (answer: JsonObject): JsonObject | null => {
  const [candidate] = listOf(answer['candidates']);
  return isObject(candidate) ? candidate : null;
};

/** A prompt that is refused has no candidates, and says why beside. */
export const isBlocked = (answer: JsonObject): boolean =>
  firstCandidate(answer) === null && isObject(answer['promptFeedback']);

export const partsOf = (candidate: JsonObject | null): JsonObject[] =>
  listOf(objectOf(candidate?.['content'])['parts']).map(objectOf);

const sealOf = (part: JsonObject): Seal | null => {
  const value = textOf(part['thoughtSignature']) ?? '';
  return value === '' ? null : { origin: 'google', kind: 'signature', value };
};

/**
 * A part of an answer. The API lets calls go without ids; theirs are made of the answer's, so that no other
 * turn has the same. What ran on the provider's side, and images, have no place in the canonical form.
 */
export const decodePart = (
  part: JsonObject,
  answer: { id: string | null; callIndex: number },
): (TextPart | ReasoningPart | ToolCallPart)[] => {
  const seal = sealOf(part);
  const sealed = seal !== null && { seal };
  const call = part['functionCall'];
  if (isObject(call)) {
    const name = textOf(call['name']) ?? '';
    const id = textOf(call['id']) || `call_${answer.id ?? name}_${answer.callIndex}`;
    return [
      { type: 'tool_call', id, name, argumentsJson: JSON.stringify(objectOf(call['args'])), ...sealed },
    ];
  }
  const text = textOf(part['text']) ?? '';
  if (part['thought'] === true) {
    return text === '' && seal === null ? [] : [{ type: 'reasoning', text, ...sealed }];
  }
  return [
    ...(text === '' ? [] : [{ type: 'text' as const, text }]),
    ...(seal === null ? [] : [{ type: 'reasoning' as const, text: '', seal }]),
  ];
};

/** Positions count bytes of the candidate's text; null where there are none. */
export type ByteCitation = { citation: Citation; startByte: number | null; endByte: number | null };

const citationOf = (source: JsonObject, places: JsonObject, citedText: string | null): ByteCitation => {
  const url = textOf(source['uri']);
  const title = textOf(source['title']);
  return {
    citation: {
      ...(url !== null && { url }),
      ...(title !== null && { title }),
      ...(citedText !== null && { citedText }),
    },
    // A start of zero is left out on the wire.
    startByte: places['endIndex'] === undefined ? null : (countOf(places['startIndex']) ?? 0),
    endByte: countOf(places['endIndex']),
  };
};

const CITATIONS_MAX = 1_000;

/** Where statements come from: the web pages of a search, and sources the model recites. */
export const readCitations = (candidate: JsonObject | null): ByteCitation[] => {
  const grounding = objectOf(candidate?.['groundingMetadata']);
  const chunks = listOf(grounding['groundingChunks']).map((chunk) => objectOf(objectOf(chunk)['web']));
  const grounded = listOf(grounding['groundingSupports'])
    .map(objectOf)
    .flatMap((support) => {
      const segment = objectOf(support['segment']);
      return listOf(support['groundingChunkIndices']).flatMap((index) => {
        const chunk = chunks[countOf(index) ?? -1];
        return chunk === undefined ? [] : [citationOf(chunk, segment, textOf(segment['text']))];
      });
    });
  const metadata = objectOf(candidate?.['citationMetadata']);
  const recited = listOf(metadata['citationSources'] ?? metadata['citations'])
    .map(objectOf)
    .map((source) => citationOf(source, source, null));
  return [...grounded, ...recited].slice(0, CITATIONS_MAX);
};

/** A position in bytes as one in UTF-16 units. */
const unitsOf = (text: string, bytes: number): number =>
  Buffer.from(text).subarray(0, bytes).toString('utf8').length;

/** The citation with its positions in `text`, that begins behind `bytesBefore` of the candidate's text. */
export const placeCitation = (
  { citation, startByte, endByte }: ByteCitation,
  text: string,
  bytesBefore: number,
): Citation => ({
  ...citation,
  ...(startByte !== null && { start: unitsOf(text, Math.max(0, startByte - bytesBefore)) }),
  ...(endByte !== null && { end: unitsOf(text, Math.max(0, endByte - bytesBefore)) }),
});

const readAlternative = (value: unknown): TokenAlternative[] => {
  const { token, logProbability } = objectOf(value);
  const logprob = numberOf(logProbability);
  return typeof token === 'string' && logprob !== null ? [{ token, logprob }] : [];
};

export const readLogprobs = (candidate: JsonObject | null): TokenLogprob[] => {
  const result = objectOf(candidate?.['logprobsResult']);
  const alternatives = listOf(result['topCandidates']);
  return listOf(result['chosenCandidates']).flatMap((chosen, index) =>
    readAlternative(chosen).map((token) => ({
      ...token,
      alternatives: listOf(objectOf(alternatives[index])['candidates']).flatMap(readAlternative),
    })),
  );
};

const SEARCH = 'google_search';

/** Searches are charged, and counted nowhere in the usage. */
export const countSearches = (candidate: JsonObject | null): { serverToolCalls?: Record<string, number> } => {
  const queries = listOf(objectOf(candidate?.['groundingMetadata'])['webSearchQueries']).length;
  return queries === 0 ? {} : { serverToolCalls: { [SEARCH]: queries } };
};
