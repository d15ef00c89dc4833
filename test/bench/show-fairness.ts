import { measureBeside, measureShares } from './fairness.ts';
import type { Flo2 } from './gateways.ts';
import { fixed, printTable } from './table.ts';

const CONNECTIONS = 8;
const P99_RATIO_TARGET = 1.5;
const SHARE_WANTED = 0.75;
const SHARE_TOLERANCE = 0.1;

const reached = (isReached: boolean): string => (isReached ? 'yes' : 'no');

export const showFairness = async (flo2: Flo2, body: string, durationMs: number): Promise<void> => {
  const { alone, beside } = await measureBeside(flo2, { body, connections: CONNECTIONS, durationMs });
  const ratio = beside.p99Ms / alone.p99Ms;
  console.log(`\nAnother tenant’s interactive requests, beside 20,000 lines of a batch for the same model`);
  printTable(
    ['', 'alone', 'beside', 'beside ÷ alone', 'target', 'reached'],
    [
      ['requests', String(alone.requests), String(beside.requests), '', '', ''],
      [
        'otherwise',
        String(alone.otherwise),
        String(beside.otherwise),
        '',
        '0',
        reached(beside.otherwise === 0),
      ],
      ['p50 ms', fixed(alone.p50Ms, 2), fixed(beside.p50Ms, 2), fixed(beside.p50Ms / alone.p50Ms, 2), '', ''],
      [
        'p99 ms',
        fixed(alone.p99Ms, 2),
        fixed(beside.p99Ms, 2),
        fixed(ratio, 2),
        `≤ ${P99_RATIO_TARGET}`,
        reached(ratio <= P99_RATIO_TARGET),
      ],
      ['lines of the batch a second', '', fixed(beside.linesPerSecond, 0), '', '', ''],
    ],
  );
  const { lines, share } = await measureShares(flo2);
  console.log('\nTwo tenants of weights 1 and 3, 20,000 lines each for the same model');
  printTable(
    ['lines', 'part of the second', 'target', 'reached'],
    [
      [
        String(lines),
        fixed(share, 3),
        `${SHARE_WANTED} ± 10 %`,
        reached(Math.abs(share / SHARE_WANTED - 1) <= SHARE_TOLERANCE),
      ],
    ],
  );
};
