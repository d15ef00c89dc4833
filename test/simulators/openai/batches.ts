/** OpenAI's batches: https://platform.openai.com/docs/api-reference/batch */
import { z } from 'zod';
import type { BatchAccount } from '../batches/batch-room.ts';
import { parseJson } from '../batches/json-lines.ts';
import { refuse } from '../batches/line-answerer.ts';
import type { BatchFormat, SimulatedBatch } from '../batches/simulated-batch.ts';
import { pageOf } from '../batches/stored-files.ts';
import type { Route, StoredCall, StoredEndpoint } from '../provider.ts';
import { linesOfFile, openaiBatchFormat } from './batch-format.ts';
import { filesRoutes, invalidRequest, OPENAI_FILES, toSeconds, type FilesStyle } from './files.ts';
import { refusalOfIssue } from './request-refusal.ts';

/** How a provider's batches differ from OpenAI's. */
export type BatchesStyle = {
  files: FilesStyle;
  format: BatchFormat;
  newBatchId: (unique: string) => string;
  endpoints: readonly string[];
  /** What a window may be, in hours. */
  windowHours: (window: string) => number | null;
  /** More fields of a batch. */
  fields: (batch: SimulatedBatch) => Record<string, unknown>;
  list: (batches: readonly SimulatedBatch[], call: StoredCall, show: ShowBatch) => unknown;
};
type ShowBatch = (batch: SimulatedBatch) => Record<string, unknown>;

const createBody = z.strictObject({
  input_file_id: z.string(),
  endpoint: z.string(),
  completion_window: z.string(),
  metadata: z.record(z.string().max(64), z.string().max(512)).nullish(),
  output_expires_after: z
    .strictObject({ anchor: z.literal('created_at'), seconds: z.int().min(3_600).max(2_592_000) })
    .optional(),
});
const METADATA_MAX = 16;
const HOUR_MS = 3_600_000;

const STATUS_OF_PHASE = {
  validating: 'validating',
  in_progress: 'in_progress',
  finalizing: 'finalizing',
} as const;

const statusOf = ({ phase, end, cancellingAtMs }: SimulatedBatch): string => {
  if (phase === 'ended') return end ?? 'completed';
  return cancellingAtMs === null ? STATUS_OF_PHASE[phase] : 'cancelling';
};

const secondsOrNull = (milliseconds: number | null): number | null =>
  milliseconds === null ? null : toSeconds(milliseconds);

const showBatch =
  (style: BatchesStyle): ShowBatch =>
  (batch) => {
    const { facts, counts, end, endedAtMs, phase } = batch;
    const endedAs = (wanted: typeof end): number | null => (end === wanted ? secondsOrNull(endedAtMs) : null);
    const hours = style.windowHours(facts.completionWindow ?? '') ?? 24;
    const isCounted = phase !== 'validating' && batch.problems.length === 0;
    return {
      id: batch.id,
      object: 'batch',
      endpoint: facts.endpoint,
      errors: batch.problems.length === 0 ? null : { object: 'list', data: batch.problems },
      input_file_id: facts.inputFileId,
      completion_window: facts.completionWindow,
      status: statusOf(batch),
      output_file_id: batch.outputFileId,
      error_file_id: batch.errorFileId,
      created_at: toSeconds(batch.createdAtMs),
      in_progress_at: secondsOrNull(batch.startedAtMs),
      expires_at: toSeconds(batch.createdAtMs + hours * HOUR_MS),
      finalizing_at: secondsOrNull(batch.finalizingAtMs),
      completed_at: endedAs('completed'),
      failed_at: endedAs('failed'),
      expired_at: endedAs('expired'),
      cancelling_at: secondsOrNull(batch.cancellingAtMs),
      cancelled_at: endedAs('cancelled'),
      request_counts: {
        total: isCounted ? batch.lines.count : 0,
        completed: isCounted ? counts.succeeded : 0,
        failed: isCounted ? counts.failed : 0,
      },
      metadata: facts.metadata,
      ...style.fields(batch),
    };
  };

const batchOf = ({ account, id }: Pick<StoredCall, 'account' | 'id'>): SimulatedBatch =>
  account.batches.get(id) ?? refuse(invalidRequest(`No batch found with id '${id}'.`, null, 404));

const problemsOfFile = (account: BatchAccount, fileId: string) => {
  const file = account.files.get(fileId);
  const problem = { line: null, param: 'input_file_id' };
  if (file === undefined)
    return [{ ...problem, code: 'file_not_found', message: `The file '${fileId}' was not found.` }];
  if (file.purpose !== 'batch')
    return [
      { ...problem, code: 'invalid_file', message: `Expected purpose 'batch', but got '${file.purpose}'.` },
    ];
  return [];
};

const modelOf = (text: string): string | null => {
  const model: unknown = Reflect.get(Object(Reflect.get(Object(parseJson(text)), 'body')), 'model');
  return typeof model === 'string' ? model : null;
};

