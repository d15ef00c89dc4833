/** `npx flo2 …`: a client of the HTTP API; it opens no database and no queue. */
import { ConfigurationError } from '#runtime/config';
import { readEnvironment } from '#runtime/environment';
import { createApiClient } from './api-client.ts';
import { runCli } from './cli.ts';
import { COMMANDS } from './commands.ts';
import { CLI_SETTINGS } from './config.ts';

const EXIT_MISCONFIGURED = 2;

const note = (line: string): void => void process.stderr.write(`${line}\n`);

const main = async (): Promise<number> => {
  const interrupted = new AbortController();
  process.once('SIGINT', () => interrupted.abort());
  const { url, adminKey, apiKey } = readEnvironment(CLI_SETTINGS);
  return runCli(COMMANDS, process.argv.slice(2), {
    api: createApiClient({
      url,
      // Root may administer, and has no part in what is asked with a tenant's key.
      keyFor: (path) => (path.startsWith('/v1') ? (apiKey ?? adminKey) : (adminKey ?? apiKey)),
      signal: interrupted.signal,
    }),
    print: (line) => void process.stdout.write(`${line}\n`),
    note,
    redraw: (line) => void process.stderr.write(`\r${line.slice(0, process.stderr.columns - 1)}\u001B[K`),
    isTerminal: process.stderr.isTTY,
    signal: interrupted.signal,
  });
};

try {
  process.exitCode = await main();
} catch (error) {
  if (!(error instanceof ConfigurationError)) throw error;
  for (const fault of error.faults) note(fault);
  process.exitCode = EXIT_MISCONFIGURED;
}
