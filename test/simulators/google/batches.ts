/** Gemini's batches: https://ai.google.dev/api/batch-api; each is shown as the operation that makes it. */
import { z } from 'zod';
import type { Behaviour } from '../behaviour.ts';
import { linesOf, parseJson, type JsonLines } from '../batches/json-lines.ts';
import { refuse } from '../batches/line-answerer.ts';
import type { BatchFormat, BatchProblem, LineResult, SimulatedBatch } from '../batches/simulated-batch.ts';
import { jsonLinesText, pageOf } from '../batches/stored-files.ts';
import { linesOfFile } from '../openai/batch-format.ts';
import { RefusedRequest } from '../provider.ts';
import type { Route, StoredCall, StoredEndpoint } from '../provider.ts';
import { googleFilesRoute, hidden, notFound } from './files.ts';
import { assertGeminiModel } from './request.ts';
import { invalidArgument, refusalOfIssue } from './request-refusal.ts';

const ROOT = '/v1beta';
const INLINE_BYTES_MAX = 20 * 1024 * 1024;
const LISTED = 50;
const LISTED_MAX = 1_000;
const TYPE = 'type.googleapis.com/google.ai.generativelanguage.v1main.GenerateContentBatch';

const inlined = z.strictObject({
  requests: z
    .array(
      z.strictObject({
        request: z.record(z.string(), z.unknown()),
        metadata: z.record(z.string(), z.unknown()).optional(),
      }),
    )
    .min(1),
});
/** Names may be written either way. */
const createBody = z.strictObject({
  batch: z.strictObject({
    displayName: z.string().optional(),
    display_name: z.string().optional(),
    inputConfig: z.strictObject({ fileName: z.string().optional(), requests: inlined.optional() }).optional(),
    input_config: z
      .strictObject({ file_name: z.string().optional(), requests: inlined.optional() })
      .optional(),
    priority: z.union([z.string(), z.int()]).optional(),
  }),
});

const object = (value: unknown): Record<string, unknown> => Object(value) as Record<string, unknown>;

/** Of `google.rpc.Code`, which the errors of lines carry, by the HTTP status of a call. */
const RPC_CODES: Readonly<Record<number, number>> = {
  400: 3,
  401: 16,
  403: 7,
  404: 5,
  429: 8,
  500: 13,
  503: 14,
  504: 4,
};
const CANCELLED = { code: 1, message: 'The request was cancelled.' };

const validate = ({ lines, facts, problems }: SimulatedBatch, { status }: Behaviour): BatchProblem[] => {
  const problem = (message: string): BatchProblem => ({ code: '3', message, line: null, param: null });
  if (problems.length > 0) return problems;
  if (status !== undefined) return [problem('The batch could not be processed.')];
  if (lines.count === 0) return [problem('No requests were found in the input file.')];
  if (facts.inputFileId === null) return [];
  for (let index = 0; index < lines.count; index += 1) {
    const { key, request } = object(parseJson(lines.text(index)));
    if (typeof key !== 'string' || typeof request !== 'object' || request === null)
      return [problem(`Failed to parse line ${lines.numberOf(index)} of the input file.`)];
  }
  return [];
};

const errorOf = ({ status, body }: { status: number; body: unknown }) => {
  const { message } = object(object(body)['error']);
  return { code: RPC_CODES[status] ?? (status < 500 ? 3 : 13), message: String(message) };
};

/** What came of a request, without what tells which it was. */
const outcomeOf = (result: LineResult) => {
  if (!('body' in result)) return { error: CANCELLED };
  return result.state === 'succeeded' ? { response: result.body } : { error: errorOf(result) };
};

