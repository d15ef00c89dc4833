import { parseArgs } from 'node:util';
import { ConfigurationError } from './config.ts';

export type Flag = { name: string; description: string };

/** Which of the allowed `--flags` were given; throws ConfigurationError for anything else. */
export const readFlags = (args: readonly string[], allowed: readonly Flag[]): ReadonlySet<string> => {
  const { tokens } = parseArgs({ args: [...args], strict: false, tokens: true });
  const names = allowed.map(({ name }) => `--${name}`);
  const given = new Set<string>();
  const faults: string[] = [];
  for (const token of tokens) {
    if (token.kind === 'option' && token.value === undefined && names.includes(token.rawName)) {
      given.add(token.name);
    } else {
      const text = token.kind === 'positional' ? token.value : token.kind === 'option' ? token.rawName : '--';
      faults.push(`The argument ${JSON.stringify(text)} is not known; expected ${names.join(' or ')}.`);
    }
  }
  if (faults.length > 0) throw new ConfigurationError(faults);
  return given;
};

export const describeUsage = (program: string, flags: readonly Flag[]): string =>
  [
    `usage: ${program} ${flags.map(({ name }) => `[--${name}]`).join(' ')}`,
    ...flags.map(({ name, description }) => `  --${name.padEnd(10)} ${description}`),
    'All else is configured by environment variables; docs/configuration.md lists them.',
  ].join('\n');
