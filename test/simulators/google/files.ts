/** Google's Files API with its resumable upload: https://ai.google.dev/api/files */
import { hash } from 'node:crypto';
import { z } from 'zod';
import type { BatchAccount } from '../batches/batch-room.ts';
import { parseJson } from '../batches/json-lines.ts';
import { refuse } from '../batches/line-answerer.ts';
import { sizeOf, storedBytes, STORED_BYTES_MAX, type StoredFile } from '../batches/stored-files.ts';
import type { Failure, Route, StoredCall, StoredEndpoint, StoredReply } from '../provider.ts';
import { invalidArgument } from './request-refusal.ts';

const UPLOAD_PATH = '/upload/v1beta/files';
const ID_LENGTH_MAX = 40;
const STARTED_MAX = 100;
const CHUNK_BYTES_MAX = 256 * 1024 * 1024;
const DAY_MS = 86_400_000;

export const notFound = (what: string): Failure => ({
  status: 404,
  type: 'NOT_FOUND',
  message: `${what} was not found.`,
});

/** A file that is not there is told as one that may not be seen. */
export const hidden = (id: string): Failure => ({
  status: 403,
  type: 'PERMISSION_DENIED',
  message: `You do not have permission to access the File ${id} or it may not exist.`,
});

const startBody = z.strictObject({
  file: z
    .strictObject({
      name: z.string().optional(),
      displayName: z.string().max(512).optional(),
      display_name: z.string().max(512).optional(),
      mimeType: z.string().optional(),
      sizeBytes: z.string().optional(),
    })
    .default({}),
});

const show = (file: StoredFile) => ({
  name: file.id,
  ...(file.filename === '' ? {} : { displayName: file.filename }),
  mimeType: file.mediaType,
  sizeBytes: String(sizeOf(file)),
  createTime: new Date(file.createdAtMs).toISOString(),
  updateTime: new Date(file.createdAtMs).toISOString(),
  expirationTime: new Date(file.createdAtMs + 2 * DAY_MS).toISOString(),
  sha256Hash: Buffer.from(hash('sha256', file.id, 'hex')).toString('base64'),
  uri: `https://generativelanguage.googleapis.com/v1beta/${file.id}`,
  state: 'ACTIVE',
  source: 'UPLOADED',
});

const headerOf = ({ headers }: StoredCall, name: string): string => {
  const value = headers[name];
  return typeof value === 'string' ? value : '';
};

const start = (call: StoredCall): StoredReply => {
  const { account, body, context, baseUrl } = call;
  if (headerOf(call, 'x-goog-upload-protocol') !== 'resumable')
    return refuse(invalidArgument('Upload protocol is not supported.'));
  const parsed = startBody.safeParse(body.length === 0 ? {} : parseJson(body.toString()));
  if (!parsed.success) return refuse(invalidArgument('Invalid JSON payload received.'));
  const { file } = parsed.data;
  if (account.uploads.size >= STARTED_MAX) account.uploads.clear();
  account.uploads.set(context.unique, {
    displayName: file.displayName ?? file.display_name ?? '',
    mediaType: headerOf(call, 'x-goog-upload-header-content-type') || (file.mimeType ?? ''),
    chunks: [],
    bytes: 0,
  });
  return {
    body: '',
    headers: {
      'x-goog-upload-status': 'active',
      'x-goog-upload-url': `${baseUrl}${UPLOAD_PATH}?upload_id=${context.unique}&upload_protocol=resumable`,
    },
  };
};

const receive = (call: StoredCall, commands: readonly string[]): StoredReply => {
  const { account, body, context, query } = call;
  const uploadId = query.get('upload_id') ?? '';
  const started = account.uploads.get(uploadId) ?? refuse(notFound('The upload'));
  if (Number(headerOf(call, 'x-goog-upload-offset')) !== started.bytes)
    return refuse(invalidArgument('The upload continues at another offset.'));
  if (storedBytes(account) + started.bytes + body.length > STORED_BYTES_MAX)
    return refuse({ status: 429, type: 'RESOURCE_EXHAUSTED', message: 'File storage quota exceeded.' });
  started.chunks.push(body);
  started.bytes += body.length;
  if (!commands.includes('finalize')) return { body: '', headers: { 'x-goog-upload-status': 'active' } };
  account.uploads.delete(uploadId);
  const stored: StoredFile = {
    id: `files/${context.unique.slice(12, 24)}`,
    filename: started.displayName,
    purpose: 'batch',
    mediaType: started.mediaType,
    createdAtMs: context.nowMs,
    content: new Uint8Array(Buffer.concat(started.chunks)),
  };
  account.files.set(stored.id, stored);
  return { body: JSON.stringify({ file: show(stored) }), headers: { 'x-goog-upload-status': 'final' } };
};

const upload: StoredEndpoint = {
  operation: 'upload',
  bodyBytesMax: CHUNK_BYTES_MAX,
  handle: (call) => {
    const commands = headerOf(call, 'x-goog-upload-command')
      .split(',')
      .map((command) => command.trim());
    if (commands.includes('start')) return start(call);
    if (commands.includes('upload')) return receive(call, commands);
    return refuse(invalidArgument('Invalid upload command.'));
  },
};

const fileOf = (account: BatchAccount, id: string): StoredFile =>
  account.files.get(`files/${id}`) ?? refuse(hidden(id));

const retrieve: StoredEndpoint = {
  operation: 'file',
  handle: ({ account, id }) => {
    // The ids of batches' results are longer, so that they can be downloaded alone.
    if (id.length > ID_LENGTH_MAX)
      return refuse(
        invalidArgument(
          `* GetFileRequest.name: File ID (name excluding 'files/') cannot be more than ${ID_LENGTH_MAX} characters.\n`,
        ),
      );
    return { body: JSON.stringify(show(fileOf(account, id))) };
  },
};

const list: StoredEndpoint = {
  operation: 'file',
  handle: ({ account }) => ({
    body: JSON.stringify({ files: [...account.files.values()].toReversed().map(show) }),
  }),
};

const remove: StoredEndpoint = {
  operation: 'file',
  handle: ({ account, id }) => {
    account.files.delete(fileOf(account, id).id);
    return { body: '{}' };
  },
};

const download: StoredEndpoint = {
  operation: 'download',
  handle: ({ account, id, query }) => {
    if (query.get('alt') !== 'media') return refuse(invalidArgument('Set alt=media to download.'));
    const { content } = fileOf(account, id);
    const body = typeof content === 'function' ? content() : content;
    return { body, headers: { 'content-type': 'application/octet-stream' } };
  },
};

const FILE_PATH = /^(?:\/download)?\/v1beta\/files\/([^/:]+)(:download)?$/;

/** Files, their upload and download. */
export const googleFilesRoute = ({ method, path }: { method: string; path: string }): Route | null => {
  if (path === UPLOAD_PATH) return method === 'POST' ? { endpoint: upload } : null;
  if (path === '/v1beta/files') return method === 'GET' ? { endpoint: list } : null;
  const found = FILE_PATH.exec(path);
  const id = found?.[1];
  if (id === undefined) return null;
  if (found?.[2] !== undefined) return method === 'GET' ? { endpoint: download, id } : null;
  if (method === 'DELETE') return { endpoint: remove, id };
  return method === 'GET' ? { endpoint: retrieve, id } : null;
};
