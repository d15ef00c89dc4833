/** Mistral's files: https://docs.mistral.ai/api/endpoint/files */
import { refuse } from '../batches/line-answerer.ts';
import { readForm, sizeOf, storedBytes, STORED_BYTES_MAX, type StoredFile } from '../batches/stored-files.ts';
import { JsonLines } from '../batches/json-lines.ts';
import type { Failure, Route, StoredCall, StoredEndpoint } from '../provider.ts';

const UPLOAD_BYTES_MAX = 512 * 1024 * 1024;
const PURPOSES = ['fine-tune', 'batch', 'ocr'];

export const uuidOf = (unique: string): string =>
  `${unique.slice(0, 8)}-${unique.slice(8, 12)}-4${unique.slice(13, 16)}-a${unique.slice(17, 20)}-${unique.slice(20, 32)}`;

export const invalidFile = (message: string, status = 400): Failure => ({
  status,
  type: status === 404 ? 'not_found' : 'invalid_file',
  message,
  code: status === 404 ? '1600' : '3310',
});

const show = (file: StoredFile) => ({
  id: file.id,
  object: 'file',
  bytes: sizeOf(file),
  created_at: Math.floor(file.createdAtMs / 1000),
  filename: file.filename,
  purpose: file.purpose,
  sample_type: typeof file.content === 'function' ? 'batch_result' : 'batch_request',
  num_lines: typeof file.content === 'function' ? null : new JsonLines(Buffer.from(file.content)).count,
  mimetype: file.mediaType,
  source: typeof file.content === 'function' ? 'mistral' : 'upload',
  signature: null,
  expires_at: null,
  visibility: 'workspace',
});

const fileOf = ({ account, id }: StoredCall): StoredFile =>
  account.files.get(id) ?? refuse(invalidFile(`File ${id} not found.`, 404));

const upload: StoredEndpoint = {
  operation: 'upload',
  bodyBytesMax: UPLOAD_BYTES_MAX + 64 * 1024,
  handle: async ({ body, headers, context, account }) => {
    const form = await readForm(body, headers['content-type']);
    const file = form?.file ?? null;
    if (form === null || file === null) return refuse(invalidFile('The form has no file.', 422));
    const purpose = form.fields.get('purpose') ?? 'fine-tune';
    if (!PURPOSES.includes(purpose)) return refuse(invalidFile(`Invalid purpose: ${purpose}`));
    if (purpose === 'batch' && !file.name.endsWith('.jsonl'))
      return refuse(invalidFile('Invalid file format: expected a .jsonl file.'));
    if (file.size > UPLOAD_BYTES_MAX || storedBytes(account) + file.size > STORED_BYTES_MAX)
      return refuse(invalidFile('The file is too large.', 413));
    const stored: StoredFile = {
      id: uuidOf(context.unique),
      filename: file.name,
      purpose,
      mediaType: file.type === '' ? 'application/octet-stream' : file.type,
      createdAtMs: context.nowMs,
      content: new Uint8Array(await file.arrayBuffer()),
    };
    account.files.set(stored.id, stored);
    return { body: JSON.stringify(show(stored)) };
  },
};

const list: StoredEndpoint = {
  operation: 'file',
  handle: ({ account, query }) => {
    const purpose = query.get('purpose');
    const files = [...account.files.values()].filter((file) => purpose === null || file.purpose === purpose);
    const size = Number(query.get('page_size') ?? 100);
    const from = Number(query.get('page') ?? 0) * size;
    const data = files
      .toReversed()
      .slice(from, from + size)
      .map(show);
    return { body: JSON.stringify({ data, object: 'list', total: files.length }) };
  },
};

const retrieve: StoredEndpoint = {
  operation: 'file',
  handle: (call) => ({ body: JSON.stringify({ ...show(fileOf(call)), deleted: false }) }),
};

const remove: StoredEndpoint = {
  operation: 'file',
  handle: (call) => {
    const { id } = fileOf(call);
    call.account.files.delete(id);
    return { body: JSON.stringify({ id, object: 'file', deleted: true }) };
  },
};

const content: StoredEndpoint = {
  operation: 'download',
  handle: (call) => {
    const file = fileOf(call);
    const body = typeof file.content === 'function' ? file.content() : file.content;
    return { body, headers: { 'content-type': 'application/octet-stream' } };
  },
};

/** What is served below `/files`; `rest` begins with it. */
export const mistralFilesRoute = (method: string, rest: string): Route | null => {
  if (rest === '/files') {
    if (method === 'POST') return { endpoint: upload };
    return method === 'GET' ? { endpoint: list } : null;
  }
  const found = /^\/files\/([^/]+)(\/content)?$/.exec(rest);
  const id = found?.[1];
  if (id === undefined) return null;
  if (found?.[2] !== undefined) return method === 'GET' ? { endpoint: content, id } : null;
  if (method === 'DELETE') return { endpoint: remove, id };
  return method === 'GET' ? { endpoint: retrieve, id } : null;
};