const create = (style: BatchesStyle): StoredEndpoint => ({
  operation: 'batch_create',
  handle: ({ body: raw, context, account, provider, behaviour }) => {
    const body = parseJson(raw.toString());
    const parsed = createBody.safeParse(body);
    if (!parsed.success) return refuse(refusalOfIssue(parsed.error.issues, body));
    const { input_file_id: inputFileId, endpoint, completion_window: window, metadata } = parsed.data;
    if (!style.endpoints.includes(endpoint))
      return refuse(invalidRequest(`Invalid value: '${endpoint}'.`, 'endpoint'));
    if (style.windowHours(window) === null)
      return refuse(invalidRequest(`Invalid value: '${window}'.`, 'completion_window'));
    if (Object.keys(metadata ?? {}).length > METADATA_MAX)
      return refuse(invalidRequest("Invalid 'metadata': too many properties.", 'metadata'));
    const lines = linesOfFile(account.files.get(inputFileId));
    const batch = account.create({
      id: style.newBatchId(context.unique),
      provider,
      format: style.format,
      facts: {
        endpoint,
        model: modelOf(lines.text(0)),
        inputFileId,
        completionWindow: window,
        metadata: metadata ?? null,
        displayName: null,
      },
      lines,
      createdAtMs: context.nowMs,
      hold: behaviour.hold,
    });
    // Told by the batch that is made, as all that is wrong with its file is.
    batch.problems = problemsOfFile(account, inputFileId);
    return { body: JSON.stringify({ ...showBatch(style)(batch), errors: null }) };
  },
});

const retrieve = (style: BatchesStyle): StoredEndpoint => ({
  operation: 'batch_get',
  handle: (call) => ({ body: JSON.stringify(showBatch(style)(batchOf(call))) }),
});

const cancel = (style: BatchesStyle): StoredEndpoint => ({
  operation: 'batch_cancel',
  handle: (call) => {
    const batch = batchOf(call);
    if (batch.phase === 'ended')
      return refuse(invalidRequest(`Cannot cancel a batch with status '${statusOf(batch)}'.`, null, 409));
    call.account.cancel(batch);
    return { body: JSON.stringify(showBatch(style)(batch)) };
  },
});

const list = (style: BatchesStyle): StoredEndpoint => ({
  operation: 'batch_list',
  handle: (call) => ({
    body: JSON.stringify(style.list([...call.account.batches.values()].toReversed(), call, showBatch(style))),
  }),
});

/** What is served below `/files` and `/batches` of the prefix. */
export const batchRoutesBelow = (
  prefix: string,
  style: BatchesStyle,
): ((call: { method: string; path: string }) => Route | null) => {
  const files = filesRoutes(style.files);
  const endpoints = {
    create: create(style),
    list: list(style),
    retrieve: retrieve(style),
    cancel: cancel(style),
  };
  return ({ method, path }) => {
    if (!path.startsWith(prefix)) return null;
    const rest = path.slice(prefix.length);
    if (rest.startsWith('/files')) return files(method, rest);
    if (!rest.startsWith('/batches')) return null;
    if (rest === '/batches') {
      if (method === 'POST') return { endpoint: endpoints.create };
      return method === 'GET' ? { endpoint: endpoints.list } : null;
    }
    const found = /^\/batches\/([^/]+)(\/cancel)?$/.exec(rest);
    const id = found?.[1];
    if (id === undefined) return null;
    if (found?.[2] !== undefined) return method === 'POST' ? { endpoint: endpoints.cancel, id } : null;
    return method === 'GET' ? { endpoint: endpoints.retrieve, id } : null;
  };
};

const LISTED_MAX = 100;
const LISTED = 20;

export const OPENAI_BATCHES: BatchesStyle = {
  files: OPENAI_FILES,
  format: openaiBatchFormat({
    pathPrefix: '',
    linesMax: 50_000,
    isOneModel: true,
    newFileId: OPENAI_FILES.newFileId,
    lineId: (unique) => `batch_req_${unique}`,
  }),
  newBatchId: (unique) => `batch_${unique}`,
  endpoints: ['/v1/chat/completions', '/v1/responses', '/v1/embeddings'],
  windowHours: (window) => (window === '24h' ? 24 : null),
  fields: ({ facts, tokens }) => {
    const cached = tokens.cache_read ?? 0;
    const input = (tokens.input ?? 0) + cached;
    const output = tokens.output ?? 0;
    return {
      model: facts.model,
      usage: {
        input_tokens: input,
        input_tokens_details: { cached_tokens: cached },
        output_tokens: output,
        output_tokens_details: { reasoning_tokens: tokens.reasoning ?? 0 },
        total_tokens: input + output,
      },
    };
  },
  list: (batches, { query }, show) => {
    const limit = Number(query.get('limit') ?? LISTED);
    if (!Number.isInteger(limit) || limit < 1 || limit > LISTED_MAX)
      refuse(invalidRequest("Invalid 'limit': expected a value from 1 to 100.", 'limit'));
    const { data, hasMore } = pageOf(batches, { after: query.get('after'), limit });
    return {
      object: 'list',
      data: data.map(show),
      first_id: data[0]?.id ?? null,
      last_id: data.at(-1)?.id ?? null,
      has_more: hasMore,
    };
  },
};
