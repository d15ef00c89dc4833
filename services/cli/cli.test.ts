import { describe, expect, it } from 'vitest';
import { runCli } from './cli.ts';
import { onlyArgument, textOption, type Command } from './command.ts';

const ran: string[] = [];
const command = (name: string): Command => ({
  name,
  summary: `Does ${name}.`,
  usage: '<id> [--reason <text>]',
  help: { '--reason': 'why' },
  options: { reason: { type: 'string' } },
  run: (_context, input) => {
    const id = onlyArgument(input, 'id');
    if (id === 'bad') return Promise.reject(new Error('it went wrong'));
    ran.push(`${name} ${id} ${textOption(input, 'reason') ?? ''}`.trim());
    return Promise.resolve();
  },
});

const call = async (...args: string[]) => {
  ran.length = 0;
  const printed: string[] = [];
  const noted: string[] = [];
  const code = await runCli([command('letter'), command('letter send')], args, {
    api: { call: () => Promise.resolve(null), request: () => Promise.reject(new Error('unused')) },
    print: (line) => printed.push(line),
    note: (line) => noted.push(line),
    redraw: () => undefined,
    isTerminal: false,
    signal: new AbortController().signal,
  });
  return { code, ran: [...ran], printed: printed.join('\n'), noted: noted.join('\n') };
};

describe('the command line', () => {
  it('runs the command with the most words, with its arguments and options', async () => {
    expect((await call('letter', 'send', 'a', '--reason', 'b')).ran).toEqual(['letter send a b']);
    expect((await call('letter', 'a')).ran).toEqual(['letter a']);
  });

  it('says what went wrong, with exit code 1', async () => {
    expect(await call('letter', 'bad')).toMatchObject({ code: 1, noted: 'it went wrong' });
  });

  it.each([
    [['post'], /There is no command "post"/],
    [['letter'], /Give one id[\s\S]*usage: flo2 letter <id>/],
    [['letter', 'a', '--color', 'red'], /--color[\s\S]*usage: flo2 letter/],
  ])('says how a command is called, with exit code 2: %j', async (args, message) => {
    const { code, noted, ran: run } = await call(...args);
    expect({ code, run }).toEqual({ code: 2, run: [] });
    expect(noted).toMatch(message);
  });

  it.each([[[]], [['--help']], [['help']]])('lists its commands for %j', async (args) => {
    expect(await call(...args)).toMatchObject({
      code: 0,
      printed: expect.stringMatching(/letter send {2}Does/),
    });
  });

  it("shows a command's help", async () => {
    expect(await call('letter', '--help')).toMatchObject({
      code: 0,
      printed: expect.stringMatching(/--reason {2}why/),
    });
  });
});
