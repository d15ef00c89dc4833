/**
 * Reasoning in a dialect that has no place for it: as the text that compatible servers call
 * `reasoning_content`, and, for the conversation to go on, with its seals in OpenRouter's `reasoning_details`.
 */
import type { ReasoningPart, Seal } from '#contracts/inference';
import { isObject, optional, readList, readText, type JsonObject } from '../field-reader.ts';
import { readSeal, wrapSeal } from '../seal-text.ts';

type Detail = Record<string, unknown>;

/** Null where there is nothing to give back later. */
export const encodeDetail = ({ text, seal }: ReasoningPart): Detail | null => {
  if (seal === undefined) return null;
  const sealed = wrapSeal(seal);
  return text === ''
    ? { type: 'reasoning.encrypted', data: sealed, format: 'unknown' }
    : { type: 'reasoning.text', text, signature: sealed, format: 'unknown' };
};

export const encodeReasoning = (parts: readonly ReasoningPart[]): object => {
  const text = parts.map((part) => part.text).join('');
  const details = parts.map(encodeDetail).filter((detail) => detail !== null);
  return {
    ...(text !== '' && { reasoning_content: text }),
    ...(details.length > 0 && {
      reasoning_details: details.map((detail, index) => ({ ...detail, index })),
    }),
  };
};

/** OpenRouter's own seal is the item that holds it, without the text it seals. */
const sealOf = (proof: string, item: JsonObject): Seal | undefined => {
  const kind = item['type'] === 'reasoning.encrypted' ? 'encrypted' : 'signature';
  const seal = readSeal(proof, { origin: 'openrouter', kind });
  return seal?.origin === 'openrouter' && seal.value === proof
    ? { ...seal, value: JSON.stringify(item) }
    : seal;
};

const readDetail = (value: unknown): ReasoningPart[] => {
  if (!isObject(value)) return [];
  const { text, ...item } = value;
  const { type, summary, signature, data } = item;
  const shown = typeof text === 'string' ? text : typeof summary === 'string' ? summary : '';
  const proof = type === 'reasoning.encrypted' ? data : signature;
  const seal = typeof proof === 'string' && proof !== '' ? sealOf(proof, item) : undefined;
  if (shown === '' && seal === undefined) return [];
  return [{ type: 'reasoning', text: shown, ...(seal !== undefined && { seal }) }];
};

/** The pieces of one detail, which a streamed answer leaves in many, as one. */
const joinDetails = (parts: readonly ReasoningPart[]): ReasoningPart[] => {
  const joined: ReasoningPart[] = [];
  for (const part of parts) {
    const last = joined.at(-1);
    if (last === undefined || last.seal !== undefined) joined.push(part);
    else joined[joined.length - 1] = { ...last, ...part, text: last.text + part.text };
  }
  return joined;
};

/** The details say it all where they are there: the text beside them is the same. */
export const readReasoning = (message: JsonObject, param: string): ReasoningPart[] => {
  const details = optional(message, 'reasoning_details', readList, `${param}.`) ?? [];
  const read = joinDetails(details.flatMap(readDetail));
  const text =
    optional(message, 'reasoning_content', readText, `${param}.`) ??
    optional(message, 'reasoning', readText, `${param}.`) ??
    '';
  if (read.some((part) => part.text !== '') || text === '') return read;
  const [first, ...more] = read;
  // A streamed answer gives the text by itself and the seal after it.
  return [{ ...first, type: 'reasoning', text }, ...more];
};
