import { FloError } from '#domain/errors';
import { listOf, objectOf, parseObject, textOf, type JsonObject } from '../json-fields.ts';
import { boundErrors, callJson, onOneLine } from '../native-batch-json.ts';
import type {
  NativeBatchCall,
  NativeBatchHttp,
  NativeBatchIntent,
  NativeBatchLineResult,
  NativeBatchObservation,
  NativeBatchProvider,
  NativeBatchReference,
  NativeBatchSearch,
} from '../native-batch.ts';
import { readHeader } from '../upstream-failure.ts';
import { methodPath } from './model-path.ts';
import { batchErrorOf } from './batch-error.ts';

const PAGE_LINES = 100;
const PAGES_MAX = 50;
/** The provider's clock may go behind ours. */
const CLOCK_SLACK_MS = 60_000;
/** Batches that other callers sent in one request are listed with all their answers: these are left out. */
const LISTED_FIELDS = 'nextPageToken,operations(name,metadata(displayName,createTime,inputConfig(fileName)))';

const malformed = (message: string): FloError => new FloError('malformed_answer', message);

/** Names go into paths as they are. */
const nameIn = (collection: 'batches' | 'files', value: unknown): string | null => {
  const name = textOf(value);
  return name !== null && new RegExp(`^${collection}/[A-Za-z0-9_-]{1,128}$`).test(name) ? name : null;
};

const requireName = (collection: 'batches' | 'files', value: unknown): string => {
  const name = nameIn(collection, value);
  if (name === null) throw malformed("The provider's answer names nothing that can be asked for.");
  return name;
};

/** Uploads and downloads have the base URL's path with a word before the version. */
const besideBase = (http: NativeBatchHttp, word: 'upload' | 'download', rest: string): string =>
  `${http.baseUrl.replace(/\/+$/, '').replace(/\/([^/]+)$/, `/${word}/$1`)}${rest}`;

/** The address of an upload names the provider's host, whatever stands before it: only its path is taken. */
const uploadPathOf = (http: NativeBatchHttp, address: string): string => {
  try {
    const { pathname, search } = new URL(address);
    return `${new URL(http.baseUrl).origin}${pathname}${search}`;
  } catch (cause) {
    throw new FloError('malformed_answer', 'The provider gave no address to upload to.', { cause });
  }
};

const upload = async (http: NativeBatchHttp, intentId: string, jsonl: Uint8Array): Promise<string> => {
  const { headers } = await http.call({
    method: 'POST',
    path: besideBase(http, 'upload', '/files'),
    headers: {
      'content-type': 'application/json',
      'x-goog-upload-protocol': 'resumable',
      'x-goog-upload-command': 'start',
      'x-goog-upload-header-content-length': String(jsonl.length),
      'x-goog-upload-header-content-type': 'application/jsonl',
    },
    body: Buffer.from(JSON.stringify({ file: { displayName: intentId } })),
  });
  const sent = await callJson(http, {
    method: 'POST',
    path: uploadPathOf(http, readHeader(headers, 'x-goog-upload-url') ?? ''),
    headers: { 'x-goog-upload-command': 'upload, finalize', 'x-goog-upload-offset': '0' },
    body: jsonl,
  });
  return requireName('files', objectOf(sent['file'])['name']);
};

/** A batch is shown as the operation that makes it: what it is stands in its metadata. */
const referenceOf = (operation: JsonObject, known: Record<string, string> = {}): NativeBatchReference => {
  const metadata = objectOf(operation['metadata']);
  const parts = { ...known };
  const input = nameIn('files', objectOf(metadata['inputConfig'])['fileName']);
  const output =
    nameIn('files', objectOf(metadata['output'])['responsesFile']) ??
    nameIn('files', objectOf(operation['response'])['responsesFile']);
  if (input !== null) parts['input_file'] = input;
  if (output !== null) parts['responses_file'] = output;
  return { id: requireName('batches', operation['name']), parts };
};

/** Counts of 64 bits are texts in JSON; what is not there is a zero. */
const statOf = (stats: JsonObject, name: string): number => {
  const count = Number(stats[name] ?? 0);
  return Number.isSafeInteger(count) && count >= 0 ? count : 0;
};

/**
 * Results of a batch that succeeded may take a moment to appear. Where requests were answered and no results
 * are shown, however the batch ended, nobody can tell which: that is no end. One that failed before has none.
 */
const stateOf = (
  word: string,
  succeeded: number,
  { parts }: NativeBatchReference,
): NativeBatchObservation['state'] => {
  if (parts['responses_file'] === undefined && (succeeded > 0 || word === 'SUCCEEDED')) return 'pending';
  switch (word) {
    case 'SUCCEEDED':
    case 'CANCELLED':
    case 'EXPIRED':
      return 'ended';
    case 'FAILED':
      return succeeded > 0 ? 'ended' : 'refused';
    default:
      return 'pending';
  }
};

