import type { Running } from './gateways.ts';
import { overload } from './overload.ts';
import { fixed, printTable } from './table.ts';

/** Where flo2 does most. */
const PEAK_CONNECTIONS = 256;
const GOODPUT_TARGET = 0.9;
const REFUSAL_TARGET_MS = 50;

/** The peak, then ten times its connections, whose clients come again when they are told to. */
export const showOverload = async (flo2: Running, body: string, durationMs: number): Promise<void> => {
  const { target } = flo2;
  const peak = await overload(target, { body, connections: PEAK_CONNECTIONS, durationMs });
  const connections = PEAK_CONNECTIONS * 10;
  const over = await overload(target, { body, connections, durationMs });
  const share = over.goodput / peak.goodput;
  console.log(`\nOverload of flo2: ${PEAK_CONNECTIONS} connections, then ${connections}`);
  printTable(
    ['', `${PEAK_CONNECTIONS}`, `${connections}`, 'target', 'reached'],
    [
      ['answered req/s', fixed(peak.goodput, 0), fixed(over.goodput, 0), '', ''],
      [
        'goodput ÷ peak',
        '',
        fixed(share, 2),
        `≥ ${fixed(GOODPUT_TARGET, 2)}`,
        share >= GOODPUT_TARGET ? 'yes' : 'no',
      ],
      [
        'processor ms an answer',
        fixed(peak.processorMsPerAnswer, 2),
        fixed(over.processorMsPerAnswer, 2),
        '',
        '',
      ],
      ['answer p99 ms', fixed(peak.answerP99Ms, 1), fixed(over.answerP99Ms, 1), '', ''],
      ['refusals', String(peak.refusals), String(over.refusals), '', ''],
      ['refusal p50 ms', '', fixed(over.refusalP50Ms, 1), '', ''],
      [
        'refusal p99 ms',
        '',
        fixed(over.refusalP99Ms, 1),
        `< ${REFUSAL_TARGET_MS}`,
        over.refusalP99Ms < REFUSAL_TARGET_MS ? 'yes' : 'no',
      ],
      ['otherwise', String(peak.otherwise), String(over.otherwise), '0', over.otherwise === 0 ? 'yes' : 'no'],
    ],
  );
};
