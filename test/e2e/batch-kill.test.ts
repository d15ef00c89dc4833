/** A batch through `kill -9` of every role: each line answered exactly once, each call in the ledger. */
import OpenAI, { toFile } from 'openai';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { z } from 'zod';
import type { StartedProcess } from '#test/support/flo2-process';
import { openRoleEnvironment, type RoleEnvironment } from '#test/support/role-environment';
import { createTenant, type TestTenant } from '#test/support/tenant';

const LINES = 400;
/** Calls seen by the provider at which the next role is killed. */
const KILL_EVERY = 60;
const SETTLE_MS = 60_000;

const ROLES = ['worker', 'jobs', 'ingress', 'metering'] as const;
type Role = (typeof ROLES)[number];

let surroundings: RoleEnvironment;
let roles: Record<Role, StartedProcess>;
let tenant: TestTenant;

beforeAll(async () => {
  surroundings = await openRoleEnvironment({ FLO2_WORKER_QUEUED_CONCURRENCY: '8' });
  const { start, simulator, adminKey } = surroundings;
  const [control, worker, jobs, ingress, metering] = await Promise.all([
    start('control'),
    start('worker'),
    start('jobs'),
    start('ingress'),
    start('metering'),
  ]);
  roles = { worker, jobs, ingress, metering };
  tenant = await createTenant({ url: control.url ?? '', adminKey }, { simulatorUrl: simulator.url });
}, 120_000);

afterAll(() => surroundings.close());

const clientNow = (): OpenAI =>
  new OpenAI({ apiKey: tenant.apiKey, baseURL: `${roles.ingress.url}/v1`, maxRetries: 0 });

const attemptsAtProvider = () =>
  surroundings.simulator.log.attempts.filter(({ attemptId }) => attemptId !== null);

const killAndRestart = async (role: Role): Promise<void> => {
  const killed = roles[role];
  killed.kill('SIGKILL');
  await killed.exited;
  roles[role] = await surroundings.start(role);
};

const resultLine = z.looseObject({
  custom_id: z.string(),
  response: z.looseObject({ status_code: z.number() }),
});

it('keeps every line and every call through the death of each role', { timeout: 240_000 }, async () => {
  const lines = Array.from({ length: LINES }, (_, index) =>
    JSON.stringify({
      custom_id: `line-${index}`,
      method: 'POST',
      url: '/v1/chat/completions',
      body: {
        model: 'openai/gpt-4o-mini-sim-latency-40-tokens-4',
        messages: [{ role: 'user', content: `line ${index}` }],
      },
    }),
  );
  const client = clientNow();
  const file = await client.files.create({
    purpose: 'batch',
    file: await toFile(Buffer.from(lines.join('\n')), 'lines.jsonl'),
  });
  const { id } = await client.batches.create({
    input_file_id: file.id,
    endpoint: '/v1/chat/completions',
    completion_window: '24h',
  });

  for (const [index, role] of ROLES.entries()) {
    await vi.waitFor(
      () => expect(attemptsAtProvider().length).toBeGreaterThanOrEqual(KILL_EVERY * (index + 1)),
      { timeout: SETTLE_MS, interval: 20 },
    );
    await killAndRestart(role);
  }
  const batch = await vi.waitFor(
    async () => {
      const now = await clientNow().batches.retrieve(id);
      expect(now.status).toBe('completed');
      return now;
    },
    { timeout: 120_000, interval: 250 },
  );
  expect(batch.request_counts).toEqual({ total: LINES, completed: LINES, failed: 0 });

  const text = await (await clientNow().files.content(batch.output_file_id ?? '')).text();
  const results = text
    .split('\n')
    .filter((row) => row !== '')
    .map((row) => resultLine.parse(JSON.parse(row)).custom_id);
  expect(results).toHaveLength(LINES);
  expect(new Set(results).size).toBe(LINES);

  const calls = attemptsAtProvider();
  const recorded = await vi.waitFor(
    async () => {
      const { rows } = await surroundings.ledger.query<{ attempt_id: string; outcomes: string[] }>(
        'select attempt_id, array_agg(outcome order by revision desc) as outcomes from usage_event group by attempt_id',
      );
      const known = new Map(rows.map((row) => [row.attempt_id, row.outcomes]));
      expect(calls.filter(({ attemptId }) => !known.has(attemptId ?? ''))).toEqual([]);
      return known;
    },
    { timeout: SETTLE_MS, interval: 250 },
  );
  // A call more than lines only where the worker died before the line's result was stored: such lines are flagged,
  // and where the worker could not even tell of its call, the ledger says that its outcome is not known.
  const repeated = calls.length - LINES;
  const unknown = [...recorded.values()].filter(([outcome]) => outcome === 'outcome_unknown').length;
  const { rows: flagged } = await surroundings.ledger.query<{ count: string }>(
    'select count(*) from work_item where possible_duplicate_charge',
  );
  const flaggedLines = Number(flagged[0]?.count);
  expect(repeated).toBeLessThanOrEqual(flaggedLines);
  expect(unknown).toBeLessThanOrEqual(flaggedLines);
});
