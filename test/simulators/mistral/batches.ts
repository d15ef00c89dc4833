/** Mistral's batch jobs: https://docs.mistral.ai/api/endpoint/batch; of its lines but the successful is documented. */
import { hash } from 'node:crypto';
import { z } from 'zod';
import type { Behaviour } from '../behaviour.ts';
import type { BatchAccount } from '../batches/batch-room.ts';
import { linesOf, parseJson, type JsonLines } from '../batches/json-lines.ts';
import { refuse } from '../batches/line-answerer.ts';
import type {
  BatchFormat,
  BatchProblem,
  LineResult,
  LineState,
  SimulatedBatch,
} from '../batches/simulated-batch.ts';
import { jsonLinesText } from '../batches/stored-files.ts';
import { linesOfFile } from '../openai/batch-format.ts';
import { RefusedRequest } from '../provider.ts';
import type { Route, StoredCall, StoredEndpoint } from '../provider.ts';
import { invalidFile, mistralFilesRoute, uuidOf } from './files.ts';
import { refusalOfIssue } from './request.ts';

const PREFIX = '/mistral';
const ENDPOINTS = ['/v1/chat/completions', '/v1/embeddings'];
const INLINE_REQUESTS_MAX = 10_000;
const LINES_MAX = 1_000_000;
const TIMEOUT_HOURS_MAX = 168;

const createBody = z.strictObject({
  input_files: z.array(z.string()).min(1).nullish(),
  requests: z
    .array(z.strictObject({ custom_id: z.string().nullish(), body: z.record(z.string(), z.unknown()) }))
    .max(INLINE_REQUESTS_MAX)
    .nullish(),
  endpoint: z.enum(ENDPOINTS),
  model: z.string().nullish(),
  agent_id: z.null().optional(),
  metadata: z.record(z.string().max(32), z.string().max(512)).nullish(),
  timeout_hours: z.int().min(1).max(TIMEOUT_HOURS_MAX).default(24),
});

const object = (value: unknown): Record<string, unknown> => Object(value) as Record<string, unknown>;

const problem = (code: string, message: string): BatchProblem => ({ code, message, line: null, param: null });

const validate = ({ lines, problems }: SimulatedBatch, { status }: Behaviour): BatchProblem[] => {
  if (problems.length > 0) return problems;
  if (status !== undefined) return [problem('refused', 'The job could not be started.')];
  if (lines.count === 0) return [problem('empty', 'The input file has no requests.')];
  if (lines.count > LINES_MAX) return [problem('too_many', 'The input file has too many requests.')];
  const customIds = new Set<string>();
  for (let index = 0; index < lines.count; index += 1) {
    const { custom_id: customId, body } = object(parseJson(lines.text(index)));
    if (typeof body !== 'object' || body === null)
      return [problem('invalid_line', `Line ${lines.numberOf(index)} has no body.`)];
    if (typeof customId === 'string' && customIds.has(customId))
      return [problem('duplicate_custom_id', `The custom_id ${customId} stands twice.`)];
    if (typeof customId === 'string') customIds.add(customId);
  }
  return [];
};

const writeLine = (result: LineResult) => {
  const line = { id: `batch-${result.unique.slice(0, 16)}`, custom_id: result.customId };
  if ('body' in result)
    return { ...line, response: { status_code: result.status, body: result.body }, error: null };
  return { ...line, response: null, error: { message: `The request was not executed (${result.state}).` } };
};

const layDown = (
  batch: SimulatedBatch,
  account: BatchAccount,
  { name, states }: { name: string; states: readonly LineState[] },
): string | null => {
  if (states.every((state) => batch.counts[state] === 0)) return null;
  const id = uuidOf(hash('sha256', `${batch.id} ${name}`, 'hex'));
  account.files.set(id, {
    id,
    filename: `${batch.id}_${name}.jsonl`,
    purpose: 'batch',
    mediaType: 'application/jsonl',
    createdAtMs: Date.now(),
    content: () => jsonLinesText(account.results(batch, states)),
  });
  return id;
};

const format: BatchFormat = {
  validate,
  // The job's model is that of every line.
  readLine: (text, { facts }) => {
    const { custom_id: customId, body } = object(parseJson(text));
    return {
      customId: String(customId),
      path: `${PREFIX}${facts.endpoint}`,
      body: JSON.stringify({ ...object(body), model: facts.model }),
      headers: {},
    };
  },
  writeLine,
  onEnd: (batch, account) => {
    batch.outputFileId = layDown(batch, account, { name: 'output', states: ['succeeded'] });
    batch.errorFileId = layDown(batch, account, { name: 'error', states: ['failed'] });
  },
};

const ENDED = {
  completed: 'SUCCESS',
  cancelled: 'CANCELLED',
  expired: 'TIMEOUT_EXCEEDED',
  failed: 'FAILED',
} as const;

const statusOf = ({ phase, end, cancellingAtMs }: SimulatedBatch): string => {
  if (phase === 'ended') return ENDED[end ?? 'completed'];
  if (cancellingAtMs !== null) return 'CANCELLATION_REQUESTED';
  return phase === 'validating' ? 'QUEUED' : 'RUNNING';
};

const seconds = (milliseconds: number): number => Math.floor(milliseconds / 1000);

