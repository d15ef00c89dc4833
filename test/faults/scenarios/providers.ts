/** F9 to F13: what providers do to who calls them. */
import { setTimeout as sleep } from 'node:timers/promises';
import { canaryIn, send, type RequestRecord } from '../history.ts';
import { pick, tagOf, type Scenario } from '../scenario.ts';
import { ingressUrls, mixed, percentile, sendCount, sendUntil, tookMs } from './traffic.ts';

const MODEL = 'openai/gpt-4o-mini';

/** Of the account and family of models, whatever the number of workers: `retry-budget.ts`. */
const REPEATED_AT_FIRST = 3;
/** So many that a 99th percentile is not the slowest one. */
const BESIDE = 200;

const limitStorm: Scenario = {
  id: 'F9',
  title: 'a storm of 429 with varied Retry-After on one tenant’s key',
  atOnce: 1,
  recoveryMaxMs: 10_000,
  run: async ({ rig, seed, random }) => {
    const stormed = await rig.createTenant(tagOf('F9', seed));
    const other = await rig.createTenant(tagOf('F9other', seed));
    const alone = await sendCount(BESIDE, 4, mixed(rig, other, random));
    const [key] = stormed.providerSecrets;
    rig.simulator.setBehaviour({
      match: { key: key ?? '' },
      behaviour: { status: 429, limit: 'requests', retryAfter: String(pick(random, 1, 3)) },
    });
    let isOver = false;
    const urls = ingressUrls(rig);
    const storm = sendUntil(
      4,
      () => ({
        url: urls[pick(random, 0, 1)] ?? '',
        tenant: stormed,
        model: MODEL,
        headers: { 'x-flo2-timeout-ms': '2500' },
      }),
      () => isOver,
    );
    const beside = await sendCount(BESIDE, 4, mixed(rig, other, random));
    await sleep(1_000);
    isOver = true;
    const refused = await storm;
    rig.simulator.clearBehaviours();
    const faultAtMs = Date.now();
    const calls = rig.callsOf([stormed]).length;
    // Who was never called cannot be called again: what counts is the calls that are no repetition.
    const called = new Set(rig.callsOf([stormed]).map(({ body }) => canaryIn(body))).size;
    const perRequest = calls / Math.max(1, called);
    const p99Ratio = percentile(beside.map(tookMs), 0.99) / Math.max(25, percentile(alone.map(tookMs), 0.99));
    const violations: string[] = [];
    if (calls - called > called / 10 + REPEATED_AT_FIRST) {
      violations.push(`${calls} calls for ${called} requests`);
    }
    if (p99Ratio > 2) violations.push(`another tenant's p99 was ${p99Ratio.toFixed(2)} times its own`);
    for (const { ending } of [...alone, ...beside]) {
      if (ending !== 'answered') violations.push(`another tenant's request was ${ending}`);
    }
    return {
      tenants: [stormed, other],
      requests: [...alone, ...beside, ...refused],
      faultAtMs,
      allowed: ['refused', 'failed'],
      violations,
      figures: { 'calls per request': perRequest, 'p99 ratio': p99Ratio },
    };
  },
};

const PROBED_MS = 35_000;
/** Calls in a row that fail: `breaker.ts`. */
const EJECTED_AFTER = 5;

const failingTarget: Scenario = {
  id: 'F10',
  title: '5xx and then recovery, behind a fallback',
  atOnce: 20,
  recoveryMaxMs: PROBED_MS + 10_000,
  run: async ({ rig, seed, random }) => {
    const tenant = await rig.createTenant(tagOf('F10', seed), {
      routes: { safe: { targets: [{ model: MODEL }, { model: 'anthropic/claude-haiku-4-5' }] } },
    });
    const [openaiKey] = tenant.providerSecrets;
    const callsToFirst = (): number =>
      rig.callsOf([tenant]).filter(({ credential }) => credential === openaiKey).length;
    rig.simulator.setBehaviour({
      match: { key: openaiKey ?? '' },
      behaviour: { status: pick(random, 0, 1) === 0 ? 500 : 503 },
    });
    const urls = ingressUrls(rig);
    const next = () => ({ url: urls[0] ?? '', tenant, model: 'safe' });
    const failing = await sendCount(30, 1, next);
    const ejectedAfter = callsToFirst();
    const violations: string[] = [];
    // One at a time, so that none was on its way while the others were counted.
    if (ejectedAfter > EJECTED_AFTER) violations.push(`${ejectedAfter} of 30 requests called what fails`);
    rig.simulator.setBehaviour({ match: { key: openaiKey ?? '' }, behaviour: {} });
    const faultAtMs = Date.now();
    const after: RequestRecord[] = [];
    while (callsToFirst() === ejectedAfter && Date.now() < faultAtMs + PROBED_MS) {
      after.push(await send(next()));
      await sleep(250);
    }
    const probedMs = Date.now() - faultAtMs;
    if (callsToFirst() === ejectedAfter) violations.push(`not probed within ${PROBED_MS} ms`);
    return {
      tenants: [tenant],
      requests: [...failing, ...after],
      faultAtMs,
      allowed: [],
      violations,
      figures: { 'ejected after calls': ejectedAfter, 'probed ms': probedMs },
    };
  },
};

type Hang = {
  words: string;
  stream: boolean;
  headers: Record<string, string>;
  codes: readonly string[];
  withinMs: number;
};

