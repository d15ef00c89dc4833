/** The lines of OpenAI's batches, and of those who took its API over. */
import { hash } from 'node:crypto';
import type { Behaviour } from '../behaviour.ts';
import type { BatchAccount } from '../batches/batch-room.ts';
import { JsonLines, parseJson } from '../batches/json-lines.ts';
import type {
  BatchFormat,
  BatchProblem,
  LineResult,
  LineState,
  SimulatedBatch,
} from '../batches/simulated-batch.ts';
import { jsonLinesText, type StoredFile } from '../batches/stored-files.ts';

export type BatchFormatStyle = {
  /** What stands before `/v1/…` of a line's url in this provider's paths. */
  pathPrefix: string;
  linesMax: number;
  /** Whether all lines have to name one model. */
  isOneModel: boolean;
  newFileId: (unique: string) => string;
  lineId: (unique: string) => string;
};

const PROBLEMS_MAX = 50;
const CUSTOM_ID_LENGTH_MAX = 64;

type Line = { custom_id?: unknown; method?: unknown; url?: unknown; body?: unknown };

const textOf = (value: unknown, name: string): string | null => {
  const text: unknown = typeof value === 'object' && value !== null ? Reflect.get(value, name) : null;
  return typeof text === 'string' ? text : null;
};

/** What the API finds wrong with one line. */
const problemOf = (
  line: Line | undefined,
  seen: { endpoint: string; model: string | null; customIds: ReadonlySet<string> },
): Omit<BatchProblem, 'line'> | null => {
  if (typeof line !== 'object' || line === null || Array.isArray(line))
    return {
      code: 'invalid_json_line',
      message: 'This line is not parseable as valid JSON.',
      param: null,
    };
  for (const name of ['custom_id', 'method', 'url', 'body'] as const)
    if (line[name] === undefined)
      return {
        code: 'missing_required_parameter',
        message: `Missing required parameter: '${name}'.`,
        param: name,
      };
  const { custom_id: customId, method, url, body } = line;
  if (typeof customId !== 'string' || customId === '' || customId.length > CUSTOM_ID_LENGTH_MAX)
    return { code: 'invalid_custom_id', message: "Invalid value for 'custom_id'.", param: 'custom_id' };
  if (seen.customIds.has(customId))
    return {
      code: 'duplicate_custom_id',
      message: `The custom_id for this request is a duplicate of another request. The custom_id parameter must be unique for each request in a batch.`,
      param: 'custom_id',
    };
  if (method !== 'POST')
    return {
      code: 'invalid_method',
      message: "Invalid value for 'method': expected 'POST'.",
      param: 'method',
    };
  if (url !== seen.endpoint)
    return {
      code: 'url_mismatch',
      message: `The URL provided for this request does not match the batch endpoint.`,
      param: 'url',
    };
  const model = textOf(body, 'model');
  if (model === null)
    return { code: 'invalid_request', message: 'you must provide a model parameter', param: 'body.model' };
  if (seen.model !== null && model !== seen.model)
    return {
      code: 'model_mismatch',
      message: `The provided model '${model}' in this request does not match the rest of the batch. Each batch must contain requests for a single model.`,
      param: 'body.model',
    };
  return null;
};

const asked = ({ status, limit }: Behaviour, model: string | null): BatchProblem[] => {
  if (status === undefined) return [];
  const problem = { line: null, param: null };
  if (limit === 'tokens')
    return [
      {
        ...problem,
        code: 'token_limit_exceeded',
        message: `Enqueued token limit reached for ${model ?? 'the model'} in organization org-simulated. Limit: 90,000 enqueued tokens. Please try again once some in_progress batches have been completed.`,
      },
    ];
  if (limit === 'quota')
    return [
      { ...problem, code: 'billing_hard_limit_reached', message: 'Billing hard limit has been reached.' },
    ];
  return [{ ...problem, code: 'invalid_request', message: 'The batch could not be validated.' }];
};

