/** The text form of batches: the lines of an input, and the lines of what comes out. */
import type { RequestId, TenantId } from '#contracts/ids';
import { BATCH_LINE_BYTES_MAX } from '#contracts/batch';
import { decodeWireError, FloError } from '#domain/errors';
import { requestIdOf } from '#domain/work-item';
import type { PayloadSeal } from '#domain/work-ports';
import type { EndedLine, LineKind } from '#postgres/batch-rows';
import type { BatchStore } from '#postgres/batches';
import { surfaceOf } from '#surfaces/registry';

const NEWLINE = 10;
/** Lines read at once: some megabytes of answers in memory at most. */
const LINES_AT_ONCE = 100;

const decoder = new TextDecoder('utf-8');

/** Lines of a text that comes in pieces; null for one over the bound, whose bytes are not kept. */
export async function* splitLines(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<string | null> {
  let held: Uint8Array[] = [];
  let heldBytes = 0;
  const take = (bytes: Uint8Array): void => {
    heldBytes += bytes.length;
    if (heldBytes <= BATCH_LINE_BYTES_MAX) held.push(bytes);
  };
  const line = (): string | null => {
    const text = heldBytes > BATCH_LINE_BYTES_MAX ? null : decoder.decode(Buffer.concat(held));
    held = [];
    heldBytes = 0;
    return text;
  };
  for await (const chunk of chunks) {
    let start = 0;
    for (;;) {
      const end = chunk.indexOf(NEWLINE, start);
      if (end < 0) break;
      take(chunk.subarray(start, end));
      yield line();
      start = end + 1;
    }
    if (start < chunk.length) take(chunk.subarray(start));
  }
  if (heldBytes > 0) yield line();
}

type OpenedLine = { line: EndedLine; requestId: RequestId; body: unknown };

/** What is told of a line that was never answered, in OpenAI's words. */
const UNANSWERED: Readonly<Record<string, { code: string; message: string }>> = {
  expired: {
    code: 'batch_expired',
    message: 'This request could not be executed before the completion window expired.',
  },
  cancelled: {
    code: 'batch_cancelled',
    message: 'This request was not executed because the batch was cancelled.',
  },
};

/** A line of an output or error file. */
export const encodeOpenaiLine = ({ line, requestId, body }: OpenedLine): unknown => {
  const base = { id: line.id.replace(/^job_/, 'batch_req_'), custom_id: line.customId };
  if (line.state === 'completed') {
    return {
      ...base,
      response: { status_code: line.status ?? 200, request_id: requestId, body },
      error: null,
    };
  }
  const unanswered = UNANSWERED[line.state];
  if (unanswered !== undefined || line.error === null) {
    return {
      ...base,
      response: null,
      error: unanswered ?? { code: line.state, message: 'It was not answered.' },
    };
  }
  const { status, body: errorBody } = surfaceOf(line.surface).encodeError(
    decodeWireError(line.error),
    requestId,
  );
  return { ...base, response: { status_code: status, request_id: requestId, body: errorBody }, error: null };
};

/** A line of a message batch's results. */
export const encodeAnthropicLine = ({ line, requestId, body }: OpenedLine): unknown => {
  const base = { custom_id: line.customId };
  if (line.state === 'completed') return { ...base, result: { type: 'succeeded', message: body } };
  if (line.state === 'cancelled') return { ...base, result: { type: 'canceled' } };
  if (line.state === 'expired') return { ...base, result: { type: 'expired' } };
  const error =
    line.error === null ? new FloError('internal', 'It was not answered.') : decodeWireError(line.error);
  const { body: errorBody } = surfaceOf(line.surface).encodeError(error, requestId);
  return { ...base, result: { type: 'errored', error: errorBody } };
};

/** Ended lines as a file holds them, a page at a time, in the order of the input. */
export async function* readEndedLines(
  deps: { batches: BatchStore; seal: PayloadSeal },
  batch: { id: Parameters<BatchStore['countLines']>[0]; tenantId: TenantId },
  kind: LineKind,
  encode: (opened: OpenedLine) => unknown,
): AsyncGenerator<Buffer> {
  const last = await deps.batches.lastLine(batch.id);
  for (let after = 0; after < last; after += LINES_AT_ONCE) {
    const lines = await deps.batches.endedLines(batch.id, kind, after, after + LINES_AT_ONCE);
    let text = '';
    for (const line of lines) {
      let body: unknown = null;
      if (line.answer !== null) {
        const place = { tenantId: batch.tenantId, kind: 'work answer', id: line.id, part: 0 } as const;
        body = JSON.parse((await deps.seal.open(place, line.answer)).toString('utf8'));
      }
      text += `${JSON.stringify(encode({ line, requestId: requestIdOf(line.id), body }))}\n`;
    }
    if (text !== '') yield Buffer.from(text);
  }
}
