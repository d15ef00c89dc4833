/**
 * `npm run bench`: loads a mock provider, flo2 and Portkey's gateway in turn, in one run on one machine, and
 * prints what they did as ratios, what batches do to others, what flo2 does under ten times its load, and what
 * decoding a stream costs beyond passing it on. `--seconds N` is how long each is loaded at each number of
 * connections; `--only batches`, `decoding`, `fairness` or `overload` does that part alone, and `--only limits` a part
 * of three minutes that is not done otherwise.
 */
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { showBatch, showBatchAtLimit, showBatchesAlone } from './batches.ts';
import { measureDecoding } from './decoding.ts';
import {
  startFlo2,
  startMockProvider,
  startRival,
  startStreamServer,
  type Flo2,
  type Running,
} from './gateways.ts';
import { measureLimits } from './limits.ts';
import { load, type Figures } from './load.ts';
import { measurePace, PACED_PROMPT, WORD_INTERVAL_MS, type Pace } from './pace.ts';
import { showFairness } from './show-fairness.ts';
import { showOverload } from './show-overload.ts';
import { fixed, printTable } from './table.ts';

const CONNECTIONS = [1, 16, 64, 256];
const WARM_UP_MS = 3_000;
const WARM_UP_CONNECTIONS = 16;
const SECONDS_DEFAULT = '5';

const request = (stream: boolean, prompt = 'Answer as shortly as you can.'): string =>
  JSON.stringify({
    model: 'gpt-4o-mini',
    messages: [
      { role: 'system', content: 'You are a helpful assistant.' },
      { role: 'user', content: prompt },
    ],
    ...(stream && { stream: true, stream_options: { include_usage: true } }),
  });

const figuresRow = (connections: number, mock: Figures, flo2: Figures, rival: Figures): string[] => [
  String(connections),
  fixed(mock.requestsPerSecond, 0),
  fixed(flo2.requestsPerSecond, 0),
  fixed(rival.requestsPerSecond, 0),
  fixed(flo2.requestsPerSecond / rival.requestsPerSecond, 2),
  `${fixed(flo2.p50Ms, 2)} / ${fixed(flo2.p99Ms, 2)}`,
  `${fixed(rival.p50Ms, 2)} / ${fixed(rival.p99Ms, 2)}`,
  fixed(flo2.p50Ms / rival.p50Ms, 2),
];

const measure = async (running: Running[], durationMs: number): Promise<void> => {
  const loadAll = async (connections: number, stream: boolean): Promise<[Figures, Figures, Figures]> => {
    const figures: Figures[] = [];
    for (const { target } of running) {
      const until = stream ? 'first_byte' : 'last_byte';
      figures.push(await load(target, { body: request(stream), connections, durationMs, until }));
    }
    const [mock, flo2, rival] = figures;
    if (mock === undefined || flo2 === undefined || rival === undefined) throw new Error('nothing measured');
    return [mock, flo2, rival];
  };

  for (const { target } of running) {
    for (const stream of [false, true]) {
      await load(target, {
        body: request(stream),
        connections: WARM_UP_CONNECTIONS,
        durationMs: WARM_UP_MS,
        until: 'last_byte',
      });
    }
  }

  const rows: string[][] = [];
  let alone: [Figures, Figures, Figures] | null = null;
  for (const connections of CONNECTIONS) {
    const figures = await loadAll(connections, false);
    alone ??= figures;
    rows.push(figuresRow(connections, ...figures));
  }
  console.log('\nWhole answers');
  printTable(
    [
      'connections',
      'mock req/s',
      'flo2 req/s',
      'Portkey req/s',
      'flo2 ÷ Portkey',
      'flo2 p50 / p99 ms',
      'Portkey p50 / p99 ms',
      'p50 ÷ p50',
    ],
    rows,
  );

  const firstToken = await loadAll(1, true);
  const added = ([mock, flo2, rival]: [Figures, Figures, Figures], name: string): string[] => [
    name,
    fixed(flo2.p50Ms - mock.p50Ms, 2),
    fixed(rival.p50Ms - mock.p50Ms, 2),
    fixed((flo2.p50Ms - mock.p50Ms) / (rival.p50Ms - mock.p50Ms), 2),
  ];
  console.log('\nAdded by the gateway at one connection, p50');
  printTable(
    ['', 'flo2 ms', 'Portkey ms', 'flo2 ÷ Portkey'],
    [...(alone === null ? [] : [added(alone, 'whole answer')]), added(firstToken, 'first byte of a stream')],
  );
  await showStreams(running, durationMs, firstToken[1].p50Ms - firstToken[0].p50Ms);
};

const FIRST_TOKEN_TARGET_MS = 2;
/** How long flo2 lets a word wait for company. */
const COALESCING_MS = 10;

