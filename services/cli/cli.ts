/** Finds the command among the words, reads its options and runs it. */
import { parseArgs } from 'node:util';
import { UsageError, type Command, type CommandContext } from './command.ts';

const EXIT_DONE = 0;
const EXIT_FAILED = 1;
const EXIT_MISUSED = 2;
const EXIT_INTERRUPTED = 130;

const padded = (rows: readonly (readonly [string, string])[]): string[] => {
  const width = Math.max(...rows.map(([left]) => left.length));
  return rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`);
};

export const describeCommands = (commands: readonly Command[]): string =>
  [
    'usage: flo2 <command> [arguments]',
    '',
    ...padded(commands.map(({ name, summary }) => [name, summary])),
    '',
    '`flo2 <command> --help` says more. FLO2_URL says where flo2 is (http://127.0.0.1:8080), FLO2_ADMIN_KEY or',
    'FLO2_API_KEY who you are. Exit codes: 0 done, 1 failed, 2 called wrongly.',
  ].join('\n');

export const describeCommand = ({ name, summary, usage, help }: Command): string =>
  [
    `usage: flo2 ${`${name} ${usage}`.trimEnd()}`,
    '',
    summary,
    ...(Object.keys(help).length === 0 ? [] : ['', ...padded(Object.entries(help))]),
  ].join('\n');

/** The command with the most words that the arguments begin with. */
const findCommand = (commands: readonly Command[], args: readonly string[]): Command | undefined =>
  commands
    .filter(({ name }) => name.split(' ').every((word, index) => args[index] === word))
    .sort((one, other) => other.name.length - one.name.length)[0];

const readInput = (command: Command, args: readonly string[]) => {
  try {
    return parseArgs({
      args: [...args],
      options: { ...command.options, help: { type: 'boolean' } },
      allowPositionals: true,
    });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error), { cause: error });
  }
};

/** Resolves to the exit code; never rejects. */
export const runCli = async (
  commands: readonly Command[],
  args: readonly string[],
  context: CommandContext,
): Promise<number> => {
  const command = findCommand(commands, args);
  if (command === undefined) {
    const wantsHelp = args.length === 0 || args[0] === 'help' || args[0] === '--help';
    if (wantsHelp) context.print(describeCommands(commands));
    else context.note(`There is no command "${args.join(' ')}".\n\n${describeCommands(commands)}`);
    return wantsHelp ? EXIT_DONE : EXIT_MISUSED;
  }
  try {
    const { values, positionals } = readInput(command, args.slice(command.name.split(' ').length));
    if (values['help'] === true) {
      context.print(describeCommand(command));
      return EXIT_DONE;
    }
    await command.run(context, { positionals, values });
    return EXIT_DONE;
  } catch (error) {
    if (context.signal.aborted) return EXIT_INTERRUPTED;
    context.note(error instanceof Error ? error.message : String(error));
    if (!(error instanceof UsageError)) return EXIT_FAILED;
    context.note(`\n${describeCommand(command)}`);
    return EXIT_MISUSED;
  }
};
