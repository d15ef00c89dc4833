/** A batch's client that goes on through kills, and what must agree once the batch has ended. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { z } from 'zod';
import { TOKEN_CLASSES } from '#contracts/usage';
import type { Simulator } from '#test/simulators/simulator';
import { countedTokens } from '#test/support/stack';

const POLL_MS = 500;
const SETTLE_MS = 120_000;

const created = z.looseObject({ id: z.string() });
const batchState = z.looseObject({
  status: z.string(),
  request_counts: z.object({ total: z.number(), completed: z.number(), failed: z.number() }),
  output_file_id: z.string().nullable(),
  error_file_id: z.string().nullable(),
});
const resultLine = z.looseObject({ custom_id: z.string() });

export class BatchClient {
  readonly #origin: string;
  readonly #key: string;

  constructor(origin: string, key: string) {
    this.#origin = origin;
    this.#key = key;
  }

  /** Repeated until flo2 answers; only what may be repeated. */
  async #read(path: string): Promise<string> {
    const giveUpAtMs = Date.now() + SETTLE_MS;
    for (;;) {
      try {
        const answer = await fetch(`${this.#origin}${path}`, {
          headers: { authorization: `Bearer ${this.#key}` },
        });
        if (answer.ok) return await answer.text();
        await answer.text();
      } catch {
        // The ingress is being killed.
      }
      if (Date.now() > giveUpAtMs) throw new Error(`${path} could not be read`);
      await sleep(POLL_MS);
    }
  }

  async #send(path: string, body: FormData | object): Promise<string> {
    const isForm = body instanceof FormData;
    const answer = await fetch(`${this.#origin}${path}`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${this.#key}`,
        ...(isForm ? {} : { 'content-type': 'application/json' }),
      },
      body: isForm ? body : JSON.stringify(body),
    });
    return created.parse(await answer.json()).id;
  }

  async submit(lines: number, model: string): Promise<string> {
    const form = new FormData();
    const texts = Array.from(
      { length: lines },
      (_, index) =>
        `${JSON.stringify({
          custom_id: `line-${index}`,
          method: 'POST',
          url: '/v1/chat/completions',
          body: { model, messages: [{ role: 'user', content: `line ${index}` }] },
        })}\n`,
    );
    form.append('purpose', 'batch');
    form.append('file', new Blob(texts), 'lines.jsonl');
    const fileId = await this.#send('/v1/files', form);
    return this.#send('/v1/batches', {
      input_file_id: fileId,
      endpoint: '/v1/chat/completions',
      completion_window: '24h',
    });
  }

  async retrieve(batchId: string): Promise<z.infer<typeof batchState>> {
    return batchState.parse(JSON.parse(await this.#read(`/v1/batches/${batchId}`)));
  }

  /** How many of its lines have ended. */
  async ended(batchId: string): Promise<number> {
    const { completed, failed } = (await this.retrieve(batchId)).request_counts;
    return completed + failed;
  }

  /** Resolves when it is completed; rejects where it ends otherwise or does not end. */
  async finished(batchId: string): Promise<object> {
    let last = { ended: -1, atMs: Date.now() };
    for (;;) {
      const { status, request_counts: counts } = await this.retrieve(batchId);
      if (status === 'completed') return counts;
      const ended = counts.completed + counts.failed;
      if (ended !== last.ended) last = { ended, atMs: Date.now() };
      if (Date.now() - last.atMs > SETTLE_MS) {
        throw new Error(`the batch is ${status} with ${JSON.stringify(counts)}`);
      }
      await sleep(POLL_MS);
    }
  }

  /** The custom ids of a result file, as often as they stand there. */
  async customIds(fileId: string | null): Promise<string[]> {
    if (fileId === null) return [];
    const text = await this.#read(`/v1/files/${fileId}/content`);
    return text
      .split('\n')
      .filter((row) => row !== '')
      .map((row) => resultLine.parse(JSON.parse(row)).custom_id);
  }
}

type LedgerRow = { id: string; outcome: string; tokens: Record<string, number | null> };

const readLedger = async (client: Client): Promise<Map<string, LedgerRow>> => {
  const columns = [...TOKEN_CLASSES, 'reasoning'].map((name) => `'${name}', ${name}_tokens`);
  const { rows } = await client.query<LedgerRow>(
    `select distinct on (attempt_id) attempt_id as id, outcome, json_build_object(${columns.join(', ')}) as tokens
     from usage_event order by attempt_id, revision desc`,
  );
  return new Map(rows.map((row) => [row.id, row]));
};

/** What does not agree, in words; nothing where all does. */
export const disagreements = async (options: {
  client: BatchClient;
  batchId: string;
  lines: number;
  simulator: Simulator;
  databaseUrl: string;
  say: (line: string) => void;
}): Promise<string[]> => {
  const { client, batchId, lines, simulator, say } = options;
  const faults: string[] = [];
  const batch = await client.retrieve(batchId);
  const results = [
    ...(await client.customIds(batch.output_file_id)),
    ...(await client.customIds(batch.error_file_id)),
  ];
  const distinct = new Set(results);
  if (results.length !== lines || distinct.size !== lines) {
    faults.push(`${results.length} results for ${distinct.size} of ${lines} custom ids`);
  }
  for (let index = 0; index < lines; index += 1) {
    if (!distinct.has(`line-${index}`)) faults.push(`line-${index} has no result`);
    if (faults.length > 20) break;
  }

  const database = new Client({ connectionString: options.databaseUrl });
  await database.connect();
  try {
    const calls = simulator.log.attempts;
    const giveUpAtMs = Date.now() + SETTLE_MS;
    let ledger = await readLedger(database);
    while (calls.some(({ attemptId }) => !ledger.has(attemptId ?? '')) && Date.now() < giveUpAtMs) {
      await sleep(POLL_MS);
      ledger = await readLedger(database);
    }
    const made = new Set(calls.map(({ attemptId }) => attemptId));
    const missing = calls.filter(({ attemptId }) => !ledger.has(attemptId ?? '')).length;
    if (missing > 0) faults.push(`${missing} calls are not in the ledger`);
    if (made.size !== calls.length) faults.push(`${calls.length - made.size} attempts were called twice`);
    const unmade = [...ledger.values()].filter(({ id, outcome }) => outcome === 'succeeded' && !made.has(id));
    if (unmade.length > 0) faults.push(`${unmade.length} attempts succeeded without a call`);
    let otherTokens = 0;
    for (const { attemptId, tokens } of calls) {
      const row = ledger.get(attemptId ?? '');
      if (row?.outcome !== 'succeeded') continue;
      const told = Object.fromEntries(Object.entries(row.tokens).map(([name, count]) => [name, count ?? 0]));
      const [ours, theirs] = [countedTokens(told), countedTokens(tokens)];
      const names = new Set([...Object.keys(ours), ...Object.keys(theirs)]);
      if ([...names].some((name) => ours[name] !== theirs[name])) otherTokens += 1;
    }
    if (otherTokens > 0) faults.push(`${otherTokens} calls have other tokens in the ledger`);
    const unknown = [...ledger.values()].filter(({ outcome }) => outcome === 'outcome_unknown').length;
    const { rows: flagged } = await database.query<{ count: string }>(
      'select count(*) from work_item where possible_duplicate_charge',
    );
    const repeated = Number(flagged[0]?.count);
    say(
      `${calls.length} calls, ${ledger.size} attempts in the ledger, ${unknown} of them with an unknown outcome; ${repeated} lines repeated and flagged`,
    );
    // Each call beyond one a line is of a line that says so.
    if (calls.length - lines > repeated) {
      faults.push(`${calls.length - lines} calls more than lines, and ${repeated} lines flagged`);
    }
  } finally {
    await database.end();
  }
  return faults;
};
