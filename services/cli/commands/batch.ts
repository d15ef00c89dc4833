import { createReadStream, createWriteStream, openAsBlob } from 'node:fs';
import { rename, rm, stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { ApiError } from '../api-client.ts';
import { onlyArgument, textOption, UsageError, type Command, type CommandContext } from '../command.ts';
import { describeProgress, keepSamples, paceOf, type Sample } from './batch-progress.ts';

const POLL_MS = 1_000;
/** Where nobody watches, a line for each so many percent. */
const TOLD_STEP = 10;
/** So often in a row flo2 may not answer: it is being restarted. */
const SILENT_POLLS_MAX = 60;
const BATCHES = '/v1/batches';

const created = z.object({ id: z.string() });
const waitingOn = z.object({ message: z.string(), until: z.string().nullable().optional() });
const batch = z.object({
  id: z.string(),
  status: z.string(),
  request_counts: z.object({ total: z.number(), completed: z.number(), failed: z.number() }),
  output_file_id: z.string().nullable(),
  error_file_id: z.string().nullable(),
  errors: z
    .object({
      data: z.array(z.object({ code: z.string(), line: z.number().nullable(), message: z.string() })),
    })
    .nullable(),
  waiting_on: z.unknown().optional(),
});
type Batch = z.infer<typeof batch>;

const ENDED = new Set(['completed', 'failed', 'expired', 'cancelled']);

const pathOf = (id: string): string => `${BATCHES}/${encodeURIComponent(id)}`;

/** What a file's first line asks for; what is wrong with other lines flo2 says, by their numbers. */
const readEndpoint = async (path: string): Promise<string> => {
  const lines = createInterface({
    input: createReadStream(path, 'utf8'),
    crlfDelay: Number.POSITIVE_INFINITY,
  });
  try {
    for await (const line of lines) {
      if (line.trim() === '') continue;
      let json: unknown;
      try {
        json = JSON.parse(line);
      } catch {
        throw new Error(`${path}: its first line is no JSON; a batch has a request on each line.`);
      }
      const url = z.object({ url: z.string() }).safeParse(json).data?.url;
      if (url === undefined) throw new Error(`${path}: its first line has no "url".`);
      return url;
    }
  } finally {
    lines.close();
  }
  throw new Error(`${path}: it has no requests.`);
};

const requireFile = async (path: string): Promise<void> => {
  const found = await stat(path).catch(() => null);
  if (found === null) throw new Error(`${path}: there is no such file.`);
  if (!found.isFile()) throw new Error(`${path}: it is no file.`);
};

const describeWaiting = ({ waiting_on: reason }: Batch): string => {
  const read = waitingOn.safeParse(reason).data;
  if (read === undefined) return '';
  return ` · waits: ${read.message}${read.until ? ` (until ${read.until})` : ''}`;
};

const progressOf = ({ request_counts: { total, completed, failed } }: Batch) => ({
  total,
  failed,
  ended: completed + failed,
});

/** Resolves when the batch has ended well; rejects with why where it has not. */
const watch = async (
  { api, note, redraw, isTerminal, signal }: CommandContext,
  id: string,
): Promise<void> => {
  let samples: Sample[] = [];
  let told = '';
  let silent = 0;
  for (;;) {
    let now: Batch;
    try {
      now = batch.parse(await api.call('GET', pathOf(id)));
      silent = 0;
    } catch (error) {
      silent += 1;
      const mayPass = !(error instanceof ApiError) || error.status >= 500;
      if (signal.aborted) note(`The batch goes on; \`flo2 batch watch ${id}\` watches it again.`);
      if (signal.aborted || !mayPass || error instanceof z.ZodError || silent > SILENT_POLLS_MAX) throw error;
      await sleep(POLL_MS, undefined, { signal }).catch(() => undefined);
      continue;
    }
    const progress = progressOf(now);
    samples = keepSamples(samples, { atMs: Date.now(), ended: progress.ended });
    const line = `${now.status}  ${describeProgress(progress, paceOf(samples))}${describeWaiting(now)}`;
    if (isTerminal) redraw(line);
    else {
      const step = Math.floor((progress.ended * 100) / Math.max(1, progress.total) / TOLD_STEP);
      const key = `${now.status} ${step}`;
      if (key !== told) note(line);
      told = key;
    }
    if (ENDED.has(now.status)) {
      if (isTerminal) note('');
      return tellEnd(note, now);
    }
    await sleep(POLL_MS, undefined, { signal }).catch(() => undefined);
  }
};

const tellEnd = (note: CommandContext['note'], ended: Batch): void => {
  const { id, status, error_file_id: errorFile } = ended;
  for (const { line, code, message } of ended.errors?.data ?? []) {
    note(`${line === null ? 'the file' : `line ${line}`}: ${message} (${code})`);
  }
  if (errorFile !== null) note(`Some lines failed: \`flo2 batch results ${id} --errors\` shows them.`);
  if (status !== 'completed') throw new Error(`The batch ${id} is ${status}.`);
};

export const submitBatch: Command = {
  name: 'batch submit',
  summary: 'Uploads a file of requests and has them carried out.',
  usage: '<file.jsonl> [--endpoint <path>] [--window <24h>] [--watch]',
  help: {
    '--endpoint': 'the url of its lines; that of the first one where it is not given',
    '--window': 'within which it is to be done, from 1h to 7d; 24h',
    '--watch': 'show the progress until its end',
  },
  options: { endpoint: { type: 'string' }, window: { type: 'string' }, watch: { type: 'boolean' } },
  run: async (context, input) => {
    const { api, print, note } = context;
    const path = onlyArgument(input, 'file');
    await requireFile(path);
    const endpoint = textOption(input, 'endpoint') ?? (await readEndpoint(path));
    const form = new FormData();
    form.append('purpose', 'batch');
    form.append('file', await openAsBlob(path), basename(path));
    note(`uploading ${path}`);
    const upload = await api.request('/v1/files', { method: 'POST', body: form });
    const { id: fileId } = created.parse(await upload.json());
    const { id } = created.parse(
      await api.call('POST', BATCHES, {
        input_file_id: fileId,
        endpoint,
        completion_window: textOption(input, 'window') ?? '24h',
      }),
    );
    print(id);
    if (input.values['watch'] === true) await watch(context, id);
  },
};

export const watchBatch: Command = {
  name: 'batch watch',
  summary: 'Shows how far a batch is, until its end.',
  usage: '<batch id>',
  help: {},
  options: {},
  run: (context, input) => watch(context, onlyArgument(input, "batch's id")),
};

export const batchResults: Command = {
  name: 'batch results',
  summary: "Shows a batch's answers, those there are so far; a line of JSON each.",
  usage: '<batch id> [--errors] [--output <file>]',
  help: {
    '--errors': 'the lines that failed instead, with why',
    '--output': 'a file to write them to; it is there once it is whole',
  },
  options: { errors: { type: 'boolean' }, output: { type: 'string' } },
  run: async ({ api, print, note }, input) => {
    const id = onlyArgument(input, "batch's id");
    const found = batch.parse(await api.call('GET', pathOf(id)));
    const fileId = input.values['errors'] === true ? found.error_file_id : found.output_file_id;
    if (fileId === null) {
      const what = input.values['errors'] === true ? 'no line has failed' : 'no line was answered';
      return note(`The batch is ${found.status}: ${what}.`);
    }
    const { body } = await api.request(`/v1/files/${encodeURIComponent(fileId)}/content`);
    const content = Readable.fromWeb(body ?? new ReadableStream());
    const output = textOption(input, 'output');
    if (output === undefined) {
      for await (const line of createInterface({ input: content })) print(line);
      return;
    }
    if (output === '') throw new UsageError('--output needs the name of a file.');
    const partial = `${output}.partial`;
    try {
      await pipeline(content, createWriteStream(partial));
      await rename(partial, output);
    } catch (error) {
      await rm(partial, { force: true });
      throw error;
    }
    note(`written to ${output}`);
  },
};

export const cancelBatch: Command = {
  name: 'batch cancel',
  summary: 'Ends a batch; what was answered stays.',
  usage: '<batch id>',
  help: {},
  options: {},
  run: async ({ api, print }, input) => {
    const id = onlyArgument(input, "batch's id");
    const { status, request_counts: counts } = batch.parse(await api.call('POST', `${pathOf(id)}/cancel`));
    print(`${id} is ${status}; ${counts.completed} of ${counts.total} lines were answered`);
  },
};