const observe = (operation: JsonObject, known: NativeBatchReference): NativeBatchObservation => {
  const metadata = objectOf(operation['metadata']);
  // Older answers write `JOB_STATE_…`.
  const word = /^(?:BATCH|JOB)_STATE_([A-Z_]{1,40})$/.exec(textOf(metadata['state']) ?? '')?.[1] ?? 'UNKNOWN';
  const stats = objectOf(metadata['batchStats']);
  const total = statOf(stats, 'requestCount');
  const succeeded = statOf(stats, 'successfulRequestCount');
  const reference = referenceOf(operation, known.parts);
  return {
    state: stateOf(word, succeeded, reference),
    status: word,
    counts: total === 0 ? null : { total, succeeded, failed: statOf(stats, 'failedRequestCount') },
    errors: boundErrors([textOf(objectOf(operation['error'])['message'])]),
    reference,
  };
};

/** An error stands under either name. */
const readLine = (line: Uint8Array): NativeBatchLineResult | null => {
  const read = parseObject(line);
  const customId = textOf(read['key']);
  if (customId === null) return null;
  const answered = { customId, kind: 'answered', upstreamRequestId: null } as const;
  if (read['response'] !== undefined && read['response'] !== null) {
    const body = Buffer.from(JSON.stringify(read['response']));
    return { ...answered, status: 200, body };
  }
  const error = batchErrorOf(objectOf(read['error'] ?? read['status']));
  if (error.isCancelled) return { customId, kind: 'not_run', reason: 'cancelled' };
  return { ...answered, status: error.status, body: error.body };
};

async function* readResults(
  http: NativeBatchHttp,
  { parts }: NativeBatchReference,
): AsyncGenerator<NativeBatchLineResult> {
  const file = parts['responses_file'];
  if (file === undefined) return;
  const path = besideBase(http, 'download', `/${file}:download?alt=media`);
  for await (const line of http.lines({ method: 'GET', path })) {
    const result = readLine(line);
    if (result !== null) yield result;
  }
}

/** The lists are the newest first; one that is not costs more pages and finds the same. */
const search = async (http: NativeBatchHttp, intent: NativeBatchIntent): Promise<NativeBatchSearch> => {
  const earliestMs = intent.createdAtMs - CLOCK_SLACK_MS;
  const found: NativeBatchReference[] = [];
  let token = '';
  for (let page = 0; page < PAGES_MAX; page += 1) {
    const query = new URLSearchParams({ pageSize: String(PAGE_LINES), fields: LISTED_FIELDS });
    if (token !== '') query.set('pageToken', token);
    const list = await callJson(http, { method: 'GET', path: `/batches?${query.toString()}` });
    // A list without an element leaves it out.
    const operations = listOf(list['operations']).map(objectOf);
    for (const operation of operations) {
      if (objectOf(operation['metadata'])['displayName'] === intent.id) found.push(referenceOf(operation));
    }
    const next = textOf(list['nextPageToken']) ?? '';
    const isPast = operations.every(
      ({ metadata }) => Date.parse(textOf(objectOf(metadata)['createTime']) ?? '') < earliestMs,
    );
    if (next === '' || next === token || (isPast && operations.length > 0)) {
      const [first, ...rest] = found;
      return first === undefined ? { kind: 'absent' } : { kind: 'found', references: [first, ...rest] };
    }
    token = next;
  }
  return { kind: 'undecided' };
};

/** A file that is gone is told as one that may not be seen. */
const deleteUnlessGone = async (http: NativeBatchHttp, name: string): Promise<void> => {
  const call: NativeBatchCall = { method: 'DELETE', path: `/${name}` };
  try {
    await http.call(call);
  } catch (error) {
    const status = error instanceof FloError ? error.upstreamStatus : undefined;
    if (status !== 403 && status !== 404) throw error;
  }
};

/** Gemini's batches: https://ai.google.dev/gemini-api/docs/batch-api */
export const googleBatch: NativeBatchProvider = {
  // The file may have 2 GB and any number of lines; it is sent in one piece from memory.
  limits: { lines: 50_000, bytes: 200 * 1024 * 1024 },
  // It aims at a day, and gives a batch up after two.
  windowHours: { min: 24, max: 48 },
  takes: (path) => path.endsWith(':generateContent'),
  encodeLine: ({ customId, call }) =>
    Buffer.from(`{"key":${JSON.stringify(customId)},"request":${onOneLine(call.body)}}`),
  create: async (http, intent, jsonl) => {
    const fileName = await upload(http, intent.id, jsonl);
    const operation = await callJson(http, {
      method: 'POST',
      path: methodPath(intent.model, 'batchGenerateContent'),
      json: { batch: { displayName: intent.id, inputConfig: { fileName } } },
    });
    return referenceOf(operation, { input_file: fileName });
  },
  find: (http, intent) => search(http, intent),
  poll: async (http, reference) =>
    observe(
      await callJson(http, { method: 'GET', path: `/${requireName('batches', reference.id)}` }),
      reference,
    ),
  results: readResults,
  // One that has ended answers that it cannot be cancelled.
  cancel: async (http, { id }) => {
    try {
      await http.call({ method: 'POST', path: `/${requireName('batches', id)}:cancel` });
    } catch (error) {
      const status = error instanceof FloError ? error.upstreamStatus : undefined;
      if (status !== 400 && status !== 409) throw error;
    }
  },
  // The file of results goes with the batch; its name is too long to be deleted by.
  dispose: async (http, { id, parts }) => {
    const input = parts['input_file'];
    if (input !== undefined) await deleteUnlessGone(http, requireName('files', input));
    await deleteUnlessGone(http, requireName('batches', id));
  },
};
