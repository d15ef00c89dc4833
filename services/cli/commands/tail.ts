import { z } from 'zod';
import { textOption, type Command } from '../command.ts';

const attempt = z.object({
  started_at: z.string(),
  provider: z.string(),
  model: z.string(),
  status: z.string(),
  error_code: z.string().nullable(),
  team: z.string().nullable(),
  duration_ms: z.number(),
  first_token_ms: z.number().nullable(),
  input_tokens: z.number().nullable(),
  output_tokens: z.number().nullable(),
  cost: z.string().nullable(),
  request_id: z.string(),
});
const usage = z.object({
  left_out: z.number(),
  running: z.object({ attempts: z.number(), cost: z.string() }),
  data: z.array(attempt),
});

const lineOf = (row: z.infer<typeof attempt>): string => {
  const outcome = row.error_code === null ? row.status : `${row.status} (${row.error_code})`;
  const tokens = `${row.input_tokens ?? '?'}→${row.output_tokens ?? '?'} tokens`;
  const first = row.first_token_ms === null ? '' : `, first after ${row.first_token_ms} ms`;
  const cost = row.cost === null ? 'no known cost' : `${row.cost} USD`;
  const team = row.team === null ? '' : `  ${row.team}`;
  return `${row.started_at}  ${row.provider}/${row.model}  ${outcome}  ${tokens}  ${row.duration_ms} ms${first}  ${cost}${team}  ${row.request_id}`;
};

/** An event is held until its empty line; one this long is none of ours. */
const EVENT_LENGTH_MAX = 1_000_000;

/** The data of each `usage` event, with the event's id. */
async function* readEvents(body: ReadableStream<Uint8Array>): AsyncGenerator<{ id: string; data: string }> {
  const decoder = new TextDecoder();
  let pending = '';
  for await (const bytes of body) {
    pending += decoder.decode(bytes, { stream: true });
    const events = pending.split('\n\n');
    pending = events.pop() ?? '';
    if (pending.length > EVENT_LENGTH_MAX) throw new Error('flo2 sent an event that cannot be read.');
    for (const event of events) {
      const fields = new Map(
        event.split('\n').map((line) => {
          const colon = line.indexOf(': ');
          return [line.slice(0, colon), line.slice(colon + 2)] as const;
        }),
      );
      const data = fields.get('data');
      if (fields.get('event') === 'usage' && data !== undefined) yield { id: fields.get('id') ?? '', data };
    }
  }
}

const RECONNECT_MS = 2_000;

export const tail: Command = {
  name: 'tail',
  summary: 'Shows requests as they are recorded, and what they have cost so far.',
  usage: '[--tenant <id>] [--json]',
  help: { '--tenant': 'only this tenant’s, for the admin key', '--json': 'each request as a line of JSON' },
  options: { tenant: { type: 'string' }, json: { type: 'boolean' } },
  run: async ({ api, print, note, isTerminal, signal }, input) => {
    const tenant = textOption(input, 'tenant');
    const path = `/api/v1/usage/live${tenant === undefined ? '' : `?${new URLSearchParams({ tenant }).toString()}`}`;
    let lastId: string | null = null;
    while (!signal.aborted) {
      const headers: Record<string, string> = lastId === null ? {} : { 'last-event-id': lastId };
      const { body } = await api.request(path, { headers });
      try {
        for await (const { id, data } of readEvents(body ?? new ReadableStream())) {
          lastId = id;
          const { data: rows, left_out: leftOut, running } = usage.parse(JSON.parse(data));
          for (const row of rows) print(input.values['json'] === true ? JSON.stringify(row) : lineOf(row));
          if (leftOut > 0) note(`… and ${leftOut} more`);
          if (isTerminal) note(`${running.attempts} attempts, ${running.cost} USD`);
        }
      } catch (error) {
        if (signal.aborted) return;
        if (error instanceof z.ZodError) throw error;
        note('the stream broke off; going on where it was');
      }
      if (!signal.aborted) {
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, RECONNECT_MS);
          signal.addEventListener('abort', () => (clearTimeout(timer), resolve()), { once: true });
        });
      }
    }
  },
};
