import { Client } from 'pg';
import { startSimulator, type Simulator } from '#test/simulators/simulator';
import { mintSecrets } from './flo2.ts';
import { launchProcess, startProcess, type RoleName, type StartedProcess } from './flo2-process.ts';
import { createDatabase, startNats } from './services.ts';

type Role = Exclude<RoleName, 'all' | 'migrate'>;

/** What roles that are processes of their own need, for tests that kill them: servers and providers, no role yet. */
export type RoleEnvironment = {
  databaseUrl: string;
  simulator: Simulator;
  /** A connection to the database beside flo2's. */
  ledger: Client;
  adminKey: string;
  /** The environment variables of every role. */
  variables: Readonly<Record<string, string>>;
  /** Resolves when the role is ready. It ends with the environment, if not before. */
  start: (role: Role) => Promise<StartedProcess>;
  /** Kills what was started, and takes everything down. */
  close: () => Promise<void>;
};

/** Opens one with a migrated database; `settings` are variables beside the usual ones. */
export const openRoleEnvironment = async (
  settings: Readonly<Record<string, string>> = {},
): Promise<RoleEnvironment> => {
  const [database, nats, simulator] = await Promise.all([createDatabase(), startNats(), startSimulator()]);
  const { adminKey, masterKey } = mintSecrets();
  const variables = {
    DATABASE_URL: database.url,
    NATS_URL: nats.url,
    FLO2_ADMIN_KEY: adminKey,
    FLO2_MASTER_KEY: masterKey,
    FLO2_ALLOW_PRIVATE_UPSTREAMS: 'true',
    ...settings,
  };
  const migration = launchProcess('migrate', variables);
  if ((await migration.exited).code !== 0) throw new Error(`the migration failed:\n${migration.output()}`);
  const ledger = new Client({ connectionString: database.url });
  await ledger.connect();
  const started: StartedProcess[] = [];
  return {
    databaseUrl: database.url,
    simulator,
    ledger,
    adminKey,
    variables,
    start: async (role) => {
      const running = await startProcess(role, variables);
      started.push(running);
      return running;
    },
    close: async () => {
      for (const running of started) running.kill('SIGKILL');
      await Promise.all(started.map(({ exited }) => exited));
      await ledger.end();
      await simulator.close();
      await nats.stop();
      await database.drop();
    },
  };
};