/** The targets for streams, and what was reached. */
const showStreams = async (running: Running[], durationMs: number, firstTokenMs: number): Promise<void> => {
  const paces: Pace[] = [];
  for (const { target } of running) {
    paces.push(await measurePace(target, request(true, PACED_PROMPT), durationMs));
  }
  const [mock, flo2, rival] = paces;
  if (mock === undefined || flo2 === undefined || rival === undefined) throw new Error('nothing measured');
  const addedMs = flo2.p99Ms - mock.p99Ms;
  console.log(`\nStreams; words come from the provider ${WORD_INTERVAL_MS} ms apart`);
  printTable(
    ['', 'flo2 ms', 'Portkey ms', 'target ms', 'reached'],
    [
      [
        'first token added, p50',
        fixed(firstTokenMs, 2),
        '',
        `≤ ${FIRST_TOKEN_TARGET_MS}`,
        firstTokenMs <= FIRST_TOKEN_TARGET_MS ? 'yes' : 'no',
      ],
      ['between words, p50', fixed(flo2.p50Ms, 2), fixed(rival.p50Ms, 2), '', ''],
      [
        'between words added, p99',
        fixed(addedMs, 2),
        fixed(rival.p99Ms - mock.p99Ms, 2),
        `≤ ${COALESCING_MS}`,
        addedMs <= COALESCING_MS ? 'yes' : 'no',
      ],
    ],
  );
};

const showLimits = async (): Promise<void> => {
  const figures = await measureLimits();
  console.log('\nA key of 600 requests and 100,000 tokens a minute, offered three times that for 3 minutes');
  printTable(
    ['offered', 'answered', 'refused by flo2', 'otherwise', 'calls', 'of them 429', 'limit used'],
    [
      [
        String(figures.offered),
        String(figures.answered),
        String(figures.refused),
        String(figures.otherwise),
        String(figures.calls),
        String(figures.limited),
        fixed(figures.usedShare, 3),
      ],
    ],
  );
};

/** A part that needs flo2 and the mock provider alone. */
const withFlo2 = async (show: (flo2: Flo2) => Promise<void>): Promise<void> => {
  const mock = await startMockProvider();
  const flo2 = await startFlo2(mock.target.origin);
  try {
    await load(flo2.target, {
      body: request(false),
      connections: WARM_UP_CONNECTIONS,
      durationMs: WARM_UP_MS,
      until: 'last_byte',
    });
    await show(flo2);
  } finally {
    await flo2.stop();
    await mock.stop();
  }
};

/** Ratios over 1 are what decoding adds. */
const showDecoding = async (): Promise<void> => {
  const server = await startStreamServer();
  try {
    const rows = (await measureDecoding(server)).map(({ passedOn, readAlone }) => [
      passedOn.dialect,
      fixed(passedOn.rawMs, 2),
      fixed(passedOn.decodedMs, 2),
      fixed(passedOn.decodedMs / passedOn.rawMs, 2),
      fixed(readAlone.decodedMs / readAlone.rawMs, 2),
    ]);
    console.log('\nProcessor time for a stream of 400 tokens');
    printTable(
      ['dialect', 'raw ms', 'decoded ms', 'passed on: decoded ÷ raw', 'read alone: decoded ÷ raw'],
      rows,
    );
  } finally {
    await server.stop();
  }
};

const showGateways = async (seconds: number): Promise<void> => {
  const running: Running[] = [];
  try {
    const mock = await startMockProvider();
    running.push(mock);
    const flo2 = await startFlo2(mock.target.origin);
    running.push(flo2);
    running.push(await startRival(mock.target.origin));
    const processors = cpus();
    console.log(`${processors.length} cores, ${processors[0]?.model ?? 'unknown'}`);
    console.log(running.flatMap(({ versions }) => versions).join(', '));
    await measure(running, seconds * 1_000);
    await showBatch(flo2, mock);
    await showFairness(flo2, request(false), seconds * 2_000);
    await showOverload(flo2, request(false), seconds * 1_000);
  } finally {
    for (const { stop } of running.toReversed()) await stop();
  }
};

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: SECONDS_DEFAULT },
    only: { type: 'string' },
  },
});
const seconds = Number(values.seconds);
if (!(seconds > 0)) throw new Error('--seconds must be a positive number');
switch (values.only) {
  case undefined:
    await showGateways(seconds);
    await showBatchAtLimit();
    await showDecoding();
    break;
  case 'decoding':
    await showDecoding();
    break;
  case 'batches':
    await showBatchesAlone();
    break;
  case 'overload':
    await withFlo2((flo2) => showOverload(flo2, request(false), seconds * 1_000));
    break;
  case 'fairness':
    await withFlo2((flo2) => showFairness(flo2, request(false), seconds * 2_000));
    break;
  case 'limits':
    await showLimits();
    break;
  default:
    throw new Error('--only knows "batches", "decoding", "fairness", "limits" and "overload"');
}
