/** Anthropic's message batches: https://platform.claude.com/docs/en/api/creating-message-batches */
import { z } from 'zod';
import { linesOf, parseJson } from '../batches/json-lines.ts';
import { refuse } from '../batches/line-answerer.ts';
import type { BatchFormat, LineResult, SimulatedBatch } from '../batches/simulated-batch.ts';
import { jsonLinesText, pageOf } from '../batches/stored-files.ts';
import type { Failure, Route, StoredCall, StoredEndpoint } from '../provider.ts';

const REQUESTS_MAX = 100_000;
const BODY_BYTES_MAX = 256 * 1024 * 1024;
const LISTED = 20;
const LISTED_MAX = 1_000;
const DAY_MS = 86_400_000;

const createBody = z.strictObject({
  requests: z
    .array(
      z.strictObject({
        custom_id: z.string().regex(/^[a-zA-Z0-9_-]{1,64}$/),
        params: z.record(z.string(), z.unknown()),
      }),
    )
    .min(1)
    .max(REQUESTS_MAX),
});

const refusal = (message: string, status = 400): Failure => ({
  status,
  type: status === 404 ? 'not_found_error' : 'invalid_request_error',
  message,
});

const SERVER_ERROR = {
  type: 'error',
  error: { type: 'api_error', message: 'Internal server error' },
  request_id: null,
};

const object = (value: unknown): Record<string, unknown> => Object(value) as Record<string, unknown>;

const resultOf = (result: LineResult): unknown => {
  switch (result.state) {
    case 'succeeded': {
      const message = object(result.body);
      const usage = { ...object(message['usage']), service_tier: 'batch' };
      return { type: 'succeeded', message: 'usage' in message ? { ...message, usage } : message };
    }
    case 'failed':
      return { type: 'errored', error: result.body };
    case 'open':
      return { type: 'errored', error: SERVER_ERROR };
    case 'expired':
      return { type: 'expired' };
    case 'cancelled':
      return { type: 'canceled' };
  }
};

/** Parameters are checked when a request's turn comes, so that nothing fails a batch as a whole. */
const format: BatchFormat = {
  validate: () => [],
  readLine: (text, { headers }) => {
    const line = object(parseJson(text));
    return {
      customId: String(line['custom_id']),
      path: '/v1/messages',
      body: JSON.stringify(line['params']),
      headers,
    };
  },
  writeLine: (result) => ({ custom_id: result.customId, result: resultOf(result) }),
};

const timeOrNull = (milliseconds: number | null): string | null =>
  milliseconds === null ? null : timeOf(milliseconds);
const timeOf = (milliseconds: number): string =>
  new Date(milliseconds).toISOString().replace('Z', '000+00:00');

const PATH = '/v1/messages/batches';

const show = (batch: SimulatedBatch, baseUrl: string) => {
  const { phase, cancellingAtMs, counts, endedAtMs } = batch;
  const ended = phase === 'ended';
  const working = cancellingAtMs === null ? 'in_progress' : 'canceling';
  return {
    id: batch.id,
    type: 'message_batch',
    processing_status: ended ? 'ended' : working,
    // All are processing until the whole batch has ended.
    request_counts: {
      processing: ended ? 0 : batch.lines.count,
      succeeded: ended ? counts.succeeded : 0,
      errored: ended ? counts.failed + counts.open : 0,
      canceled: ended ? counts.cancelled : 0,
      expired: ended ? counts.expired : 0,
    },
    ended_at: timeOrNull(endedAtMs),
    created_at: timeOf(batch.createdAtMs),
    expires_at: timeOf(batch.createdAtMs + DAY_MS),
    archived_at: null,
    cancel_initiated_at: timeOrNull(cancellingAtMs),
    results_url: ended ? `${baseUrl}${PATH}/${batch.id}/results` : null,
  };
};

const batchOf = ({ account, id }: StoredCall): SimulatedBatch =>
  account.batches.get(id) ?? refuse(refusal(`Message batch ${id} not found.`, 404));

