/** Every decoder and encoder that sees what a stranger has written, each with a corpus to start from. */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { COMPATIBLE_DIALECTS, PROVIDER_IDS, SURFACE_IDS } from '#contracts/vocabulary';
import { Inexpressible } from '#domain/inexpressible';
import type { ChatWire, Provider, Wire } from '#providers/provider';
import { providerFor, providerOf, wireFor } from '#providers/registry';
import { createSseReader } from '#providers/sse';
import { surfaceOf } from '#surfaces/registry';
import { paramOf, type ChatSurface, type EncodeContext } from '#surfaces/surface';
import { clientRequests, fixturesOf } from '#test/conformance/fixtures';
import { cut, mutate } from './mutate.ts';
import { comparePassing, repeatEvent } from './passing.ts';
import type { Random } from './random.ts';

/** One thing to try. Throws `FloError` for an input it refuses; whatever else it throws is a bug. */
export type FuzzTarget = { name: string; tryOnce: (random: Random) => void };

const EVENT_BYTES_MAX = 1_000_000;
const RECORDING_BYTES_MAX = 16_000;
const NOW_MS = 1_795_000_000_000;

type Named = { name: string; provider: Provider };

const PROVIDERS: readonly Named[] = [
  ...PROVIDER_IDS.filter((id) => id !== 'openai_compatible').map((id) => ({
    name: id,
    provider: providerOf(id),
  })),
  ...COMPATIBLE_DIALECTS.map((dialect) => ({
    name: `openai_compatible ${dialect}`,
    provider: providerFor({ provider: 'openai_compatible', baseUrl: 'https://example.com/v1', dialect }),
  })),
];

