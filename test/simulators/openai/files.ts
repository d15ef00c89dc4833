import { refuse } from '../batches/line-answerer.ts';
import {
  pageOf,
  readForm,
  sizeOf,
  storedBytes,
  STORED_BYTES_MAX,
  type StoredFile,
} from '../batches/stored-files.ts';
import type { Failure, Route, StoredCall, StoredEndpoint } from '../provider.ts';

/** How a provider's files differ from OpenAI's, where the API began. */
export type FilesStyle = {
  newFileId: (unique: string) => string;
  purposes: readonly string[];
  uploadBytesMax: number;
  show: (file: StoredFile) => Record<string, unknown>;
  list: (files: readonly StoredFile[], query: URLSearchParams) => unknown;
};

const DAY_S = 86_400;
export const toSeconds = (milliseconds: number): number => Math.floor(milliseconds / 1000);

export const showOpenaiFile = (file: StoredFile): Record<string, unknown> => ({
  object: 'file',
  id: file.id,
  purpose: file.purpose,
  filename: file.filename,
  bytes: sizeOf(file),
  created_at: toSeconds(file.createdAtMs),
  expires_at: toSeconds(file.createdAtMs) + 30 * DAY_S,
  status: 'processed',
  status_details: null,
});

const LISTED_FILES_MAX = 10_000;

export const invalidRequest = (message: string, param: string | null = null, status = 400): Failure => ({
  status,
  type: 'invalid_request_error',
  message,
  param,
});

const listOpenaiFiles = (files: readonly StoredFile[], query: URLSearchParams) => {
  const limit = Number(query.get('limit') ?? LISTED_FILES_MAX);
  if (!Number.isInteger(limit) || limit < 1 || limit > LISTED_FILES_MAX)
    refuse(invalidRequest("Invalid 'limit': expected a value from 1 to 10000.", 'limit'));
  const purpose = query.get('purpose');
  const asked = files.filter((file) => purpose === null || file.purpose === purpose);
  const ordered = query.get('order') === 'asc' ? asked : asked.toReversed();
  const { data, hasMore } = pageOf(ordered, { after: query.get('after'), limit });
  return {
    object: 'list',
    data: data.map(showOpenaiFile),
    first_id: data[0]?.id ?? null,
    last_id: data.at(-1)?.id ?? null,
    has_more: hasMore,
  };
};

export const OPENAI_FILES: FilesStyle = {
  newFileId: (unique) => `file-${unique.slice(8, 30)}`,
  purposes: ['assistants', 'batch', 'fine-tune', 'vision', 'user_data', 'evals'],
  uploadBytesMax: 200 * 1024 * 1024,
  show: showOpenaiFile,
  list: listOpenaiFiles,
};

export const fileOf = ({ account, id }: Pick<StoredCall, 'account' | 'id'>): StoredFile =>
  account.files.get(id) ?? refuse(invalidRequest(`No such File object: ${id}`, 'id', 404));

const upload = (style: FilesStyle): StoredEndpoint => ({
  operation: 'upload',
  // A form is a little more than the file in it.
  bodyBytesMax: style.uploadBytesMax + 64 * 1024,
  handle: async ({ body, headers, context, account }) => {
    const form = await readForm(body, headers['content-type']);
    if (form === null) return refuse(invalidRequest('Could not parse multipart form'));
    const purpose = form.fields.get('purpose');
    const { file } = form;
    if (file === null) return refuse(invalidRequest("'file' is a required property"));
    if (purpose === undefined) return refuse(invalidRequest("'purpose' is a required property"));
    if (!style.purposes.includes(purpose))
      return refuse(
        invalidRequest(`'${purpose}' is not one of ${JSON.stringify(style.purposes)}`, 'purpose'),
      );
    if (purpose === 'batch' && !file.name.endsWith('.jsonl'))
      return refuse(invalidRequest('Invalid file format for Batch API. Must be .jsonl'));
    if (file.size > style.uploadBytesMax)
      return refuse(invalidRequest('The file is too large.', 'file', 413));
    if (storedBytes(account) + file.size > STORED_BYTES_MAX)
      return refuse(invalidRequest('You have exceeded your file storage quota.'));
    const stored: StoredFile = {
      id: style.newFileId(context.unique),
      filename: file.name,
      purpose,
      mediaType: 'application/octet-stream',
      createdAtMs: context.nowMs,
      content: new Uint8Array(await file.arrayBuffer()),
    };
    account.files.set(stored.id, stored);
    return { body: JSON.stringify(style.show(stored)) };
  },
});

const list = (style: FilesStyle): StoredEndpoint => ({
  operation: 'file',
  handle: ({ account, query }) => ({ body: JSON.stringify(style.list([...account.files.values()], query)) }),
});

const retrieve = (style: FilesStyle): StoredEndpoint => ({
  operation: 'file',
  handle: (call) => ({ body: JSON.stringify(style.show(fileOf(call))) }),
});

const remove: StoredEndpoint = {
  operation: 'file',
  handle: (call) => {
    const { id } = fileOf(call);
    call.account.files.delete(id);
    return { body: JSON.stringify({ object: 'file', id, deleted: true }) };
  },
};

const content: StoredEndpoint = {
  operation: 'download',
  handle: (call) => {
    const file = fileOf(call);
    const body = typeof file.content === 'function' ? file.content() : file.content;
    return { body, headers: { 'content-type': file.mediaType } };
  },
};

type FilesRoute = (method: string, rest: string) => Route | null;

/** What is served below `/files`; `rest` begins with it. */
export const filesRoutes = (style: FilesStyle): FilesRoute => {
  const endpoints = { upload: upload(style), list: list(style), retrieve: retrieve(style) };
  return (method, rest) => {
    if (rest === '/files') {
      if (method === 'POST') return { endpoint: endpoints.upload };
      return method === 'GET' ? { endpoint: endpoints.list } : null;
    }
    const found = /^\/files\/([^/]+)(\/content)?$/.exec(rest);
    const id = found?.[1];
    if (id === undefined) return null;
    if (found?.[2] !== undefined) return method === 'GET' ? { endpoint: content, id } : null;
    if (method === 'DELETE') return { endpoint: remove, id };
    return method === 'GET' ? { endpoint: endpoints.retrieve, id } : null;
  };
};
