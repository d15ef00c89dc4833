/** F19 to F21: clients that leave, that never read, and that are ten times too many. */
import { Agent, request as httpRequest } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { canaryIn, mintCanary, send, type RequestRecord, type TaggedTenant } from '../history.ts';
import { pick, tagOf, type Scenario } from '../scenario.ts';
import { ingressUrls, mixed, percentile, sendCount, tookMs } from './traffic.ts';

/** With 20 seeds: ten thousand. */
const LEAVING_PER_SEED = 500;
const ABORTED_MS = 1_000;

const leavingClients: Scenario = {
  id: 'F19',
  title: 'clients that leave after any byte, over pooled connections',
  atOnce: 1,
  recoveryMaxMs: 15_000,
  run: async ({ rig, seed, random }) => {
    const tenant = await rig.createTenant(tagOf('F19', seed));
    const agent = new Agent({ keepAlive: true, maxSockets: 64 });
    const next = mixed(rig, tenant, random);
    const requests = await sendCount(LEAVING_PER_SEED, 16, () => {
      const options = { ...next(), agent };
      const chance = random();
      if (chance < 0.4) return { ...options, stream: true, leaveAfterBytes: pick(random, 1, 2_000) };
      return chance < 0.7 ? { ...options, leaveAfterMs: pick(random, 0, 30) } : options;
    });
    const faultAtMs = Date.now();
    await sleep(ABORTED_MS + 500);
    agent.destroy();
    const leftAtMs = new Map(
      requests.flatMap(({ ending, canary, endedAtMs }) => (ending === 'left' ? [[canary, endedAtMs]] : [])),
    );
    const violations: string[] = [];
    let slowestMs = 0;
    for (const call of rig.callsOf([tenant])) {
      const canary = canaryIn(call.body);
      const left = leftAtMs.get(canary);
      if (call.outcome === 'open') violations.push(`${canary} is still called`);
      if (left !== undefined && call.endedAtMs !== null) {
        slowestMs = Math.max(slowestMs, call.endedAtMs - Math.max(left, call.startedAtMs));
      }
    }
    if (slowestMs > ABORTED_MS) violations.push(`a call went on for ${slowestMs} ms`);
    return {
      tenants: [tenant],
      requests,
      faultAtMs,
      allowed: ['left'],
      violations,
      figures: { 'slowest abort ms': slowestMs, left: leftAtMs.size },
    };
  },
};

/** With 20 seeds at once: a thousand. */
const READERS_PER_SEED = 50;
const READER_DEADLINE_MS = 8_000;
/** In which they all come. */
const READERS_COME_MS = 4_000;
/** The deadline, a grace of 1 s for the worker's word, and 10 s for an ending nobody reads. */
const DROPPED_MS = READER_DEADLINE_MS + 14_000;
/** Refused ones hold nothing, and prove nothing. */
const READERS_SERVED = 0.9;
const READERS_GROWN_MIB = 256;
/** A pool may hold a few more than before. */
const SOCKETS_SPARE = 16;

/** Sends, and reads nothing: what comes stays in the system's buffers. The result takes the connection away. */
const neverRead = (url: string, tenant: TaggedTenant, model: string): (() => void) => {
  const call = httpRequest(`${url}/v1/chat/completions`, {
    method: 'POST',
    agent: false,
    headers: {
      authorization: `Bearer ${tenant.apiKey}`,
      'content-type': 'application/json',
      'x-flo2-timeout-ms': String(READER_DEADLINE_MS),
    },
  });
  call.on('socket', (socket) => socket.on('connect', () => socket.pause()));
  call.on('error', () => undefined);
  call.end(
    JSON.stringify({ model, stream: true, messages: [{ role: 'user', content: mintCanary(tenant) }] }),
  );
  return () => call.destroy();
};

