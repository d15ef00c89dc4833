/** What the content blocks of an answer hold. */
import type { Citation, Seal } from '#contracts/inference';
import { listOf, objectOf, textOf, type JsonObject } from '../json-fields.ts';

/** A place in a document, or a page of the web; its positions are the document's, not the answer's. */
export const decodeCitation = (value: unknown): Citation[] => {
  const told = objectOf(value);
  const url = textOf(told['url']);
  const title = textOf(told['title']) ?? textOf(told['document_title']);
  const citedText = textOf(told['cited_text']);
  if (url === null && title === null && citedText === null) return [];
  return [
    {
      ...(url !== null && { url }),
      ...(title !== null && { title }),
      ...(citedText !== null && { citedText }),
    },
  ];
};

export const decodeCitations = (block: JsonObject): Citation[] =>
  listOf(block['citations']).flatMap(decodeCitation);

export const signatureOf = (value: unknown): Seal | null => {
  const signature = textOf(value) ?? '';
  return signature === '' ? null : { origin: 'anthropic', kind: 'signature', value: signature };
};

export const redactedOf = (block: JsonObject): Seal => ({
  origin: 'anthropic',
  kind: 'redacted',
  value: textOf(block['data']) ?? '',
});
