/** A form with a batch's lines as its file; the boundary is none of the lines' own since each of them is JSON. */
export const batchFileForm = (
  intentId: string,
  jsonl: Uint8Array,
): { contentType: string; body: Uint8Array } => {
  const boundary = `flo2-${intentId}`;
  const head = [
    `--${boundary}`,
    'content-disposition: form-data; name="purpose"',
    '',
    'batch',
    `--${boundary}`,
    `content-disposition: form-data; name="file"; filename="${intentId}.jsonl"`,
    'content-type: application/jsonl',
    '',
    '',
  ].join('\r\n');
  const body = Buffer.concat([Buffer.from(head), jsonl, Buffer.from(`\r\n--${boundary}--\r\n`)]);
  return { contentType: `multipart/form-data; boundary=${boundary}`, body };
};
