import { PassThrough, Readable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { readMultipart } from './multipart.ts';

const LIMITS = { fileBytesMax: 1_000_000, fieldsMax: 4, fieldBytesMax: 100 };
const headers = { 'content-type': 'multipart/form-data; boundary=edge' };

const partOf = (name: string, value: string, filename?: string): string => {
  const named = filename === undefined ? '' : `; filename="${filename}"`;
  return `--edge\r\ncontent-disposition: form-data; name="${name}"${named}\r\n\r\n${value}\r\n`;
};
const END = '--edge--\r\n';
const sent = (text: string) => Object.assign(Readable.from([Buffer.from(text)]), { headers });

/** Reads a form and its file, whose reader begins only after a moment, as one that has to ask a store does. */
const read = async (request: Parameters<typeof readMultipart>[0]) => {
  let content = '';
  const form = await readMultipart(request, LIMITS, async (chunks) => {
    await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
    for await (const chunk of chunks) content += Buffer.from(chunk).toString();
  });
  return { filename: form.filename, fields: Object.fromEntries(form.fields), content };
};

describe('a form', () => {
  it.each([
    ['before', partOf('purpose', 'batch') + partOf('file', 'abc', 'a.jsonl')],
    ['behind', partOf('file', 'abc', 'a.jsonl') + partOf('purpose', 'batch')],
  ])('is read with its fields %s its file', async (_, parts) => {
    expect(await read(sent(parts + END))).toEqual({
      filename: 'a.jsonl',
      fields: { purpose: 'batch' },
      content: 'abc',
    });
  });

  it.each([
    ['within its file', partOf('file', 'abc', 'a.jsonl').trimEnd()],
    ['behind its file', partOf('file', 'abc', 'a.jsonl')],
    ['within a field', partOf('purpose', 'batch').trimEnd()],
    ['within a head', '--edge\r\ncontent-disposition: form-da'],
    ['within a part that is no part of a form', '--edge\r\nx: y\r\n\r\nabc'],
    ['before it begins', 'nothing'],
    ['at once', ''],
  ])('that ends %s is refused, and nothing else fails', async (_, text) => {
    await expect(read(sent(text))).rejects.toMatchObject({ code: 'invalid_request' });
  });

  it('is given up with its client, and so is the reading of its file', async () => {
    const request = Object.assign(new PassThrough(), { headers });
    const ended: unknown[] = [];
    const form = readMultipart(request, LIMITS, async (chunks) => {
      try {
        for await (const _ of chunks) request.destroy(new Error('the client left'));
      } catch (error) {
        ended.push(error);
        throw error;
      }
    });
    request.write(partOf('file', 'x'.repeat(100_000), 'a.jsonl').trimEnd());
    await expect(form).rejects.toMatchObject({ code: 'invalid_request' });
    expect(ended).toMatchObject([{ code: 'invalid_request' }]);
  });

  it('has one file and no second one', async () => {
    const parts = partOf('file', 'abc', 'a') + partOf('file', 'def', 'b') + partOf('purpose', 'batch');
    await expect(read(sent(parts + END))).rejects.toMatchObject({ code: 'invalid_request', param: 'file' });
  });
});
