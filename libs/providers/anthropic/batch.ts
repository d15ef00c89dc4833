import { FloError } from '#domain/errors';
import { countOf, listOf, objectOf, parseObject, textOf, type JsonObject } from '../json-fields.ts';
import { callJson, callUnlessGone, onOneLine, requireId } from '../native-batch-json.ts';
import type {
  NativeBatchHttp,
  NativeBatchIntent,
  NativeBatchLineResult,
  NativeBatchObservation,
  NativeBatchProvider,
  NativeBatchReference,
  NativeBatchSearch,
} from '../native-batch.ts';
import { ANTHROPIC_VERSION } from './headers.ts';

const PATH = '/v1/messages/batches';
const HEADERS = { 'anthropic-version': ANTHROPIC_VERSION };

const PAGE_LINES = 100;
const PAGES_MAX = 50;
/** Batches whose results are looked into for one search. */
const OPENED_MAX = 50;
/** The provider's clock may go behind ours. */
const CLOCK_SLACK_MS = 60_000;
const STATUS_LENGTH_MAX = 64;
const NEWLINE = 0x0a;
const COMMA = 0x2c;

const malformed = (message: string): FloError => new FloError('malformed_answer', message);

const pathOf = ({ id }: NativeBatchReference, rest = ''): string =>
  `${PATH}/${encodeURIComponent(id)}${rest}`;

/** Lines as the elements of a list: no line has a line end within. */
const requestsOf = (jsonl: Uint8Array): Uint8Array => {
  const head = Buffer.from('{"requests":[');
  const body = Buffer.concat([head, jsonl, Buffer.from(']}')]);
  const last = head.length + jsonl.length - 1;
  for (let at = body.indexOf(NEWLINE); at >= 0; at = body.indexOf(NEWLINE, at + 1))
    body[at] = at === last ? 0x20 : COMMA;
  return body;
};

/** Until the batch has ended all of its requests are told as being processed. */
const countsOf = (batch: JsonObject): NonNullable<NativeBatchObservation['counts']> => {
  const told = objectOf(batch['request_counts']);
  const count = (name: string): number => countOf(told[name]) ?? 0;
  const [succeeded, failed] = [count('succeeded'), count('errored')];
  const total = count('processing') + succeeded + failed + count('canceled') + count('expired');
  return { total, succeeded, failed };
};

const STATUSES: Readonly<Record<string, number>> = {
  invalid_request_error: 400,
  authentication_error: 401,
  billing_error: 402,
  permission_error: 403,
  not_found_error: 404,
  request_too_large: 413,
  rate_limit_error: 429,
  timeout_error: 504,
  overloaded_error: 529,
};

const readLine = (line: Uint8Array): NativeBatchLineResult | null => {
  const read = parseObject(line);
  const customId = textOf(read['custom_id']);
  if (customId === null) return null;
  const result = objectOf(read['result']);
  switch (result['type']) {
    case 'succeeded': {
      const body = Buffer.from(JSON.stringify(result['message'] ?? null));
      return { customId, kind: 'answered', status: 200, body, upstreamRequestId: null };
    }
    case 'canceled':
      return { customId, kind: 'not_run', reason: 'cancelled' };
    case 'expired':
      return { customId, kind: 'not_run', reason: 'expired' };
    case 'errored': {
      const error = objectOf(result['error']);
      const status = STATUSES[textOf(objectOf(error['error'])['type']) ?? ''] ?? 500;
      const body = Buffer.from(JSON.stringify(error));
      return { customId, kind: 'answered', status, body, upstreamRequestId: textOf(error['request_id']) };
    }
    default:
      return { customId, kind: 'answered', status: 502, body: Buffer.from('{}'), upstreamRequestId: null };
  }
};

async function* readResults(
  http: NativeBatchHttp,
  reference: NativeBatchReference,
): AsyncGenerator<NativeBatchLineResult> {
  for await (const line of http.lines({
    method: 'GET',
    path: pathOf(reference, '/results'),
    headers: HEADERS,
  })) {
    const result = readLine(line);
    if (result !== null) yield result;
  }
}

