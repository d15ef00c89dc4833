import { FloError } from '#domain/errors';
import { batchFileForm } from '../native-batch-form.ts';
import {
  callJson,
  callUnlessGone,
  boundErrors,
  onOneLine,
  requireId,
  resultsInFiles,
} from '../native-batch-json.ts';
import { countOf, listOf, objectOf, parseObject, textOf, type JsonObject } from '../json-fields.ts';
import type {
  NativeBatchHttp,
  NativeBatchIntent,
  NativeBatchLineResult,
  NativeBatchObservation,
  NativeBatchProvider,
  NativeBatchReference,
  NativeBatchSearch,
} from '../native-batch.ts';

/** How a server of OpenAI's batch API differs from OpenAI. */
export type OpenaiBatchDialect = {
  limits: { lines: number; bytes: number };
  windowHours: { min: number; max: number };
  /** Its word for a completion window. */
  windowOf: (hours: number) => string;
  /** The paths it takes, and what stands before them in a line's `url`. */
  paths: ReadonlySet<string>;
  urlPrefix: string;
};

/** Under which name a batch's metadata holds the id of its intent. */
const INTENT_KEY = 'flo2_batch';
const PAGE_LINES = 100;
const PAGES_MAX = 50;
/** The provider's clock may go behind ours. */
const CLOCK_SLACK_SECONDS = 60;

const malformed = (message: string): FloError => new FloError('malformed_answer', message);

const isEnded = (status: string): boolean =>
  status === 'completed' || status === 'expired' || status === 'cancelled';

const referenceOf = (batch: JsonObject): NativeBatchReference => {
  const parts: Record<string, string> = {};
  for (const name of ['input_file_id', 'output_file_id', 'error_file_id']) {
    const id = textOf(batch[name]);
    if (id !== null && id !== '') parts[name] = id;
  }
  return { id: requireId(batch, malformed), parts };
};

const upload = async (http: NativeBatchHttp, intentId: string, jsonl: Uint8Array): Promise<string> => {
  const { contentType, body } = batchFileForm(intentId, jsonl);
  const headers = { 'content-type': contentType };
  const file = await callJson(http, { method: 'POST', path: '/files', headers, body });
  return requireId(file, malformed);
};

const observe = (batch: JsonObject): NativeBatchObservation => {
  const status = textOf(batch['status']) ?? '';
  const counts = objectOf(batch['request_counts']);
  const total = countOf(counts['total']);
  const errors = listOf(objectOf(batch['errors'])['data']).map(objectOf);
  return {
    state: status === 'failed' ? 'refused' : isEnded(status) ? 'ended' : 'pending',
    status,
    // While it is validated all of them are 0.
    counts:
      total === null || total === 0
        ? null
        : { total, succeeded: countOf(counts['completed']) ?? 0, failed: countOf(counts['failed']) ?? 0 },
    errors: boundErrors(
      errors.map(({ line, message }) => {
        const text = textOf(message);
        return text === null || typeof line !== 'number' ? text : `line ${line}: ${text}`;
      }),
    ),
    reference: referenceOf(batch),
  };
};

/** Some "completed" lines were seen with status 0: nobody knows what became of them at the provider. */
const statusOf = (response: JsonObject): number => {
  const status = countOf(response['status_code']) ?? 0;
  return status >= 200 && status <= 599 ? status : 502;
};

const readLine = (line: Uint8Array): NativeBatchLineResult | null => {
  const read = parseObject(line);
  const customId = textOf(read['custom_id']);
  if (customId === null) return null;
  const response = objectOf(read['response']);
  if (Object.keys(response).length > 0) {
    const body = Buffer.from(JSON.stringify(response['body'] ?? null));
    const upstreamRequestId = textOf(response['request_id']);
    return { customId, kind: 'answered', status: statusOf(response), body, upstreamRequestId };
  }
  const error = objectOf(read['error']);
  const code = textOf(error['code']) ?? '';
  if (code === 'batch_expired') return { customId, kind: 'not_run', reason: 'expired' };
  if (code === 'batch_cancelled') return { customId, kind: 'not_run', reason: 'cancelled' };
  const body = Buffer.from(JSON.stringify({ error }));
  return { customId, kind: 'answered', status: 502, body, upstreamRequestId: null };
};

