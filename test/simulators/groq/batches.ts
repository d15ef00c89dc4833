/** Groq's batches: https://console.groq.com/docs/batch; OpenAI's, with windows up to seven days and without more than the reference names. */
import { openaiBatchFormat } from '../openai/batch-format.ts';
import type { BatchesStyle } from '../openai/batches.ts';
import { toSeconds, type FilesStyle } from '../openai/files.ts';
import { sizeOf, type StoredFile } from '../batches/stored-files.ts';

const newFileId = (unique: string): string => `file_01${unique.slice(6, 30)}`;

const show = (file: StoredFile) => ({
  id: file.id,
  object: 'file',
  bytes: sizeOf(file),
  created_at: toSeconds(file.createdAtMs),
  filename: file.filename,
  purpose: file.purpose,
});

const GROQ_FILES: FilesStyle = {
  newFileId,
  purposes: ['batch'],
  uploadBytesMax: 100 * 1024 * 1024,
  show,
  list: (files) => ({ object: 'list', data: files.toReversed().map(show) }),
};

const WINDOW_HOURS_MAX = 7 * 24;

const windowHours = (window: string): number | null => {
  const found = /^(\d{1,3})([hd])$/.exec(window);
  if (found === null) return null;
  const hours = Number(found[1]) * (found[2] === 'd' ? 24 : 1);
  return hours >= 24 && hours <= WINDOW_HOURS_MAX ? hours : null;
};

export const GROQ_BATCHES: BatchesStyle = {
  files: GROQ_FILES,
  format: openaiBatchFormat({
    pathPrefix: '/groq/openai',
    linesMax: 50_000,
    isOneModel: false,
    newFileId,
    lineId: (unique) => `batch_req_${unique}`,
  }),
  newBatchId: (unique) => `batch_01${unique.slice(0, 24)}`,
  endpoints: ['/v1/chat/completions'],
  windowHours,
  fields: () => ({}),
  list: (batches, _, showBatch) => ({ object: 'list', data: batches.map(showBatch) }),
};
