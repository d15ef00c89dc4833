import { FloError } from '#domain/errors';
import { countOf, listOf, objectOf, parseObject, textOf, type JsonObject } from '../json-fields.ts';
import { batchFileForm } from '../native-batch-form.ts';
import {
  boundErrors,
  callJson,
  callUnlessGone,
  onOneLine,
  requireId,
  resultsInFiles,
} from '../native-batch-json.ts';
import type {
  NativeBatchHttp,
  NativeBatchIntent,
  NativeBatchLineResult,
  NativeBatchObservation,
  NativeBatchProvider,
  NativeBatchReference,
  NativeBatchSearch,
} from '../native-batch.ts';

const PATH = '/batch/jobs';
/** Under which name a job's metadata holds the id of its intent; a name has at most 32 characters. */
const INTENT_KEY = 'flo2_batch';
const ENDPOINTS: ReadonlySet<string> = new Set(['/chat/completions', '/embeddings']);
const PAGE_LINES = 100;
const PAGES_MAX = 50;
/** The provider's clock may go behind ours. */
const CLOCK_SLACK_MS = 60_000;
const STATUS_LENGTH_MAX = 64;

const malformed = (message: string): FloError => new FloError('malformed_answer', message);

const pathOf = ({ id }: NativeBatchReference, rest = ''): string =>
  `${PATH}/${encodeURIComponent(id)}${rest}`;

/** Ids of files, by the name the job has for them. */
const referenceOf = (job: JsonObject): NativeBatchReference => {
  const parts: Record<string, string> = {};
  for (const [name, value] of [
    ['input_file', listOf(job['input_files'])[0]],
    ['output_file', job['output_file']],
    ['error_file', job['error_file']],
  ] as const) {
    const id = textOf(value);
    if (id !== null && id !== '') parts[name] = id;
  }
  return { id: requireId(job, malformed), parts };
};

/**
 * Where lines were answered and no file shows them, however the job ended, nobody can tell which: that is no
 * end. A job that failed before has none.
 */
const stateOf = (
  status: string,
  answered: number,
  { parts }: NativeBatchReference,
): NativeBatchObservation['state'] => {
  const isShown = parts['output_file'] !== undefined || parts['error_file'] !== undefined;
  if (answered > 0 && !isShown) return 'pending';
  switch (status) {
    case 'SUCCESS':
    case 'TIMEOUT_EXCEEDED':
    case 'CANCELLED':
      return 'ended';
    case 'FAILED':
      return answered > 0 ? 'ended' : 'refused';
    default:
      return 'pending';
  }
};

const observe = (job: JsonObject): NativeBatchObservation => {
  const status = (textOf(job['status']) ?? '').slice(0, STATUS_LENGTH_MAX);
  const reference = referenceOf(job);
  const total = countOf(job['total_requests']);
  const succeeded = countOf(job['succeeded_requests']) ?? 0;
  const failed = countOf(job['failed_requests']) ?? 0;
  return {
    state: stateOf(status, succeeded + failed, reference),
    status,
    counts: total === null || total === 0 ? null : { total, succeeded, failed },
    errors: boundErrors(listOf(job['errors']).map((error) => textOf(objectOf(error)['message']))),
    reference,
  };
};

/** Of the lines that failed the API documents nothing: an error may stand beside or in place of a response. */
const readLine = (line: Uint8Array): NativeBatchLineResult | null => {
  const read = parseObject(line);
  const customId = textOf(read['custom_id']);
  if (customId === null) return null;
  const response = objectOf(read['response']);
  const told = countOf(response['status_code']) ?? 0;
  const hasBody = response['body'] !== undefined && response['body'] !== null;
  const isStatus = told >= (hasBody ? 200 : 400) && told <= 599;
  const error = textOf(read['error']) ?? textOf(objectOf(read['error'])['message']);
  const body = hasBody ? response['body'] : { object: 'error', message: error, type: 'error' };
  return {
    customId,
    kind: 'answered',
    status: isStatus ? told : 502,
    body: Buffer.from(JSON.stringify(body)),
    upstreamRequestId: null,
  };
};

const readResults = (
  http: NativeBatchHttp,
  { parts }: NativeBatchReference,
): AsyncIterable<NativeBatchLineResult> =>
  resultsInFiles(http, [parts['output_file'], parts['error_file']], readLine);

const search = async (http: NativeBatchHttp, intent: NativeBatchIntent): Promise<NativeBatchSearch> => {
  const after = encodeURIComponent(new Date(intent.createdAtMs - CLOCK_SLACK_MS).toISOString());
  const found = new Map<string, NativeBatchReference>();
  for (let page = 0; page < PAGES_MAX; page += 1) {
    const query = `page=${page}&page_size=${PAGE_LINES}&order_by=-created&created_after=${after}`;
    const list = await callJson(http, { method: 'GET', path: `${PATH}?${query}` });
    // A list without an element may leave it out.
    const jobs = listOf(list['data']).map(objectOf);
    if (list['object'] !== 'list') throw malformed("The provider's list of jobs cannot be read.");
    for (const job of jobs) {
      if (objectOf(job['metadata'])[INTENT_KEY] !== intent.id) continue;
      const reference = referenceOf(job);
      // Jobs made meanwhile move the pages: one may be seen twice.
      found.set(reference.id, reference);
    }
    if (jobs.length < PAGE_LINES) {
      const [first, ...rest] = found.values();
      return first === undefined ? { kind: 'absent' } : { kind: 'found', references: [first, ...rest] };
    }
  }
  return { kind: 'undecided' };
};

/** Mistral's batch jobs: https://docs.mistral.ai/capabilities/batch */
export const mistralBatch: NativeBatchProvider = {
  limits: { lines: 100_000, bytes: 512_000_000 },
  windowHours: { min: 1, max: 168 },
  takes: (path) => ENDPOINTS.has(path),
  encodeLine: ({ customId, call }) =>
    Buffer.from(`{"custom_id":${JSON.stringify(customId)},"body":${onOneLine(call.body)}}`),
  create: async (http, intent, jsonl) => {
    const { contentType, body } = batchFileForm(intent.id, jsonl);
    const headers = { 'content-type': contentType };
    const file = await callJson(http, { method: 'POST', path: '/files', headers, body });
    const job = await callJson(http, {
      method: 'POST',
      path: PATH,
      json: {
        input_files: [requireId(file, malformed)],
        endpoint: `/v1${intent.path}`,
        model: intent.model,
        metadata: { [INTENT_KEY]: intent.id },
        timeout_hours: intent.windowHours,
      },
    });
    return referenceOf(job);
  },
  find: (http, intent) => search(http, intent),
  poll: async (http, reference) => observe(await callJson(http, { method: 'GET', path: pathOf(reference) })),
  results: readResults,
  // One that has ended answers that it cannot be cancelled.
  cancel: async (http, reference) => {
    try {
      await http.call({ method: 'POST', path: pathOf(reference, '/cancel') });
    } catch (error) {
      const status = error instanceof FloError ? error.upstreamStatus : undefined;
      if (status !== 400 && status !== 409) throw error;
    }
  },
  dispose: async (http, reference) => {
    for (const fileId of Object.values(reference.parts))
      await callUnlessGone(http, { method: 'DELETE', path: `/files/${encodeURIComponent(fileId)}` });
    await callUnlessGone(http, { method: 'DELETE', path: pathOf(reference) });
  },
};
