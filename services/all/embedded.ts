import { join } from 'node:path';
import { startNatsServer } from '#embedded/nats-server';
import { startPostgres } from '#embedded/postgres';
import type { RoleContext } from '#runtime/run';

export type ServerUrls = { databaseUrl: string; natsUrl: string };

export type EmbeddedOptions = {
  /** Null starts one. */
  databaseUrl: string | null;
  natsUrl: string | null;
  natsServer: string | null;
  directory: string;
  onProgress: (line: string) => void;
};

/** Longer than the servers' own steps to a stop, the last of which is a kill. */
const STOP_WAIT_MS = 40_000;

/** Starts the servers that are not given; they are stopped after everything that uses them. */
export const startMissingServers = async (
  options: EmbeddedOptions,
  { resources, fail }: Pick<RoleContext, 'resources' | 'fail'>,
): Promise<ServerUrls> => {
  const { directory, onProgress } = options;
  const common = { onProgress, onUnexpectedExit: fail };
  const start = async (
    given: string | null,
    name: string,
    open: () => Promise<{ url: string; stop: () => Promise<void> }>,
  ): Promise<string> => {
    if (given !== null) return given;
    return (await resources.open(name, open, (server) => server.stop(), STOP_WAIT_MS)).url;
  };
  const databaseUrl = await start(options.databaseUrl, 'Postgres', () =>
    startPostgres({ dataDir: join(directory, 'postgres'), ...common }),
  );
  const natsUrl = await start(options.natsUrl, 'nats-server', () =>
    startNatsServer({
      dataDir: join(directory, 'nats'),
      explicitPath: options.natsServer ?? undefined,
      ...common,
    }),
  );
  return { databaseUrl, natsUrl };
};
