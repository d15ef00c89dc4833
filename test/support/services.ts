/** Postgres and NATS for a test: the real servers, fresh for each caller. Needs the global setup. */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { Client } from 'pg';
import { inject } from 'vitest';
import { startNatsServer } from '#embedded/nats-server';

export type TestDatabase = {
  url: string;
  /** Closes whatever is still connected. */
  drop: () => Promise<void>;
};

export type TestNats = {
  /** `nats://user:password@host:port`. The client library does not read the credentials from there itself. */
  url: string;
  stop: () => Promise<void>;
};

const execute = async (postgresUrl: string, statement: string): Promise<void> => {
  const client = new Client({ connectionString: `${postgresUrl}/postgres` });
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
};

/** A database of its own with the newest schema and nothing in it. */
export const createDatabase = async (): Promise<TestDatabase> => {
  const { postgresUrl, templateDatabase } = inject('testRun');
  const name = `test_${randomBytes(8).toString('hex')}`;
  await execute(postgresUrl, `create database ${name} template ${templateDatabase}`);
  return {
    url: `${postgresUrl}/${name}`,
    drop: () => execute(postgresUrl, `drop database if exists ${name} with (force)`),
  };
};

/** A nats-server of its own with JetStream and no streams. */
export const startNats = async (): Promise<TestNats> => {
  const { kind, directory, natsServerPath } = inject('testRun');
  if (kind === 'containers') {
    const { startNatsContainer } = await import('./containers.ts');
    return startNatsContainer(directory);
  }
  return startNatsServer({
    dataDir: join(directory, `nats-${randomBytes(8).toString('hex')}`),
    explicitPath: natsServerPath,
  });
};