const create: StoredEndpoint = {
  operation: 'batch_create',
  bodyBytesMax: BODY_BYTES_MAX,
  handle: ({ body: raw, headers, context, account, provider, behaviour, baseUrl }) => {
    if (headers['anthropic-version'] === undefined)
      return refuse(refusal('anthropic-version: header is required'));
    const parsed = createBody.safeParse(parseJson(raw.toString()));
    if (!parsed.success) {
      const [issue] = parsed.error.issues;
      return refuse(refusal(`${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'Invalid input'}`));
    }
    const { requests } = parsed.data;
    const customIds = new Set<string>();
    for (const { custom_id: customId } of requests) {
      if (customIds.has(customId)) return refuse(refusal(`requests: duplicate custom_id '${customId}'`));
      customIds.add(customId);
    }
    const shared = Object.entries(headers).filter(([name]) => name.startsWith('anthropic-'));
    const model = requests[0]?.params['model'];
    const batch = account.create({
      id: `msgbatch_01${context.unique.slice(0, 22)}`,
      provider,
      format,
      facts: {
        endpoint: '/v1/messages',
        model: typeof model === 'string' ? model : null,
        inputFileId: null,
        completionWindow: null,
        metadata: null,
        displayName: null,
      },
      headers: Object.fromEntries(shared.map(([name, value]) => [name, String(value)])),
      lines: linesOf(requests),
      createdAtMs: context.nowMs,
      hold: behaviour.hold,
    });
    return { body: JSON.stringify(show(batch, baseUrl)) };
  },
};

const retrieve: StoredEndpoint = {
  operation: 'batch_get',
  handle: (call) => ({ body: JSON.stringify(show(batchOf(call), call.baseUrl)) }),
};

const list: StoredEndpoint = {
  operation: 'batch_list',
  handle: ({ account, query, baseUrl }) => {
    const limit = Number(query.get('limit') ?? LISTED);
    if (!Number.isInteger(limit) || limit < 1 || limit > LISTED_MAX)
      return refuse(refusal('limit: Input should be between 1 and 1000'));
    const newestFirst = [...account.batches.values()].toReversed();
    const { data, hasMore } = pageOf(newestFirst, { after: query.get('after_id'), limit });
    return {
      body: JSON.stringify({
        data: data.map((batch) => show(batch, baseUrl)),
        has_more: hasMore,
        first_id: data[0]?.id ?? null,
        last_id: data.at(-1)?.id ?? null,
      }),
    };
  },
};

const cancel: StoredEndpoint = {
  operation: 'batch_cancel',
  handle: (call) => {
    const batch = batchOf(call);
    if (batch.phase === 'ended')
      return refuse(refusal(`Message batch ${batch.id} has ended and cannot be canceled.`));
    call.account.cancel(batch);
    return { body: JSON.stringify(show(batch, call.baseUrl)) };
  },
};

const remove: StoredEndpoint = {
  operation: 'file',
  handle: (call) => {
    const batch = batchOf(call);
    if (batch.phase !== 'ended')
      return refuse(refusal(`Message batch ${batch.id} has not ended and cannot be deleted.`));
    call.account.remove(batch);
    return { body: JSON.stringify({ id: batch.id, type: 'message_batch_deleted' }) };
  },
};

const results: StoredEndpoint = {
  operation: 'download',
  handle: (call) => {
    const batch = batchOf(call);
    if (batch.phase !== 'ended') return refuse(refusal(`Message batch ${batch.id} has no results yet.`));
    const states = ['succeeded', 'failed', 'open', 'expired', 'cancelled'] as const;
    return {
      headers: { 'content-type': 'application/x-jsonl' },
      body: jsonLinesText(call.account.results(batch, states)),
    };
  },
};

const ITEM: Readonly<Record<string, StoredEndpoint>> = {
  'GET ': retrieve,
  'DELETE ': remove,
  'POST /cancel': cancel,
  'GET /results': results,
};

/** What is served below `/v1/messages/batches`. */
export const anthropicBatchRoute = ({ method, path }: { method: string; path: string }): Route | null => {
  if (!path.startsWith(PATH)) return null;
  if (path === PATH) {
    if (method === 'POST') return { endpoint: create };
    return method === 'GET' ? { endpoint: list } : null;
  }
  const found = /^\/([^/]+)(\/cancel|\/results)?$/.exec(path.slice(PATH.length));
  const endpoint = ITEM[`${method} ${found?.[2] ?? ''}`];
  return found?.[1] === undefined || endpoint === undefined ? null : { endpoint, id: found[1] };
};