/** Recorded answers of real providers, where the environment names a folder of them. */
const readRecordings = (): { path: string; body: Buffer }[] => {
  const folder = process.env['FLO2_WIRE_RECORDINGS'] ?? '';
  if (folder === '' || !existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((path) => /\.(json|sse|html|txt)$/.test(path) && !path.endsWith('.meta.json'))
    .filter((path) => statSync(join(folder, path)).size <= RECORDING_BYTES_MAX)
    .map((path) => ({ path, body: readFileSync(join(folder, path)) }));
};

type Corpus = { whole: Buffer[]; streams: Buffer[]; errors: Buffer[] };

const isStream = (body: Buffer): boolean => /^(data|event|:|id)/.test(body.toString('utf8', 0, 6));

/** Answers in the dialect of a surface, whoever gave them; what it is not must be refused as well. */
const readCorpus = (): { bySurface: Map<string, Corpus>; all: Corpus } => {
  const all: Corpus = { whole: [], streams: [], errors: [] };
  const bySurface = new Map<string, Corpus>();
  const add = (surface: string, body: Buffer): void => {
    const own = bySurface.get(surface) ?? { whole: [], streams: [], errors: [] };
    bySurface.set(surface, own);
    const kind = surface === 'errors' ? 'errors' : isStream(body) ? 'streams' : 'whole';
    own[kind].push(body);
    all[kind].push(body);
  };
  for (const id of PROVIDER_IDS)
    for (const { fixtures } of fixturesOf(id)) for (const { api, body } of fixtures) add(api, body);
  for (const { path, body } of readRecordings()) {
    const [provider = '', api = ''] = path.split('/');
    if (api === 'errors') add('errors', body);
    else if (api === 'messages') add('anthropic-messages', body);
    else if (api === 'generate') add('gemini-generate-content', body);
    else if (api === 'responses') add('openai-responses', body);
    else if (api === 'embeddings')
      add(provider === 'google' ? 'gemini-embed-content' : 'openai-embeddings', body);
    else if (api === 'chat') add('openai-chat', body);
  }
  return { bySurface, all };
};

const CHAT_SURFACES: readonly ChatSurface[] = SURFACE_IDS.map(surfaceOf).filter(
  (surface): surface is ChatSurface => surface.operation === 'chat',
);

const contextOf = (random: Random): EncodeContext => ({
  createdAtMs: NOW_MS,
  streamFraming: random.chance(0.1) ? 'json_array' : 'sse',
});

const REQUESTS = clientRequests();
const bodyOf = (surface: ChatSurface, random: Random): unknown =>
  JSON.parse(random.pick(REQUESTS.filter((request) => request.surface === surface.id)).body.toString());

const tryStream = (random: Random, wire: ChatWire, stream: Buffer): void => {
  const reader = createSseReader({ maxEventBytes: EVENT_BYTES_MAX });
  const decoder = wire.createStreamDecoder({ usageInjected: random.chance(0.5) });
  const surface = random.pick(CHAT_SURFACES);
  const encoder = surface.createStreamEncoder(bodyOf(surface, random), contextOf(random));
  const pieces = [...cut(random, stream).map((piece) => () => reader.read(piece)), () => reader.finish()];
  for (const events of pieces) {
    for (const event of events()) for (const part of decoder.decode(event).parts) encoder.encode(part);
    decoder.facts();
  }
  for (const part of decoder.finish?.().parts ?? []) encoder.encode(part);
};

const tryWhole = (random: Random, wire: Wire, body: Buffer): void => {
  wire.readAnswer(body);
  if (wire.operation !== 'chat') {
    wire.decodeResponse(body);
    return;
  }
  const response = wire.decodeResponse(body);
  const surface = random.pick(CHAT_SURFACES);
  JSON.stringify(surface.encodeResponse(response, contextOf(random), bodyOf(surface, random)));
};

const targetsOfWire = ({ name }: Named, wire: Wire, corpora: ReturnType<typeof readCorpus>): FuzzTarget[] => {
  const { bySurface, all } = corpora;
  const own = bySurface.get(wire.surface) ?? all;
  const pick = (random: Random, kind: 'whole' | 'streams'): Buffer =>
    random.pick(own[kind].length > 0 && random.chance(0.9) ? own[kind] : all[kind]);
  const whole: FuzzTarget = {
    name: `${name}: whole answers of ${wire.surface}`,
    tryOnce: (random) =>
      tryWhole(random, wire, mutate(random, pick(random, 'whole'), { isStream: false, corpus: all.whole })),
  };
  if (wire.operation !== 'chat') return [whole];
  const streamed: FuzzTarget = {
    name: `${name}: streams of ${wire.surface}`,
    tryOnce: (random) =>
      tryStream(
        random,
        wire,
        mutate(random, pick(random, 'streams'), { isStream: true, corpus: all.streams }),
      ),
  };
  const passed: FuzzTarget = {
    name: `${name}: streams of ${wire.surface}, passed on`,
    tryOnce: (random) => {
      const long = repeatEvent(random, pick(random, 'streams'));
      const stream = random.chance(0.5)
        ? long
        : mutate(random, long, { isStream: true, corpus: all.streams });
      comparePassing(wire, {
        chunks: cut(random, stream),
        usageInjected: random.chance(0.5),
        isCut: random.chance(0.3),
      });
    },
  };
  return [whole, streamed, passed];
};

const HEADERS = [
  'retry-after',
  'retry-after-ms',
  'x-ratelimit-limit-requests',
  'x-ratelimit-remaining-requests',
  'x-ratelimit-reset-requests',
  'x-ratelimit-remaining-tokens',
  'x-ratelimit-reset-tokens',
  'x-ratelimit-reset',
  'anthropic-ratelimit-tokens-remaining',
  'anthropic-ratelimit-tokens-reset',
  'x-request-id',
];
const HEADER_VALUES = [
  '',
  '0',
  '-1',
  '1e99',
  '6m0s',
  '9ms',
  'NaN',
  '2026-13-99T99:99:99Z',
  'Thu, 01 Jan 1970',
  'x',
];

const targetOfErrors = ({ name, provider }: Named, { all }: ReturnType<typeof readCorpus>): FuzzTarget => ({
  name: `${name}: errors, limits and lists of models`,
  tryOnce: (random) => {
    const body = mutate(random, random.pick(all.errors), { isStream: false, corpus: all.whole });
    const headers = Object.fromEntries(
      HEADERS.filter(() => random.chance(0.4)).map((header) => [header, random.pick(HEADER_VALUES)]),
    );
    const status = random.pick([200, 400, 401, 403, 404, 408, 413, 422, 429, 500, 502, 503, 504, 529, 599]);
    provider.decodeError({ status, headers, body, nowMs: NOW_MS });
    provider.readRateLimits(headers, NOW_MS);
    provider.readRequestId(headers);
    provider.models.decode(body);
  },
});

/** Admission reads the body once as JSON; what is none does not get this far. */
const parse = (body: Buffer): { json: unknown } | null => {
  try {
    return { json: JSON.parse(body.toString()) };
  } catch {
    return null;
  }
};

const targetOfSurface = (id: (typeof SURFACE_IDS)[number]): FuzzTarget => {
  const surface = surfaceOf(id);
  const corpus = REQUESTS.filter((request) => request.surface === id).map(({ body }) => body);
  const everything = REQUESTS.map(({ body }) => body);
  return {
    name: `requests of ${id}, to every provider`,
    tryOnce: (random) => {
      const start = random.pick(random.chance(0.95) ? corpus : everything);
      const body = mutate(random, start, { isStream: false, corpus: everything });
      const parsed = parse(body);
      if (parsed === null) return;
      const path = id.startsWith('gemini') ? { model: 'a-model', stream: random.chance(0.5) } : {};
      const read = surface.readRequest(parsed.json, path);
      const inexpressible = new Inexpressible({ drop: random.chance(0.7), paramOf: paramOf(surface) });
      const decoded = { body: parsed.json, stream: read.stream, inexpressible };
      const { provider } = random.pick(PROVIDERS);
      const wire = wireFor(provider, surface);
      if (wire.surface === id)
        wire.encodePassThrough({ body, model: 'a-model', stream: read.stream, forwardedHeaders: {} });
      if (surface.operation === 'embedding') {
        const request = surface.decodeRequest(decoded);
        if (wire.operation === 'embedding') wire.encodeRequest({ request, model: 'a-model', inexpressible });
        return;
      }
      const request = surface.decodeRequest(decoded);
      if (wire.operation !== 'embedding') wire.encodeRequest({ request, model: 'a-model', inexpressible });
    },
  };
};

export const createFuzzTargets = (): FuzzTarget[] => {
  const corpora = readCorpus();
  return [
    ...PROVIDERS.flatMap((named) => [
      ...named.provider.wires.flatMap((wire) => targetsOfWire(named, wire, corpora)),
      targetOfErrors(named, corpora),
    ]),
    ...SURFACE_IDS.map(targetOfSurface),
  ];
};
