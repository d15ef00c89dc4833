/**
 * `npm run bench -- --only batches`: how many lines of a batch flo2 carries out in a second where the provider
 * answers at once, what a line costs the processor in each process, and how much of a provider's limit is used
 * where it has one.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { startSimulator } from '#test/simulators/simulator';
import { runBatch, submitBatch } from './batch-lines.ts';
import { startFlo2, startMockProvider, type Running } from './gateways.ts';
import { processorMs } from './processor-time.ts';
import { fixed, printTable } from './table.ts';

const BATCH_LINES = 20_000;
const WARM_UP_LINES = 4_000;
/** The host's cores are shared with all of flo2's servers, so the best a line can cost is two milliseconds' half. */
const TARGET_LINES_PER_SECOND = 2_000;

const LIMITED_LINES = 8_000;
const LIMIT = { requestsPerMinute: 3_600, burstSeconds: 1 };
const LIMITED_WARM_UP_MS = 10_000;
const LIMITED_MS = 45_000;

const processorTimes = async (pids: Readonly<Record<string, number>>): Promise<Map<string, number>> =>
  new Map(
    await Promise.all(
      Object.entries(pids).map(async ([name, pid]): Promise<[string, number]> => [
        name,
        await processorMs(pid),
      ]),
    ),
  );

/** A batch that warms everything up, and one that counts. */
export const showBatch = async (flo2: Running, mock: Running): Promise<void> => {
  const pids = { ...flo2.pids, ...mock.pids };
  await runBatch(flo2.target, WARM_UP_LINES);
  const before = await processorTimes(pids);
  const { lines, failed, validationMs, linesPerSecond } = await runBatch(flo2.target, BATCH_LINES);
  const after = await processorTimes(pids);
  console.log('\nA batch, with an instant mock');
  printTable(
    ['lines', 'failed', 'read and taken on, s', 'lines/s', 'target'],
    [
      [
        String(lines),
        String(failed),
        fixed(validationMs / 1_000, 1),
        fixed(linesPerSecond, 0),
        `≥ ${TARGET_LINES_PER_SECOND}`,
      ],
    ],
  );
  const used = [...after].flatMap(([name, ms]) => {
    const earlier = before.get(name) ?? 0;
    return ms === 0 ? [] : [{ name, ms: (ms - earlier) / lines }];
  });
  if (used.length === 0) return;
  const total = used.reduce((sum, { ms }) => sum + ms, 0);
  console.log('\nProcessor time for a line of it, ms, from the upload of its file on');
  printTable(
    [...used.map(({ name }) => name), 'together'],
    [[...used.map(({ ms }) => fixed(ms, 3)), fixed(total, 3)]],
  );
};

/** A provider that allows so many requests a minute, offered more than that. */
export const showBatchAtLimit = async (): Promise<void> => {
  const simulator = await startSimulator({ limits: LIMIT });
  const flo2 = await startFlo2(simulator.url);
  try {
    await submitBatch(flo2.target, LIMITED_LINES);
    while (simulator.log.attempts.length === 0) await sleep(100);
    await sleep(LIMITED_WARM_UP_MS);
    const fromMs = Date.now();
    await sleep(LIMITED_MS);
    const toMs = Date.now();
    const calls = simulator.log.attempts.filter(
      ({ startedAtMs }) => startedAtMs >= fromMs && startedAtMs < toMs,
    );
    const limited = calls.filter(({ limitedBy }) => limitedBy !== null).length;
    const allowed = (LIMIT.requestsPerMinute * (toMs - fromMs)) / 60_000;
    console.log(`\nA batch, with a provider that allows ${LIMIT.requestsPerMinute} requests a minute`);
    printTable(
      ['calls', 'of them 429', 'limit used', 'target'],
      [[String(calls.length), String(limited), fixed((calls.length - limited) / allowed, 3), '≥ 0.95']],
    );
  } finally {
    await flo2.stop();
    await simulator.close();
  }
};

export const showBatchesAlone = async (): Promise<void> => {
  const mock = await startMockProvider();
  const flo2 = await startFlo2(mock.target.origin);
  try {
    await showBatch(flo2, mock);
  } finally {
    await flo2.stop();
    await mock.stop();
  }
  await showBatchAtLimit();
};
