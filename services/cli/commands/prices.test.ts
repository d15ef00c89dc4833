import { describe, expect, it } from 'vitest';
import type { Command } from '../command.ts';
import { listPriceProposals, listUnpriced, promotePriceProposal, rejectPriceProposal } from './prices.ts';

/** Runs a command against one answer; gives what it asked for and what it printed. */
const run = async (command: Command, answer: unknown, input: { id?: string; from?: string } = {}) => {
  const asked: unknown[] = [];
  const printed: string[] = [];
  await command.run(
    {
      api: {
        call: (...call) => {
          asked.push(call);
          return Promise.resolve(answer);
        },
        request: () => Promise.reject(new Error('unused')),
      },
      print: (line) => printed.push(line),
      note: (line) => printed.push(line),
      redraw: () => undefined,
      isTerminal: false,
      signal: new AbortController().signal,
    },
    { positionals: input.id === undefined ? [] : [input.id], values: { from: input.from } },
  );
  return { asked, printed };
};

const CHANGE = { provider: 'openai', model: 'gpt-5', component: 'input', tier: 'standard', reference: null };

describe('the commands of prices', () => {
  it('show what each proposal would change', async () => {
    const changes = [
      { ...CHANGE, region: null, old_rate: '1.25', new_rate: '1.5', percent: 20 },
      { ...CHANGE, region: 'us', old_rate: null, new_rate: '2', percent: null },
    ];
    const data = [{ id: 'p1', source: 'a-list', source_version: '2', read_at: '2026-11-24', changes }];
    expect(await run(listPriceProposals, { data })).toEqual({
      asked: [['GET', '/api/v1/prices/proposals']],
      printed: [
        'p1  a-list 2  read 2026-11-24',
        '  openai/gpt-5  input  standard  1.25 → 1.5  +20 %',
        '  openai/gpt-5  input  standard in us  none → 2',
        '1 proposals',
      ],
    });
  });

  it('promote one, from a time that is named, and reject one', async () => {
    const from = '2026-11-01T00:00:00Z';
    expect(await run(promotePriceProposal, { rates: 3 }, { id: 'p/1', from })).toEqual({
      asked: [['POST', '/api/v1/prices/proposals/p%2F1/promote', { effective_from: from }]],
      printed: ['p/1 is in the price book: 3 rates'],
    });
    expect((await run(promotePriceProposal, { rates: 3 }, { id: 'p1' })).asked).toEqual([
      ['POST', '/api/v1/prices/proposals/p1/promote', {}],
    ]);
    expect((await run(rejectPriceProposal, {}, { id: 'p1' })).asked).toEqual([
      ['POST', '/api/v1/prices/proposals/p1/reject', {}],
    ]);
    await expect(run(promotePriceProposal, {})).rejects.toThrow(/Give one proposal's id/);
  });

  it('show what has no price, and why', async () => {
    const reason = 'no rate for input';
    const data = [{ provider: 'groq', model: 'm', tier: 'flex', attempts: 2, reason }];
    expect((await run(listUnpriced, { data })).printed).toEqual([
      'groq/m  flex  2 attempts  no rate for input',
      '1 without a price',
    ]);
  });
});
