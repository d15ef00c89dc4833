import type { BatchAccount } from './batch-room.ts';

/** A file that a client has sent; `content` of results is made as it is read. */
export type StoredFile = {
  id: string;
  filename: string;
  purpose: string;
  mediaType: string;
  createdAtMs: number;
  content: Uint8Array | (() => Iterable<string>);
};

/** An upload in several calls. */
export type StartedUpload = { displayName: string; mediaType: string; chunks: Buffer[]; bytes: number };

/** A client's files beyond this are refused: all of them are in memory. */
export const STORED_BYTES_MAX = 1024 * 1024 * 1024;

export const storedBytes = ({ files }: BatchAccount): number => {
  let sum = 0;
  for (const { content } of files.values()) if (typeof content !== 'function') sum += content.length;
  return sum;
};

/** How long a file is; results are made once for it and not kept. */
export const sizeOf = ({ content }: StoredFile): number => {
  if (typeof content !== 'function') return content.length;
  let bytes = 0;
  for (const piece of content()) bytes += Buffer.byteLength(piece);
  return bytes;
};

/** Results as the text of a file. */
export const jsonLinesText = function* (results: Iterable<unknown>): Generator<string> {
  for (const result of results) yield `${JSON.stringify(result)}\n`;
};

/** From behind the item with the id `after`, where one is named. */
export const pageOf = <Item extends { id: string }>(
  items: readonly Item[],
  { after, limit }: { after: string | null; limit: number },
): { data: Item[]; hasMore: boolean } => {
  const from = after === null ? 0 : items.findIndex(({ id }) => id === after) + 1;
  return { data: items.slice(from, from + limit), hasMore: from + limit < items.length };
};

/** The file of a form and its other fields; null where the body is no such form. */
export const readForm = async (
  body: Buffer,
  contentType: string | undefined,
): Promise<{ fields: ReadonlyMap<string, string>; file: File | null } | null> => {
  try {
    const form = await new Response(new Uint8Array(body), {
      headers: { 'content-type': contentType ?? '' },
    }).formData();
    const fields = new Map<string, string>();
    let file: File | null = null;
    for (const [name, value] of form.entries()) {
      if (typeof value === 'string') fields.set(name, value);
      else if (name === 'file') file = value;
    }
    return { fields, file };
  } catch {
    return null;
  }
};