const format: BatchFormat = {
  validate,
  keepsOrder: true,
  // There are no results of a batch that took too long.
  forgetsAnswers: ['expired'],
  readLine: (text, { facts }) => {
    const { key, request, metadata } = object(parseJson(text));
    const { model: _model, ...body } = object(request);
    return {
      customId: String(key ?? object(metadata)['key'] ?? ''),
      path: `${ROOT}/models/${facts.model ?? ''}:generateContent`,
      body: JSON.stringify(body),
      headers: {},
    };
  },
  writeLine: (result, { facts }) =>
    facts.inputFileId === null
      ? { ...outcomeOf(result), metadata: { key: result.customId } }
      : { key: result.customId, ...outcomeOf(result) },
  onEnd: (batch, account) => {
    if (batch.facts.inputFileId === null || batch.end === 'expired' || batch.end === 'failed') return;
    const id = `files/batch-${batch.id}`;
    account.files.set(id, {
      id,
      filename: '',
      purpose: 'batch_output',
      mediaType: 'application/jsonl',
      createdAtMs: Date.now(),
      content: () => jsonLinesText(account.results(batch, ['succeeded', 'failed', 'cancelled'])),
    });
    batch.outputFileId = id;
  },
};

const ENDED = {
  completed: 'SUCCEEDED',
  cancelled: 'CANCELLED',
  expired: 'EXPIRED',
  failed: 'FAILED',
} as const;

const stateOf = ({ phase, end }: SimulatedBatch): string => {
  if (phase === 'ended') return `BATCH_STATE_${ENDED[end ?? 'completed']}`;
  return phase === 'validating' ? 'BATCH_STATE_PENDING' : 'BATCH_STATE_RUNNING';
};

/** Counts are texts, as 64-bit numbers are in JSON, and zeros are left out. */
const statsOf = ({ lines, counts }: SimulatedBatch) => {
  const stats = {
    requestCount: lines.count,
    successfulRequestCount: counts.succeeded,
    failedRequestCount: counts.failed + counts.cancelled + counts.expired,
    pendingRequestCount: counts.open,
  };
  return Object.fromEntries(
    Object.entries(stats)
      .filter(([, count]) => count > 0)
      .map(([name, count]) => [name, String(count)]),
  );
};

const outputOf = (batch: SimulatedBatch, { account }: StoredCall) => {
  const { end, facts, outputFileId } = batch;
  if (end === null || end === 'expired' || end === 'failed') return null;
  if (facts.inputFileId !== null) return { responsesFile: outputFileId };
  const responses = [...account.results(batch, ['succeeded', 'failed', 'cancelled'])];
  return { inlinedResponses: { inlinedResponses: responses } };
};

const errorOfBatch = ({ end, problems }: SimulatedBatch) => {
  if (end === 'failed') return { code: 3, message: problems[0]?.message ?? 'The batch failed.' };
  return end === 'cancelled' ? { code: 1, message: 'The operation was cancelled.' } : null;
};

const timeOf = (milliseconds: number): string => new Date(milliseconds).toISOString().replace('Z', '000000Z');

const show = (batch: SimulatedBatch, call: StoredCall) => {
  const { facts, endedAtMs, startedAtMs, createdAtMs } = batch;
  const name = `batches/${batch.id}`;
  const output = outputOf(batch, call);
  const error = errorOfBatch(batch);
  return {
    name,
    metadata: {
      '@type': TYPE,
      model: `models/${facts.model ?? ''}`,
      displayName: facts.displayName,
      ...(facts.inputFileId === null ? {} : { inputConfig: { fileName: facts.inputFileId } }),
      ...(output === null ? {} : { output }),
      createTime: timeOf(createdAtMs),
      ...(endedAtMs === null ? {} : { endTime: timeOf(endedAtMs) }),
      updateTime: timeOf(endedAtMs ?? startedAtMs ?? createdAtMs),
      batchStats: statsOf(batch),
      state: stateOf(batch),
      name,
    },
    ...(endedAtMs === null ? {} : { done: true }),
    ...(error === null ? {} : { error }),
    ...(output === null || error !== null ? {} : { response: { '@type': `${TYPE}Output`, ...output } }),
  };
};

const sourceOf = (
  { account, body }: StoredCall,
  { inputConfig, input_config: alias }: z.infer<typeof createBody>['batch'],
): { lines: JsonLines; fileName: string | null } => {
  const fileName = inputConfig?.fileName ?? alias?.file_name;
  const requests = (inputConfig?.requests ?? alias?.requests)?.requests;
  if ((fileName === undefined) === (requests === undefined))
    return refuse(invalidArgument('Exactly one input source has to be set.'));
  if (requests !== undefined) {
    if (body.length > INLINE_BYTES_MAX)
      return refuse({ ...invalidArgument('Request payload size exceeds the limit: 20971520 bytes.') });
    return { lines: linesOf(requests), fileName: null };
  }
  const file = account.files.get(fileName ?? '') ?? refuse(hidden(fileName ?? ''));
  return { lines: linesOfFile(file), fileName: fileName ?? null };
};