/** Null where the results say nothing. */
const firstCustomId = async (
  http: NativeBatchHttp,
  reference: NativeBatchReference,
): Promise<string | null> => {
  for await (const { customId } of readResults(http, reference)) return customId;
  return null;
};

type Others = { known: ReadonlySet<string>; customIds: ReadonlySet<string> };

/**
 * A batch has no name of its caller's, and shows which requests it holds only when it has ended: until then
 * one that is as large as the intent, as new, and nobody's else may be it.
 */
const search = async (
  http: NativeBatchHttp,
  intent: NativeBatchIntent,
  { known, customIds }: Others,
): Promise<NativeBatchSearch> => {
  const earliestMs = intent.createdAtMs - CLOCK_SLACK_MS;
  const found: NativeBatchReference[] = [];
  let opened = 0;
  let isUndecided = false;
  let after: string | null = null;
  for (let page = 0; page < PAGES_MAX; page += 1) {
    const query: string = after === null ? '' : `&after_id=${encodeURIComponent(after)}`;
    const path = `${PATH}?limit=${PAGE_LINES}${query}`;
    const list = await callJson(http, { method: 'GET', path, headers: HEADERS });
    if (!Array.isArray(list['data'])) throw malformed("The provider's list of batches cannot be read.");
    const batches = listOf(list['data']).map(objectOf);
    const isNew = (batch: JsonObject): boolean =>
      !(Date.parse(textOf(batch['created_at']) ?? '') < earliestMs);
    for (const batch of batches) {
      if (!isNew(batch) || countsOf(batch).total !== intent.lineCount) continue;
      const reference = { id: requireId(batch, malformed), parts: {} };
      if (known.has(reference.id)) continue;
      opened += 1;
      if (batch['processing_status'] !== 'ended' || opened > OPENED_MAX) {
        isUndecided = true;
        continue;
      }
      const customId = await firstCustomId(http, reference);
      if (customId !== null && customIds.has(customId)) found.push(reference);
    }
    const last = batches.at(-1);
    const next = last === undefined ? null : textOf(last['id']);
    // The newest come first.
    if (list['has_more'] !== true || !batches.some(isNew) || next === null || next === after) {
      const [first, ...rest] = found;
      if (first !== undefined) return { kind: 'found', references: [first, ...rest] };
      return { kind: isUndecided ? 'undecided' : 'absent' };
    }
    after = next;
  }
  return { kind: 'undecided' };
};

/** Anthropic's message batches: https://platform.claude.com/docs/en/build-with-claude/batch-processing */
export const anthropicBatch: NativeBatchProvider = {
  // 256 MB, of which the list around the lines takes a few bytes.
  limits: { lines: 100_000, bytes: 255_000_000 },
  windowHours: { min: 24, max: 24 },
  takes: (path) => path === '/v1/messages',
  encodeLine: ({ customId, call }) =>
    Buffer.from(`{"custom_id":${JSON.stringify(customId)},"params":${onOneLine(call.body)}}`),
  create: async (http, { headers }, jsonl) => {
    const batch = await callJson(http, {
      method: 'POST',
      path: PATH,
      headers: { ...HEADERS, ...headers, 'content-type': 'application/json' },
      body: requestsOf(jsonl),
    });
    return { id: requireId(batch, malformed), parts: {} };
  },
  find: search,
  poll: async (http, reference) => {
    const batch = await callJson(http, { method: 'GET', path: pathOf(reference), headers: HEADERS });
    const status = (textOf(batch['processing_status']) ?? '').slice(0, STATUS_LENGTH_MAX);
    return {
      state: status === 'ended' ? 'ended' : 'pending',
      status,
      counts: countsOf(batch),
      errors: [],
      reference,
    };
  },
  results: readResults,
  // One that has ended answers that it cannot be canceled.
  cancel: async (http, reference) => {
    try {
      await http.call({ method: 'POST', path: pathOf(reference, '/cancel'), headers: HEADERS });
    } catch (error) {
      const status = error instanceof FloError ? error.upstreamStatus : undefined;
      if (status !== 400 && status !== 409) throw error;
    }
  },
  dispose: (http, reference) =>
    callUnlessGone(http, { method: 'DELETE', path: pathOf(reference), headers: HEADERS }),
};
