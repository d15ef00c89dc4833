/** The same servers as containers, for `FLO2_TEST_SERVICES=containers`. */
import { GenericContainer, getContainerRuntimeClient, Wait } from 'testcontainers';

const POSTGRES_IMAGE = 'postgres:18';
const NATS_IMAGE = 'nats:2.12';
/** Marks the containers of a run with its directory, so that its end finds those a test left running. */
const RUN_LABEL = 'flo2.test-run';

const USER = 'flo2';
const PASSWORD = 'only-for-tests';

const NATS_CONFIGURATION = `
listen: "0.0.0.0:4222"
max_payload: 8MB
authorization { user: ${USER}, password: "${PASSWORD}" }
jetstream { store_dir: "/tmp/jetstream", max_memory_store: 256MB, max_file_store: 1GB }
`;

type Container = { url: string; stop: () => Promise<void> };

/** `url` names no database. */
export const startPostgresContainer = async (runDirectory: string): Promise<Container> => {
  const container = await new GenericContainer(POSTGRES_IMAGE)
    .withLabels({ [RUN_LABEL]: runDirectory })
    .withEnvironment({
      POSTGRES_USER: USER,
      POSTGRES_PASSWORD: PASSWORD,
      POSTGRES_DB: 'postgres',
      POSTGRES_INITDB_ARGS: '--encoding=UTF8',
    })
    .withCommand(['postgres', '-c', 'max_connections=200', '-c', 'fsync=off', '-c', 'synchronous_commit=off'])
    .withExposedPorts(5432)
    // Over TCP: while the image prepares the database, its server listens on a socket alone.
    .withHealthCheck({
      test: ['CMD', 'pg_isready', '--host=127.0.0.1', `--username=${USER}`],
      interval: 500,
      timeout: 3_000,
      retries: 100,
    })
    .withWaitStrategy(Wait.forHealthCheck())
    .start();
  return {
    url: `postgres://${USER}:${PASSWORD}@${container.getHost()}:${container.getMappedPort(5432)}`,
    stop: async () => void (await container.stop()),
  };
};

export const startNatsContainer = async (runDirectory: string): Promise<Container> => {
  const container = await new GenericContainer(NATS_IMAGE)
    .withLabels({ [RUN_LABEL]: runDirectory })
    .withCopyContentToContainer([{ content: NATS_CONFIGURATION, target: '/etc/nats/test.conf' }])
    .withCommand(['-c', '/etc/nats/test.conf'])
    .withExposedPorts(4222)
    .withWaitStrategy(Wait.forLogMessage(/Server is ready/))
    .start();
  return {
    url: `nats://${USER}:${PASSWORD}@${container.getHost()}:${container.getMappedPort(4222)}`,
    stop: async () => void (await container.stop()),
  };
};

/** Removes what the tests of this run have not stopped themselves. */
export const removeContainers = async (runDirectory: string): Promise<void> => {
  const client = await getContainerRuntimeClient();
  const containers = await client.container.list();
  for (const container of containers) {
    if (container.Labels[RUN_LABEL] !== runDirectory) continue;
    await client.container.remove(client.container.getById(container.Id), { removeVolumes: true });
  }
};