const HANGS: readonly Hang[] = [
  // No headers: the route's own first-byte limit of 500 ms, twice where it is tried again.
  {
    words: 'hang',
    stream: false,
    headers: { 'x-flo2-timeout-ms': '4000' },
    codes: ['timeout'],
    withinMs: 4_500,
  },
  {
    words: 'hang-0',
    stream: true,
    headers: { 'x-flo2-timeout-ms': '4000' },
    codes: ['timeout'],
    withinMs: 4_500,
  },
  // Silence in the middle: the limit between bytes, 2 s here.
  { words: 'hang-4', stream: true, headers: {}, codes: ['timeout'], withinMs: 4_000 },
  // A byte now and then: the deadline.
  {
    words: 'drip-300',
    stream: true,
    headers: { 'x-flo2-timeout-ms': '1500' },
    // It has not begun either, by then.
    codes: ['deadline_exceeded', 'timeout'],
    withinMs: 3_000,
  },
];

const hangs: Scenario = {
  id: 'F11',
  title: 'hanging before and after the headers, mid-stream, and dripping',
  atOnce: 4,
  recoveryMaxMs: 10_000,
  run: async ({ rig, seed, random }) => {
    const tenant = await rig.createTenant(tagOf('F11', seed), {
      routes: Object.fromEntries(
        HANGS.map(({ words }) => [
          words,
          { targets: [{ model: `${MODEL}-sim-${words}` }], timeout_ms: 500, max_attempts: 1 },
        ]),
      ),
    });
    const urls = ingressUrls(rig);
    const violations: string[] = [];
    const requests = await Promise.all(
      HANGS.map(async ({ words, stream, headers, codes, withinMs }) => {
        const model = words.startsWith('drip') ? `${MODEL}-sim-${words}` : words;
        const url = urls[pick(random, 0, 1)] ?? '';
        const record = await send({ url, tenant, model, stream, headers });
        if (!codes.includes(record.code ?? ''))
          violations.push(`${words} ended with ${record.code ?? record.ending}`);
        if (tookMs(record) > withinMs) violations.push(`${words} took ${tookMs(record)} ms`);
        return record;
      }),
    );
    return { tenants: [tenant], requests, faultAtMs: Date.now(), allowed: ['failed'], violations };
  },
};

const resets: Scenario = {
  id: 'F12',
  title: 'the provider’s connection resets mid-stream, with a fallback at hand',
  atOnce: 4,
  recoveryMaxMs: 10_000,
  run: async ({ rig, seed, random }) => {
    const cut = pick(random, 3, 9);
    const tenant = await rig.createTenant(tagOf('F12', seed), {
      routes: {
        cut: {
          targets: [{ model: `${MODEL}-sim-pace-2-cut-${cut}` }, { model: 'anthropic/claude-haiku-4-5' }],
        },
      },
    });
    const urls = ingressUrls(rig);
    const requests = await sendCount(8, 4, () => ({
      url: urls[pick(random, 0, 1)] ?? '',
      tenant,
      model: 'cut',
      stream: true,
      words: 20,
    }));
    const violations: string[] = [];
    const calls = rig.callsOf([tenant]);
    const cuts = calls.filter(({ provider }) => provider === 'openai').length;
    const failed = requests.filter(({ ending }) => ending === 'failed').length;
    // Once the target is ejected, after five, the other one is called in its place; never after it.
    if (failed !== cuts) violations.push(`${failed} streams of ${cuts} that were cut ended as failed`);
    if (cuts < EJECTED_AFTER) violations.push(`${cuts} streams were cut`);
    if (calls.length !== requests.length) {
      violations.push(`${calls.length} calls for ${requests.length} streams`);
    }
    return { tenants: [tenant], requests, faultAtMs: Date.now(), allowed: ['failed'], violations };
  },
};

const MALFORMED = ['html', 'empty', 'halfjson', 'noend', 'streamerror-2', 'text', 'cut-1', 'nousage'];

const malformed: Scenario = {
  id: 'F13',
  title: 'answers that are not what they should be',
  atOnce: 4,
  recoveryMaxMs: 10_000,
  run: async ({ rig, seed, random }) => {
    const tenant = await rig.createTenant(tagOf('F13', seed), {
      routes: Object.fromEntries(
        MALFORMED.map((words) => [words, { targets: [{ model: `${MODEL}-sim-${words}` }], max_attempts: 1 }]),
      ),
    });
    const urls = ingressUrls(rig);
    const violations: string[] = [];
    const requests = await Promise.all(
      MALFORMED.flatMap((words) =>
        [true, false].map(async (stream) => {
          const record = await send({ url: urls[pick(random, 0, 1)] ?? '', tenant, model: words, stream });
          if (record.ending === 'failed' && record.code === 'internal') {
            violations.push(`${words} was taken for a fault of flo2's own`);
          }
          return record;
        }),
      ),
    );
    // Whole characters come back from single bytes.
    const dripped = await send({
      url: urls[0] ?? '',
      tenant,
      model: `${MODEL}-sim-drip-0`,
      stream: true,
      words: 5,
    });
    if (dripped.ending !== 'answered') violations.push(`an answer byte by byte was ${dripped.ending}`);
    const running = [...rig.roles.ingress, ...rig.roles.worker];
    const exits = await Promise.all(
      running.map(({ exited }) => Promise.race([exited.then(() => 'ended'), sleep(1, 'runs')])),
    );
    if (exits.includes('ended')) violations.push('a process has ended');
    return {
      tenants: [tenant],
      requests: [...requests, dripped],
      faultAtMs: Date.now(),
      allowed: ['failed'],
      violations,
    };
  },
};

export const providerScenarios: readonly Scenario[] = [limitStorm, failingTarget, hangs, resets, malformed];