const readResults = (
  http: NativeBatchHttp,
  { parts }: NativeBatchReference,
): AsyncIterable<NativeBatchLineResult> =>
  resultsInFiles(http, [parts['output_file_id'], parts['error_file_id']], readLine);

/** The lists are the newest first; one that is not costs more pages and finds the same. */
const search = async (http: NativeBatchHttp, intent: NativeBatchIntent): Promise<NativeBatchSearch> => {
  const earliest = Math.floor(intent.createdAtMs / 1_000) - CLOCK_SLACK_SECONDS;
  const found: NativeBatchReference[] = [];
  let after: string | null = null;
  for (let page = 0; page < PAGES_MAX; page += 1) {
    const query: string = after === null ? '' : `&after=${encodeURIComponent(after)}`;
    const list = await callJson(http, { method: 'GET', path: `/batches?limit=${PAGE_LINES}${query}` });
    if (!Array.isArray(list['data'])) throw malformed("The provider's list of batches cannot be read.");
    const batches = listOf(list['data']).map(objectOf);
    for (const batch of batches) {
      if (objectOf(batch['metadata'])[INTENT_KEY] === intent.id) found.push(referenceOf(batch));
    }
    const last = batches.at(-1);
    const isPast = batches.every((batch) => (countOf(batch['created_at']) ?? earliest) < earliest);
    const next = last === undefined ? null : textOf(last['id']);
    if (list['has_more'] !== true || isPast || next === null || next === after) {
      const [first, ...rest] = found;
      return first === undefined ? { kind: 'absent' } : { kind: 'found', references: [first, ...rest] };
    }
    after = next;
  }
  return { kind: 'undecided' };
};

export const createOpenaiBatch = (dialect: OpenaiBatchDialect): NativeBatchProvider => ({
  limits: dialect.limits,
  windowHours: dialect.windowHours,
  takes: (path) => dialect.paths.has(path),
  encodeLine: ({ customId, call }) => {
    const head = JSON.stringify({ custom_id: customId, method: 'POST', url: dialect.urlPrefix + call.path });
    return Buffer.from(`${head.slice(0, -1)},"body":${onOneLine(call.body)}}`);
  },
  create: async (http, intent, jsonl) => {
    const inputFileId = await upload(http, intent.id, jsonl);
    const batch = await callJson(http, {
      method: 'POST',
      path: '/batches',
      json: {
        input_file_id: inputFileId,
        endpoint: dialect.urlPrefix + intent.path,
        completion_window: dialect.windowOf(intent.windowHours),
        metadata: { [INTENT_KEY]: intent.id },
      },
    });
    return referenceOf(batch);
  },
  find: (http, intent) => search(http, intent),
  poll: async (http, { id }) =>
    observe(await callJson(http, { method: 'GET', path: `/batches/${encodeURIComponent(id)}` })),
  results: readResults,
  // One that has ended answers that it cannot be cancelled.
  cancel: async (http, { id }) => {
    try {
      await http.call({ method: 'POST', path: `/batches/${encodeURIComponent(id)}/cancel` });
    } catch (error) {
      const status = error instanceof FloError ? error.upstreamStatus : undefined;
      if (status !== 400 && status !== 409) throw error;
    }
  },
  dispose: async (http, { parts }) => {
    for (const fileId of Object.values(parts)) {
      await callUnlessGone(http, { method: 'DELETE', path: `/files/${encodeURIComponent(fileId)}` });
    }
  },
});

/** OpenAI: https://platform.openai.com/docs/guides/batch */
export const openaiBatch = createOpenaiBatch({
  limits: { lines: 50_000, bytes: 200 * 1024 * 1024 },
  windowHours: { min: 24, max: 24 },
  windowOf: () => '24h',
  paths: new Set(['/chat/completions', '/responses', '/embeddings']),
  urlPrefix: '/v1',
});
