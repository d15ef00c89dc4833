/** What tests of provider batches have in common: batches of chat lines, and what became of them. */
import OpenAI, { toFile } from 'openai';
import type { Batch } from 'openai/resources/batches';
import { vi } from 'vitest';
import { z } from 'zod';

const resultLine = z.looseObject({
  custom_id: z.string(),
  response: z.looseObject({ status_code: z.number(), request_id: z.string() }).nullable(),
  error: z.looseObject({ code: z.string() }).nullable(),
});
export type ResultLine = z.infer<typeof resultLine>;

export type BatchMode = 'queued' | 'native' | 'auto';

/** A tenant's batches, by the official client library. */
export class BatchCaller {
  readonly client: OpenAI;

  constructor(url: string, apiKey: string) {
    this.client = new OpenAI({ apiKey, baseURL: `${url}/v1`, maxRetries: 0 });
  }

  async submit(options: {
    model: string;
    texts: readonly string[];
    mode?: BatchMode;
    window?: string;
  }): Promise<Batch> {
    const lines = options.texts.map((text, index) =>
      JSON.stringify({
        custom_id: `line-${index}`,
        method: 'POST',
        url: '/v1/chat/completions',
        body: { model: options.model, max_tokens: 64, messages: [{ role: 'user', content: text }] },
      }),
    );
    const file = await this.client.files.create({
      purpose: 'batch',
      file: await toFile(Buffer.from(lines.join('\n')), 'lines.jsonl'),
    });
    return this.client.batches.create(
      {
        input_file_id: file.id,
        endpoint: '/v1/chat/completions',
        completion_window: (options.window ?? '24h') as '24h',
      },
      options.mode === undefined ? {} : { headers: { 'x-flo2-batch-mode': options.mode } },
    );
  }

  /** The batch once it has one of the statuses. */
  awaitStatus(id: string, ...statuses: string[]): Promise<Batch> {
    return vi.waitFor(
      async () => {
        const batch = await this.client.batches.retrieve(id);
        if (!statuses.includes(batch.status)) {
          throw new Error(`it is ${batch.status}: ${JSON.stringify(batch.request_counts)}`);
        }
        return batch;
      },
      { timeout: 30_000, interval: 50 },
    );
  }

  /** Answered and other lines, by custom id. */
  async results(batch: Batch): Promise<Map<string, ResultLine>> {
    const results = new Map<string, ResultLine>();
    for (const fileId of [batch.output_file_id, batch.error_file_id]) {
      if (fileId === null || fileId === undefined) continue;
      const text = await (await this.client.files.content(fileId)).text();
      for (const row of text.split('\n').filter((line) => line !== '')) {
        const line = resultLine.parse(JSON.parse(row));
        if (results.has(line.custom_id)) throw new Error(`${line.custom_id} has two results`);
        results.set(line.custom_id, line);
      }
    }
    return results;
  }
}

export const statusesOf = (results: ReadonlyMap<string, ResultLine>): Record<string, number | string> =>
  Object.fromEntries(
    [...results].map(([id, line]) => [id, line.response?.status_code ?? line.error?.code ?? 'none']),
  );

export const sortedStatuses = (results: ReadonlyMap<string, ResultLine>): string[] =>
  Object.values(statusesOf(results)).map(String).toSorted();
