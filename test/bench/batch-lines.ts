/** How many lines of a batch flo2 carries out in a second, from the first to the last. */
import { z } from 'zod';
import type { Target } from './load.ts';

const created = z.looseObject({ id: z.string() });
const batchState = z.looseObject({
  status: z.string(),
  request_counts: z.object({ total: z.number(), completed: z.number(), failed: z.number() }),
});

const POLL_MS = 250;

export type BatchFigures = {
  lines: number;
  failed: number;
  /** From the creation of the batch to its first answered line, which the reading of the file precedes. */
  validationMs: number;
  linesPerSecond: number;
};

const lineOf = (index: number): string =>
  `${JSON.stringify({
    custom_id: `line-${index}`,
    method: 'POST',
    url: '/v1/chat/completions',
    body: { model: 'gpt-4o-mini', messages: [{ role: 'user', content: 'Answer as shortly as you can.' }] },
  })}\n`;

type Ask = (method: string, path: string, body?: FormData | object) => Promise<unknown>;

const asking = (target: Target): Ask => {
  const { authorization = '' } = target.headers;
  return async (method, path, body) => {
    const isForm = body instanceof FormData;
    const answer = await fetch(`${target.origin}${path}`, {
      method,
      headers: { authorization, ...(isForm ? {} : { 'content-type': 'application/json' }) },
      ...(body !== undefined && { body: isForm ? body : JSON.stringify(body) }),
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${path} was answered ${answer.status}: ${text}`);
    return JSON.parse(text);
  };
};

/** Uploads a file of so many lines and has it carried out. Resolves to the batch's id once it is taken on. */
export const submitBatch = async (target: Target, lines: number): Promise<string> => {
  const ask = asking(target);
  const form = new FormData();
  form.append('purpose', 'batch');
  form.append('file', new Blob(Array.from({ length: lines }, (_, index) => lineOf(index))), 'lines.jsonl');
  const file = created.parse(await ask('POST', '/v1/files', form));
  const batch = created.parse(
    await ask('POST', '/v1/batches', {
      input_file_id: file.id,
      endpoint: '/v1/chat/completions',
      completion_window: '24h',
    }),
  );
  return batch.id;
};

/** Runs a batch of so many lines, and waits for its end. */
export const runBatch = async (target: Target, lines: number): Promise<BatchFigures> => {
  const ask = asking(target);
  const id = await submitBatch(target, lines);
  const startedAtMs = performance.now();
  let firstAtMs: number | null = null;
  let firstCount = 0;
  for (;;) {
    const now = batchState.parse(await ask('GET', `/v1/batches/${id}`));
    const { completed, failed } = now.request_counts;
    const ended = completed + failed;
    if (firstAtMs === null && ended > 0) {
      firstAtMs = performance.now();
      firstCount = ended;
    }
    if (now.status === 'failed') throw new Error('the batch was refused');
    if (ended === lines && firstAtMs !== null) {
      const seconds = (performance.now() - firstAtMs) / 1_000;
      return {
        lines,
        failed,
        validationMs: firstAtMs - startedAtMs,
        linesPerSecond: (lines - firstCount) / seconds,
      };
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
};
