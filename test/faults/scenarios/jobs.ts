/** F1 for work that no connection waits for: jobs over the same points, and over those of their own. */
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import type { FaultPoint } from '#runtime/fault-point';
import { startWebhookReceiver } from '#test/support/webhook-receiver';
import { mintCanary, type Ending, type RequestRecord, type TaggedTenant } from '../history.ts';
import type { Role } from '../rig.ts';
import { pick, tagOf, type Scenario, type ScenarioContext, type SeedRun } from '../scenario.ts';
import { ingressUrls } from './traffic.ts';

type JobPoint = { point: FaultPoint; role: Role; recoveryMaxMs: number };

/** A lost worker's items go back after its beats are missed; a webhook that was in hand goes out again after a minute. */
const MENDED_MS = 45_000;
const WEBHOOK_MS = 100_000;

const JOB_POINTS: readonly JobPoint[] = [
  { point: 'jobs.accepting', role: 'ingress', recoveryMaxMs: MENDED_MS },
  { point: 'jobs.accepted', role: 'ingress', recoveryMaxMs: MENDED_MS },
  { point: 'worker.granted', role: 'worker', recoveryMaxMs: MENDED_MS },
  { point: 'worker.headers', role: 'worker', recoveryMaxMs: MENDED_MS },
  { point: 'worker.event_published', role: 'worker', recoveryMaxMs: MENDED_MS },
  { point: 'jobs.recording', role: 'jobs', recoveryMaxMs: WEBHOOK_MS },
  { point: 'jobs.recorded', role: 'jobs', recoveryMaxMs: WEBHOOK_MS },
  { point: 'webhook.sent', role: 'jobs', recoveryMaxMs: WEBHOOK_MS },
];

const job = z.looseObject({
  id: z.string(),
  status: z.string(),
  response: z
    .looseObject({
      body: z.looseObject({
        choices: z.array(z.object({ message: z.looseObject({ content: z.string() }) })),
      }),
    })
    .nullable()
    .catch(null),
});
type Job = z.infer<typeof job>;

const ENDINGS: Readonly<Record<string, Ending>> = {
  completed: 'answered',
  failed: 'failed',
  outcome_unknown: 'unknown',
};
const TERMINAL = new Set(['completed', 'failed', 'cancelled', 'expired', 'outcome_unknown']);
const JOBS = 16;
const PATIENCE_MS = 100_000;

/** Null where the connection broke. */
const callJobs = async (
  url: string,
  tenant: TaggedTenant,
  path: string,
  body?: object,
): Promise<{ status: number; job: Job } | null> => {
  try {
    const answer = await fetch(`${url}/v1/jobs${path}`, {
      method: body === undefined ? 'GET' : 'POST',
      headers: { authorization: `Bearer ${tenant.apiKey}`, 'content-type': 'application/json' },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    return { status: answer.status, job: job.parse(await answer.json()) };
  } catch {
    return null;
  }
};

const run = async (kill: JobPoint, { rig, seed, random }: ScenarioContext): Promise<SeedRun> => {
  const tenant = await rig.createTenant(tagOf(`job${kill.point}`, seed));
  const receiver = await startWebhookReceiver();
  const told = () => new Set(receiver.received.map(({ headers }) => headers['webhook-id'])).size;
  const victim = await rig.spawn(kill.role, {
    FLO2_FAULT_TESTS: 'true',
    FLO2_FAULT_POINT: `${kill.point}:${pick(random, 1, 3)}`,
  });
  const fault: { atMs: number | null } = { atMs: null };
  void victim.exited.then(() => {
    fault.atMs = Date.now();
  });
  const urls = ingressUrls(rig);
  const submit = async (): Promise<RequestRecord> => {
    const viaVictim = kill.role === 'ingress' && fault.atMs === null;
    const canary = mintCanary(tenant);
    const startedAtMs = Date.now();
    const url = (viaVictim ? victim.url : urls[pick(random, 0, urls.length - 1)]) ?? '';
    const provider = random() < 0.5 ? 'openai/gpt-4o-mini' : 'anthropic/claude-haiku-4-5';
    const accepted = await callJobs(url, tenant, '', {
      endpoint: '/v1/chat/completions',
      body: {
        model: `${provider}-sim-latency-20`,
        messages: [{ role: 'user', content: `echo: ${canary}` }],
      },
      webhook: { url: receiver.url },
    });
    const record = (ending: Ending, endings: number): RequestRecord => ({
      tenant,
      canary,
      viaVictim,
      ending,
      status: accepted?.status ?? null,
      requestId: null,
      code: null,
      foreign: 0,
      endings,
      startedAtMs,
      firstByteAtMs: null,
      endedAtMs: Date.now(),
      retryAfter: null,
      bytes: 0,
      connectionHeader: null,
    });
    if (accepted === null) return record('broken', 0);
    if (accepted.status !== 202) return record('refused', 0);
    const giveUpAtMs = Date.now() + PATIENCE_MS;
    while (Date.now() < giveUpAtMs) {
      const now = await callJobs(urls[0] ?? '', tenant, `/${accepted.job.id}?wait=5`);
      if (now === null || !TERMINAL.has(now.job.status)) continue;
      // Whoever looks again finds the same end.
      const again = await callJobs(urls.at(-1) ?? '', tenant, `/${accepted.job.id}`);
      const said = now.job.response?.body.choices[0]?.message.content;
      const ending = ENDINGS[now.job.status] ?? 'failed';
      const isRight = ending !== 'answered' || said === canary;
      return record(isRight ? ending : 'wrong', again?.job.status === now.job.status ? 1 : 2);
    }
    return record('hung', 0);
  };
  const requests: RequestRecord[] = [];
  let submitted = 0;
  const lane = async (): Promise<void> => {
    while (submitted < JOBS || (fault.atMs === null && submitted < JOBS * 8)) {
      submitted += 1;
      requests.push(await submit());
    }
  };
  await Promise.all(Array.from({ length: 4 }, lane));
  const violations: string[] = [];
  if (fault.atMs === null) {
    violations.push('the process did not come past the point');
    victim.kill('SIGKILL');
  }
  await victim.exited;
  const ended = requests.filter(({ endings }) => endings > 0).length;
  const giveUpAtMs = (fault.atMs ?? Date.now()) + WEBHOOK_MS;
  while (told() < ended && Date.now() < giveUpAtMs) await sleep(100);
  // A job whose acceptance broke off with its ingress may have been taken on all the same.
  if (told() < ended) violations.push(`${told()} webhooks of ${ended} jobs that ended`);
  receiver.close();
  return {
    tenants: [tenant],
    requests,
    faultAtMs: fault.atMs ?? Date.now(),
    allowed: ['unknown'],
    mayRepeat: true,
    violations,
    figures: { 'webhooks sent again': receiver.received.length - told() },
  };
};

export const jobScenarios: readonly Scenario[] = JOB_POINTS.map((kill) => ({
  id: `F1 job ${kill.point}`,
  title: `kill -9 of the ${kill.role}, with jobs`,
  atOnce: 10,
  recoveryMaxMs: kill.recoveryMaxMs,
  run: (context) => run(kill, context),
}));