const neverReaders: Scenario = {
  id: 'F20',
  title: 'a thousand readers that never read',
  atOnce: 20,
  recoveryMaxMs: 30_000,
  run: async ({ rig, seed, random }) => {
    const tenant = await rig.createTenant(tagOf('F20', seed));
    const urls = ingressUrls(rig);
    const models = ['openai/gpt-4o-mini', 'anthropic/claude-haiku-4-5'];
    const held = [...rig.roles.ingress, ...rig.roles.worker];
    const peaks = await Promise.all(held.map(rig.peakMiB));
    const sockets = await Promise.all(rig.roles.ingress.map(rig.openSockets));
    const leave: (() => void)[] = [];
    for (let index = 0; index < READERS_PER_SEED; index += 1) {
      const model = `${models[Math.floor(index / 2) % 2]}-sim-tokens-${pick(random, 15_000, 20_000)}`;
      leave.push(neverRead(urls[index % urls.length] ?? '', tenant, model));
      await sleep(READERS_COME_MS / READERS_PER_SEED);
    }
    await sleep(DROPPED_MS);
    const faultAtMs = Date.now();
    const after = await Promise.all(rig.roles.ingress.map(rig.openSockets));
    const left = Math.max(...after.map((count, index) => (count ?? 0) - (sockets[index] ?? 0)));
    const grown = await Promise.all(held.map(rig.peakMiB));
    const grownMiB = Math.max(...grown.map((peak, index) => (peak ?? 0) - (peaks[index] ?? 0)));
    for (const goAway of leave) goAway();
    const violations: string[] = [];
    const served = rig.callsOf([tenant]).length;
    if (served < READERS_PER_SEED * READERS_SERVED) violations.push(`${served} readers were served`);
    if (left > SOCKETS_SPARE) violations.push(`${left} connections were held after the deadline`);
    if (grownMiB > READERS_GROWN_MIB) violations.push(`a process grew by ${grownMiB} MiB`);
    const request = await send({ url: urls[0] ?? '', tenant, model: 'openai/gpt-4o-mini' });
    return {
      tenants: [tenant],
      requests: [request],
      faultAtMs,
      allowed: [],
      violations,
      figures: { 'grown MiB': grownMiB, 'readers a seed': READERS_PER_SEED, 'connections left': left },
    };
  },
};

const PEAK_AT_ONCE = 32;
/** Long enough that the tenfold's first second, when all come at once, is a small part of what is compared. */
const PEAK_SPAN_MS = 5_000;
const OVERLOAD_SPAN_MS = 10_000;

const goodputOf = (records: readonly RequestRecord[], spanMs: number): number =>
  (records.filter(({ ending }) => ending === 'answered').length * 1_000) / spanMs;

const overload: Scenario = {
  id: 'F21',
  title: 'ten times the load',
  atOnce: 1,
  recoveryMaxMs: 15_000,
  run: async ({ rig, seed, random, isFull }) => {
    const tenant = await rig.createTenant(tagOf('F21', seed));
    const urls = ingressUrls(rig);
    const next = () => ({
      url: urls[pick(random, 0, urls.length - 1)] ?? '',
      tenant,
      model: 'openai/gpt-4o-mini-sim-latency-5',
      headers: { 'x-flo2-timeout-ms': '3000' },
    });
    // Who is refused waits as long as the answer asks for, as the providers' own client libraries do.
    const load = async (atOnce: number, spanMs: number): Promise<RequestRecord[]> => {
      const endMs = Date.now() + spanMs;
      const records: RequestRecord[] = [];
      const client = async (): Promise<void> => {
        while (Date.now() < endMs) {
          const record = await send(next());
          records.push(record);
          if (record.retryAfter === null) continue;
          await sleep(Math.min(Number(record.retryAfter) * 1_000, Math.max(0, endMs - Date.now())));
        }
      };
      await Promise.all(Array.from({ length: atOnce }, client));
      return records;
    };
    const spanMs = isFull ? 300_000 : OVERLOAD_SPAN_MS;
    const atPeak = await load(PEAK_AT_ONCE, PEAK_SPAN_MS);
    const over = await load(PEAK_AT_ONCE * 10, spanMs);
    const faultAtMs = Date.now();
    const goodput = goodputOf(over, spanMs) / goodputOf(atPeak, PEAK_SPAN_MS);
    const refusals = over.filter(({ ending }) => ending === 'refused').map(tookMs);
    const refusedP99 = percentile(refusals, 0.99);
    const violations: string[] = [];
    if (goodput < 0.8) violations.push(`goodput was ${goodput.toFixed(2)} of the peak`);
    return {
      tenants: [tenant],
      requests: [...atPeak, ...over],
      faultAtMs,
      allowed: ['refused', 'failed'],
      violations,
      figures: { 'goodput lost': 1 - goodput, refusals: refusals.length, 'refused p99 ms': refusedP99 },
    };
  },
};

export const clientScenarios: readonly Scenario[] = [leavingClients, neverReaders, overload];