const create: StoredEndpoint = {
  operation: 'batch_create',
  handle: (call) => {
    const { body: raw, context, account, provider, behaviour, id: model } = call;
    assertGeminiModel(model, 'batchGenerateContent');
    const body = parseJson(raw.toString());
    const parsed = createBody.safeParse(body);
    if (!parsed.success) throw new RefusedRequest(refusalOfIssue(parsed.error.issues, body));
    const { batch: asked } = parsed.data;
    const displayName = asked.displayName ?? asked.display_name;
    if (displayName === undefined || displayName === '')
      return refuse(invalidArgument('* BatchGenerateContentRequest.batch.display_name: is required'));
    const { lines, fileName } = sourceOf(call, asked);
    const batch = account.create({
      id: `${context.unique}${context.unique.slice(8, 12)}`,
      provider,
      format,
      facts: {
        endpoint: 'generateContent',
        model,
        inputFileId: fileName,
        completionWindow: null,
        metadata: null,
        displayName,
      },
      lines,
      createdAtMs: context.nowMs,
      hold: behaviour.hold,
    });
    return { body: JSON.stringify(show(batch, call)) };
  },
};

const batchOf = ({ account, id }: StoredCall): SimulatedBatch =>
  account.batches.get(id) ?? refuse(notFound(`Batch batches/${id}`));

const retrieve: StoredEndpoint = {
  operation: 'batch_get',
  handle: (call) => ({ body: JSON.stringify(show(batchOf(call), call)) }),
};

const list: StoredEndpoint = {
  operation: 'batch_list',
  handle: (call) => {
    const { account, query } = call;
    const limit = Math.min(Number(query.get('pageSize') ?? LISTED), LISTED_MAX);
    const newestFirst = [...account.batches.values()].toReversed();
    const { data, hasMore } = pageOf(newestFirst, { after: query.get('pageToken'), limit });
    return {
      body: JSON.stringify({
        ...(data.length === 0 ? {} : { operations: data.map((batch) => show(batch, call)) }),
        ...(hasMore ? { nextPageToken: data.at(-1)?.id } : {}),
      }),
    };
  },
};

const cancel: StoredEndpoint = {
  operation: 'batch_cancel',
  handle: (call) => {
    const batch = batchOf(call);
    if (batch.phase === 'ended')
      return refuse({ status: 400, type: 'FAILED_PRECONDITION', message: 'The batch has ended.' });
    call.account.cancel(batch);
    return { body: '{}' };
  },
};

const remove: StoredEndpoint = {
  operation: 'file',
  handle: (call) => {
    const batch = batchOf(call);
    if (batch.phase !== 'ended')
      return refuse({ status: 400, type: 'FAILED_PRECONDITION', message: 'The batch has not ended.' });
    call.account.remove(batch);
    return { body: '{}' };
  },
};

const BATCH_PATH = /^\/v1beta\/batches\/([^/:]+)(:cancel)?$/;
const CREATE_PATH = /^\/v1beta\/models\/([^:]+):batchGenerateContent$/;

/** Files and batches. */
export const googleBatchRoute = ({ method, path }: { method: string; path: string }): Route | null => {
  const created = method === 'POST' ? CREATE_PATH.exec(path)?.[1] : undefined;
  if (created !== undefined) return { endpoint: create, id: decodeURIComponent(created) };
  if (path === `${ROOT}/batches`) return method === 'GET' ? { endpoint: list } : null;
  const found = BATCH_PATH.exec(path);
  const id = found?.[1];
  if (id === undefined) return googleFilesRoute({ method, path });
  if (found?.[2] !== undefined) return method === 'POST' ? { endpoint: cancel, id } : null;
  if (method === 'DELETE') return { endpoint: remove, id };
  return method === 'GET' ? { endpoint: retrieve, id } : null;
};
