/**
 * PostgreSQL holds no NUL in text and neither NUL nor lone surrogates in JSON. They are replaced, not
 * refused: a caller must not be able to keep a request out of the ledger by its labels.
 */
export const storableText = (text: string): string =>
  text.isWellFormed() && !text.includes('\0') ? text : text.toWellFormed().replaceAll('\0', '\ufffd');

/** The escapes that `JSON.stringify` writes for the same; pairs of backslashes are skipped over. */
const UNSTORABLE_ESCAPES = /\\(?:\\|u0000|ud[89a-f][0-9a-f]{2})/g;

export const storableJson = (value: unknown): string => {
  const text = JSON.stringify(value);
  if (!text.includes('\\')) return text;
  return text.replace(UNSTORABLE_ESCAPES, (escape) => (escape === '\\\\' ? escape : '\\ufffd'));
};
