import { parseArgs } from 'node:util';
import { rateLimits } from './rate-limits.ts';
import { startSimulator } from './simulator.ts';

/** The simulated providers as a process of their own; prints `{"url": …}` once it serves. */
const USAGE =
  'usage: main.ts [--host H] [--port N] [--log FILE] [--no-log] [--keep-bodies] [--requests-per-minute N] [--tokens-per-minute N] [--burst-seconds S]';

const readArguments = () => {
  const { values } = parseArgs({
    options: {
      host: { type: 'string', default: '127.0.0.1' },
      port: { type: 'string', default: '0' },
      log: { type: 'string' },
      'no-log': { type: 'boolean', default: false },
      'keep-bodies': { type: 'boolean', default: false },
      'requests-per-minute': { type: 'string' },
      'tokens-per-minute': { type: 'string' },
      'burst-seconds': { type: 'string' },
    },
  });
  const port = Number(values.port);
  if (!Number.isInteger(port) || port < 0 || port > 65_535)
    throw new Error(`--port is "${values.port}"; expected a number from 0 to 65535`);
  const numberOf = (text: string | undefined) => (text === undefined ? undefined : Number(text));
  const limits = rateLimits.parse({
    requestsPerMinute: numberOf(values['requests-per-minute']),
    tokensPerMinute: numberOf(values['tokens-per-minute']),
    burstSeconds: numberOf(values['burst-seconds']),
  });
  const isLimited = limits.requestsPerMinute !== undefined || limits.tokensPerMinute !== undefined;
  return {
    ...(isLimited ? { limits } : {}),
    host: values.host,
    port,
    log: !values['no-log'],
    keepBodies: values['keep-bodies'],
    ...(values.log === undefined ? {} : { logFile: values.log }),
  };
};

try {
  const simulator = await startSimulator(readArguments());
  process.stdout.write(`${JSON.stringify({ url: simulator.url })}\n`);
  const stop = (): void => {
    void simulator.close();
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n${USAGE}\n`);
  process.exitCode = 1;
}