const show = (batch: SimulatedBatch) => {
  const { facts, counts, startedAtMs, endedAtMs } = batch;
  return {
    id: batch.id,
    object: 'batch',
    input_files: facts.inputFileId === null ? [] : [facts.inputFileId],
    metadata: facts.metadata,
    endpoint: facts.endpoint,
    model: facts.model,
    agent_id: null,
    output_file: batch.outputFileId,
    error_file: batch.errorFileId,
    errors: batch.problems.map(({ message }) => ({ message, count: 1 })),
    outputs: null,
    status: statusOf(batch),
    created_at: seconds(batch.createdAtMs),
    total_requests: batch.lines.count,
    completed_requests: counts.succeeded + counts.failed,
    succeeded_requests: counts.succeeded,
    failed_requests: counts.failed,
    started_at: startedAtMs === null ? null : seconds(startedAtMs),
    completed_at: endedAtMs === null ? null : seconds(endedAtMs),
  };
};

const batchOf = ({ account, id }: StoredCall): SimulatedBatch =>
  account.batches.get(id) ?? refuse(invalidFile(`Batch job ${id} not found.`, 404));

const linesFrom = (
  { account }: StoredCall,
  { input_files: fileIds, requests }: z.infer<typeof createBody>,
): JsonLines => {
  const given = [fileIds, requests].filter((source) => source !== undefined && source !== null);
  if (given.length !== 1) return refuse(invalidFile('Give either input_files or requests.'));
  if (requests)
    return linesOf(
      requests.map((request, index) => ({ ...request, custom_id: request.custom_id ?? String(index) })),
    );
  const [fileId = ''] = fileIds ?? [];
  const file = account.files.get(fileId);
  if (file === undefined || file.purpose !== 'batch')
    return refuse(invalidFile(`File ${fileId} not found.`, file === undefined ? 404 : 400));
  return linesOfFile(file);
};

const create: StoredEndpoint = {
  operation: 'batch_create',
  handle: (call) => {
    const { body: raw, context, account, provider, behaviour } = call;
    const body = parseJson(raw.toString());
    const parsed = createBody.safeParse(body);
    if (!parsed.success) throw new RefusedRequest(refusalOfIssue(parsed.error.issues, body));
    const { endpoint, model, metadata, timeout_hours: hours } = parsed.data;
    if (typeof model !== 'string') return refuse(invalidFile('A model or an agent is required.', 400));
    const batch = account.create({
      id: uuidOf(context.unique),
      provider,
      format,
      facts: {
        endpoint,
        model,
        inputFileId: parsed.data.input_files?.[0] ?? null,
        completionWindow: `${hours}h`,
        metadata: metadata ?? null,
        displayName: null,
      },
      lines: linesFrom(call, parsed.data),
      createdAtMs: context.nowMs,
      hold: behaviour.hold,
    });
    return { body: JSON.stringify(show(batch)) };
  },
};

const retrieve: StoredEndpoint = {
  operation: 'batch_get',
  handle: (call) => {
    const batch = batchOf(call);
    const isInline = call.query.get('inline') === 'true' && batch.facts.inputFileId === null;
    const outputs =
      isInline && batch.phase === 'ended' ? [...call.account.results(batch, ['succeeded', 'failed'])] : null;
    return { body: JSON.stringify({ ...show(batch), outputs }) };
  },
};

const list: StoredEndpoint = {
  operation: 'batch_list',
  handle: ({ account, query }) => {
    const model = query.get('model');
    const statuses = query.getAll('status');
    const after = Date.parse(query.get('created_after') ?? '');
    const asked = [...account.batches.values()].filter(
      (batch) =>
        (model === null || batch.facts.model === model) &&
        (statuses.length === 0 || statuses.includes(statusOf(batch))) &&
        (Number.isNaN(after) || batch.createdAtMs >= after),
    );
    const ordered = query.get('order_by') === 'created' ? asked : asked.toReversed();
    const size = Math.min(Number(query.get('page_size') ?? 100), 100);
    const from = Number(query.get('page') ?? 0) * size;
    const data = ordered.slice(from, from + size).map(show);
    return { body: JSON.stringify({ data, object: 'list', total: asked.length }) };
  },
};

const cancel: StoredEndpoint = {
  operation: 'batch_cancel',
  handle: (call) => {
    const batch = batchOf(call);
    if (batch.phase === 'ended') return refuse(invalidFile('The job has ended.', 400));
    call.account.cancel(batch);
    return { body: JSON.stringify(show(batch)) };
  },
};

const remove: StoredEndpoint = {
  operation: 'file',
  handle: (call) => {
    const batch = batchOf(call);
    if (batch.phase !== 'ended') return refuse(invalidFile('The job has not ended.', 400));
    call.account.remove(batch);
    return { body: JSON.stringify({ id: batch.id, object: 'batch', deleted: true }) };
  },
};

const ROOT = `${PREFIX}/v1`;
const ITEM: Readonly<Record<string, StoredEndpoint>> = {
  'GET ': retrieve,
  'DELETE ': remove,
  'POST /cancel': cancel,
};

/** Files and batch jobs. */
export const mistralBatchRoute = ({ method, path }: { method: string; path: string }): Route | null => {
  if (!path.startsWith(ROOT)) return null;
  const rest = path.slice(ROOT.length);
  if (rest.startsWith('/files')) return mistralFilesRoute(method, rest);
  if (rest === '/batch/jobs') {
    if (method === 'POST') return { endpoint: create };
    return method === 'GET' ? { endpoint: list } : null;
  }
  const found = /^\/batch\/jobs\/([^/]+)(\/cancel)?$/.exec(rest);
  const endpoint = ITEM[`${method} ${found?.[2] ?? ''}`];
  return found?.[1] === undefined || endpoint === undefined ? null : { endpoint, id: found[1] };
};
