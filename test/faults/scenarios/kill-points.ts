/** F1: a process dies at a named point of the code, as by kill -9, while others of its role go on. */
import type { FaultPoint } from '#runtime/fault-point';
import { send, sendAll, type Ending, type RequestRecord, type SendOptions } from '../history.ts';
import type { Role } from '../rig.ts';
import { pick, tagOf, type Scenario, type ScenarioContext, type SeedRun } from '../scenario.ts';

type KillPoint = {
  point: FaultPoint;
  role: Role;
  /** Endings a client may see for it, besides an answer. */
  allowed: readonly Ending[];
  requests: 'mixed' | 'streams' | 'handed_over';
  /**
   * The acknowledgement's wait or the missed heartbeats behind it, and 5 s; and another wait or two for what
   * comes again to the victims of other seeds, up to five of which run at once.
   */
  recoveryMaxMs: number;
};

const WORKER_MS = 20_000;
const METERING_MS = 35_000;

const KILL_POINTS: readonly KillPoint[] = [
  ...(['ingress.authenticated', 'ingress.publishing', 'ingress.published'] as const).map((point) => ({
    point,
    role: 'ingress' as const,
    allowed: [],
    requests: 'mixed' as const,
    recoveryMaxMs: WORKER_MS,
  })),
  {
    point: 'worker.fetched',
    role: 'worker',
    // Others in its hands may have been granted.
    allowed: ['unknown'],
    requests: 'mixed',
    recoveryMaxMs: WORKER_MS,
  },
  ...(
    [
      'worker.granted',
      'worker.acknowledged',
      'worker.headers',
      'worker.last_token',
      'worker.event_publishing',
      'worker.event_published',
    ] as const
  ).map((point) => ({
    point,
    role: 'worker' as const,
    allowed: ['unknown'] as const,
    requests: 'mixed' as const,
    recoveryMaxMs: WORKER_MS,
  })),
  {
    point: 'worker.streaming',
    role: 'worker',
    allowed: ['unknown'],
    requests: 'streams',
    recoveryMaxMs: WORKER_MS,
  },
  ...(['worker.handing_over', 'worker.handed_over'] as const).map((point) => ({
    point,
    role: 'worker' as const,
    allowed: ['unknown'] as const,
    requests: 'handed_over' as const,
    recoveryMaxMs: WORKER_MS,
  })),
  ...(['metering.committing', 'metering.committed', 'metering.acknowledged'] as const).map((point) => ({
    point,
    role: 'metering' as const,
    allowed: [],
    requests: 'mixed' as const,
    recoveryMaxMs: METERING_MS,
  })),
];

const ROUTE = 'with-a-fallback';
/** A model that fails is left alone after a few calls: each of these has one of its own. */
const ROUTES = 12;
const PASSES_MAX: Readonly<Record<string, number>> = { metering: 2, handed_over: 3 };
const REQUESTS_MIN = 24;
const REQUESTS_MAX = 400;
const AT_ONCE = 8;

const run = async (kill: KillPoint, { rig, seed, random }: ScenarioContext): Promise<SeedRun> => {
  const tenant = await rig.createTenant(tagOf(kill.point, seed), {
    routes: Object.fromEntries(
      Array.from({ length: ROUTES }, (_, index) => [
        `${ROUTE}-${index}`,
        {
          targets: [
            { model: `openai/gpt-4o-mini-sim-error-500-tokens-${index}` },
            { model: 'anthropic/claude-haiku-4-5' },
          ],
        },
      ]),
    ),
  });
  const passes = pick(
    random,
    1,
    PASSES_MAX[kill.requests === 'handed_over' ? 'handed_over' : kill.role] ?? 6,
  );
  const victim = await rig.spawn(kill.role, {
    FLO2_FAULT_TESTS: 'true',
    FLO2_FAULT_POINT: `${kill.point}:${passes}`,
  });
  let faultAtMs: number | null = null;
  void victim.exited.then(() => {
    faultAtMs = Date.now();
  });
  const healthy = rig.roles.ingress.flatMap(({ url }) => url ?? []);
  let count = 0;
  const next = (): SendOptions | null => {
    if (count >= REQUESTS_MAX || (faultAtMs !== null && count >= REQUESTS_MIN)) return null;
    count += 1;
    const viaVictim = kill.role === 'ingress' && faultAtMs === null && random() < 0.5;
    const stream = kill.requests === 'streams' || random() < 0.5;
    const provider = random() < 0.5 ? 'openai/gpt-4o-mini' : 'anthropic/claude-haiku-4-5';
    return {
      url: (viaVictim ? victim.url : healthy[count % healthy.length]) ?? '',
      tenant,
      model:
        kill.requests === 'handed_over'
          ? `${ROUTE}-${count % ROUTES}`
          : `${provider}-sim-${stream ? 'pace-1' : 'latency-5'}`,
      stream,
      words: pick(random, 1, 12),
      viaVictim,
    };
  };
  const requests: RequestRecord[] = await sendAll(AT_ONCE, next);
  const violations: string[] = [];
  if (faultAtMs === null) {
    violations.push(`the process did not come past the point ${passes} times`);
    victim.kill('SIGKILL');
  }
  await victim.exited;
  // Whoever comes afterwards notices nothing of it; another seed's victim may still have that request in its hands.
  const after = await send({ url: healthy[0] ?? '', tenant, model: 'openai/gpt-4o-mini' });
  return {
    tenants: [tenant],
    requests: [...requests, after],
    faultAtMs: faultAtMs ?? Date.now(),
    allowed: kill.allowed,
    violations,
  };
};

export const killPointScenarios: readonly Scenario[] = KILL_POINTS.map((kill) => ({
  id: `F1 ${kill.point}`,
  title: `kill -9 of the ${kill.role}`,
  atOnce: 5,
  recoveryMaxMs: kill.recoveryMaxMs,
  run: (context) => run(kill, context),
}));
