/** Reads a body into one piece, `bytesMax` of it at most; `whole` says whether that was all. */
export const readUpTo = async (
  body: AsyncIterable<Uint8Array>,
  bytesMax: number,
  onChunk?: () => void,
): Promise<{ bytes: Uint8Array; whole: boolean }> => {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of body) {
    onChunk?.();
    chunks.push(chunk);
    length += chunk.length;
    if (length > bytesMax) return { bytes: Buffer.concat(chunks).subarray(0, bytesMax), whole: false };
  }
  return { bytes: Buffer.concat(chunks), whole: true };
};
