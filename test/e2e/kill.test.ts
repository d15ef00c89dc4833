/** Roles as processes of their own, killed without warning in the middle of the work. */
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { TOKEN_CLASSES } from '#contracts/usage';
import type { CallRecord } from '#test/simulators/call-log';
import type { StartedProcess } from '#test/support/flo2-process';
import { openRoleEnvironment, type RoleEnvironment } from '#test/support/role-environment';
import { createTenant, type TestTenant } from '#test/support/tenant';

const REQUESTS = 1_000;
const AT_ONCE = 50;
const KILL_AFTER = 300;
/** Lost workers are missed after 3.5 s and messages come again after 5 s. */
const SETTLE_MS = 40_000;

let surroundings: RoleEnvironment;
let roles: Record<'control' | 'ingress' | 'worker' | 'metering', StartedProcess>;
let tenant: TestTenant;

beforeAll(async () => {
  surroundings = await openRoleEnvironment();
  const { start, simulator, adminKey } = surroundings;
  const [control, ingress, worker, metering] = await Promise.all([
    start('control'),
    start('ingress'),
    start('worker'),
    start('metering'),
  ]);
  roles = { control, ingress, worker, metering };
  tenant = await createTenant({ url: control.url ?? '', adminKey }, { simulatorUrl: simulator.url });
}, 120_000);

afterAll(() => surroundings.close());

type Ending = 'answered' | 'outcome_unknown' | 'other_error' | 'broken';

const MODELS = ['openai/gpt-4o-mini', 'anthropic/claude-haiku-4-5'];

/** Half of the requests are streams, half go to each provider, and all take a moment. */
const send = async (index: number): Promise<Ending> => {
  const stream = index % 2 === 0;
  const model = `${MODELS[Math.floor(index / 2) % 2]}-sim-${stream ? 'pace-2' : 'latency-20'}-tokens-8`;
  let text: string;
  try {
    const answer = await fetch(`${roles.ingress.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${tenant.apiKey}`, 'content-type': 'application/json' },
      body: JSON.stringify({ model, stream, messages: [{ role: 'user', content: `request ${index}` }] }),
    });
    text = await answer.text();
  } catch {
    return 'broken';
  }
  if (text.includes('outcome_unknown')) return 'outcome_unknown';
  if (text.includes('"error"')) return 'other_error';
  return stream === text.includes('[DONE]') ? 'answered' : 'broken';
};

/** Sends all requests, calling `onDone` with how many have ended. */
const sendAll = async (onDone: (done: number) => void): Promise<Ending[]> => {
  const endings: Ending[] = [];
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < REQUESTS) {
      const index = next;
      next += 1;
      endings.push(await send(index));
      onDone(endings.length);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, lane));
  return endings;
};

const countOf = (endings: Ending[], ending: Ending): number => endings.filter((one) => one === ending).length;

type Row = { attempt_id: string; outcome: string; usage_source: string } & Record<string, string | null>;

/** The ledger's word on each attempt: the worker's report where there is one, else the presumption. */
const readLedger = async (): Promise<Map<string, Row[]>> => {
  const { rows } = await surroundings.ledger.query<Row>(
    `select distinct on (attempt_id) attempt_id, outcome, usage_source, ${TOKEN_CLASSES.map((component) => `${component}_tokens as ${component}`).join(', ')}
     from usage_event order by attempt_id, revision desc`,
  );
  return Map.groupBy(rows, (row) => row.attempt_id);
};

const tokensOf = (source: CallRecord['tokens'] | Row): string =>
  TOKEN_CLASSES.map((component) => `${component}=${Number(source[component] ?? 0)}`).join(' ');

/** Every call that the providers saw stands in the ledger once, token for token wherever it is known. */
const expectAgreement = async (calls: readonly CallRecord[]): Promise<{ unknown: number }> => {
  const attempts = await vi.waitFor(
    async () => {
      const recorded = await readLedger();
      const missing = calls.filter(({ attemptId }) => !recorded.has(attemptId ?? ''));
      expect(missing.length, 'calls the ledger does not know').toBe(0);
      return recorded;
    },
    { timeout: SETTLE_MS, interval: 250 },
  );
  let unknown = 0;
  for (const call of calls) {
    const rows = attempts.get(call.attemptId ?? '') ?? [];
    expect(rows).toHaveLength(1);
    const [row] = rows;
    if (row === undefined) continue;
    // A call that was broken off after its last word of usage is known as well as one that succeeded.
    if (row.outcome === 'succeeded') expect(row.usage_source).toBe('provider');
    if (row.usage_source === 'provider') expect(tokensOf(row)).toBe(tokensOf(call.tokens));
    else unknown += 1;
  }
  return { unknown };
};

/** Sends all requests and kills the role on the way; it is started again at once. */
const sendAllAndKill = async (
  role: 'worker' | 'metering' | 'ingress',
): Promise<{ endings: Ending[]; calls: CallRecord[] }> => {
  const before = surroundings.simulator.log.attempts.length;
  const restarts: Promise<void>[] = [];
  const endings = await sendAll((done) => {
    if (done < KILL_AFTER || restarts.length > 0) return;
    const killed = roles[role];
    killed.kill('SIGKILL');
    restarts.push(
      killed.exited.then(async () => {
        roles[role] = await surroundings.start(role);
      }),
    );
  });
  await Promise.all(restarts);
  return { endings, calls: surroundings.simulator.log.attempts.slice(before) };
};

describe('kill -9 in the middle of 1,000 requests', () => {
  it(
    'of the worker: every request ends in an answer or an honest error, and the ledger agrees with the providers',
    { timeout: 120_000 },
    async () => {
      const { endings, calls } = await sendAllAndKill('worker');
      expect(countOf(endings, 'broken')).toBe(0);
      expect(countOf(endings, 'other_error')).toBe(0);
      const lost = countOf(endings, 'outcome_unknown');
      expect(lost).toBeGreaterThan(0);
      expect(lost).toBeLessThanOrEqual(AT_ONCE);
      const { unknown } = await expectAgreement(calls);
      expect(unknown).toBeLessThanOrEqual(lost);
    },
  );

  it(
    'of metering: every request is answered, and the ledger agrees with the providers',
    { timeout: 120_000 },
    async () => {
      const { endings, calls } = await sendAllAndKill('metering');
      expect(countOf(endings, 'answered')).toBe(REQUESTS);
      const { unknown } = await expectAgreement(calls);
      expect(unknown).toBe(0);
    },
  );

  it(
    'of the ingress: workers end what nobody waits for, and the ledger agrees with the providers',
    { timeout: 120_000 },
    async () => {
      const { endings, calls } = await sendAllAndKill('ingress');
      expect(countOf(endings, 'answered')).toBeGreaterThanOrEqual(KILL_AFTER);
      expect(countOf(endings, 'broken')).toBeGreaterThan(0);
      const { unknown } = await expectAgreement(calls);
      expect(unknown).toBeLessThanOrEqual(AT_ONCE);
    },
  );
});
