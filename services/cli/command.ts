import type { ParseArgsOptionsConfig } from 'node:util';
import type { ApiClient } from './api-client.ts';

/** Thrown for a command that was called wrongly: exit code 2, with the command's help. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

export type CommandContext = {
  api: ApiClient;
  /** A line of the result, to standard output. */
  print: (line: string) => void;
  /** A line about the work, to standard error. */
  note: (line: string) => void;
  /** Draws a line on standard error over the one drawn before; only where a person watches. */
  redraw: (line: string) => void;
  /** Whether a person watches: progress may be drawn over itself on standard error. */
  isTerminal: boolean;
  /** Aborted by Ctrl-C. */
  signal: AbortSignal;
};

export type CommandInput = {
  positionals: readonly string[];
  values: Readonly<Record<string, string | boolean | (string | boolean)[] | undefined>>;
};

/** One file under `commands`, and one line in the table of `commands.ts`. */
export type Command = {
  /** As it is typed, words separated by a space: `dead-letters list`. */
  name: string;
  summary: string;
  /** What follows the name: `<id> [--payload]`. */
  usage: string;
  /** An option's meaning, by its name. */
  help: Readonly<Record<string, string>>;
  options: ParseArgsOptionsConfig;
  /** Rejects with `UsageError`, or with whatever failed: exit code 1 and its message. */
  run: (context: CommandContext, input: CommandInput) => Promise<void>;
};

/** A text option's value. */
export const textOption = ({ values }: CommandInput, name: string): string | undefined => {
  const value = values[name];
  return typeof value === 'string' ? value : undefined;
};

/** The one argument a command takes; throws `UsageError` for none or several. */
export const onlyArgument = ({ positionals }: CommandInput, what: string): string => {
  const [only, ...others] = positionals;
  if (only === undefined || others.length > 0) throw new UsageError(`Give one ${what}.`);
  return only;
};