const validate = (style: BatchFormatStyle, batch: SimulatedBatch, behaviour: Behaviour): BatchProblem[] => {
  const { lines, facts } = batch;
  const whole = { line: null, param: null };
  if (batch.problems.length > 0) return batch.problems;
  if (lines.count === 0) return [{ ...whole, code: 'empty_file', message: 'The input file is empty.' }];
  if (lines.count > style.linesMax)
    return [
      {
        ...whole,
        code: 'too_many_tasks',
        message: `The input file has ${lines.count} requests; the limit is ${style.linesMax}.`,
      },
    ];
  const problems: BatchProblem[] = [];
  const customIds = new Set<string>();
  let model: string | null = null;
  for (let index = 0; index < lines.count && problems.length < PROBLEMS_MAX; index += 1) {
    const line = parseJson(lines.text(index)) as Line | undefined;
    const problem = problemOf(line, { endpoint: facts.endpoint, model, customIds });
    if (problem !== null) {
      problems.push({ ...problem, line: lines.numberOf(index) });
      continue;
    }
    customIds.add(String(line?.custom_id));
    if (style.isOneModel) model ??= textOf(line?.body, 'model');
  }
  return problems.length > 0 ? problems : asked(behaviour, model);
};

const MESSAGES = {
  open: { code: 'internal_error', message: 'This request was not executed.' },
  expired: {
    code: 'batch_expired',
    message: 'This request could not be executed before the completion window expired.',
  },
  cancelled: {
    code: 'batch_cancelled',
    message: 'This request was not executed because the batch was cancelled.',
  },
};

const writeLine = (style: BatchFormatStyle, result: LineResult) => {
  const line = { id: style.lineId(result.unique), custom_id: result.customId };
  if (!('body' in result)) return { ...line, response: null, error: MESSAGES[result.state] };
  const response = { status_code: result.status, request_id: result.requestId, body: result.body };
  return { ...line, response, error: null };
};

/** Files that are made of the lines' answers when they are read. */
const layDown = (
  style: BatchFormatStyle,
  batch: SimulatedBatch,
  account: BatchAccount,
  { name, states }: { name: 'output' | 'error'; states: readonly LineState[] },
): string | null => {
  if (states.every((state) => batch.counts[state] === 0)) return null;
  const content = () => jsonLinesText(account.results(batch, states));
  const id = style.newFileId(hash('sha256', `${batch.id} ${name}`, 'hex').slice(0, 32));
  const file: StoredFile = {
    id,
    filename: `${batch.id}_${name}.jsonl`,
    purpose: 'batch_output',
    mediaType: 'application/octet-stream',
    createdAtMs: Date.now(),
    content,
  };
  account.files.set(id, file);
  return id;
};

export const openaiBatchFormat = (style: BatchFormatStyle): BatchFormat => ({
  validate: (batch, behaviour) => validate(style, batch, behaviour),
  readLine: (text) => {
    const line = Object(parseJson(text)) as Line;
    return {
      customId: String(line.custom_id),
      path: `${style.pathPrefix}${String(line.url)}`,
      body: JSON.stringify(line.body),
      headers: {},
    };
  },
  writeLine: (result) => writeLine(style, result),
  onEnd: (batch, account) => {
    batch.outputFileId = layDown(style, batch, account, { name: 'output', states: ['succeeded'] });
    const states = ['failed', 'expired', 'cancelled'] as const;
    batch.errorFileId = layDown(style, batch, account, { name: 'error', states });
  },
});

/** No lines where the file is not there. */
export const linesOfFile = (file: StoredFile | undefined): JsonLines => {
  if (file === undefined || typeof file.content === 'function') return new JsonLines(Buffer.alloc(0));
  const { buffer, byteOffset, byteLength } = file.content;
  return new JsonLines(Buffer.from(buffer, byteOffset, byteLength));
};
