/** flo2 for a test: every role in the test's process, or a role as a process of its own that can be killed. */
import { randomBytes } from 'node:crypto';
import { createLogger } from '#runtime/logger';
import { createResources } from '#runtime/resources';
import { startServices, stopServices, type Service } from '#runtime/service';
import { composeEverything, type EverythingConfiguration } from '#services/all/compose';
import { prepareDatabase } from '#services/migrate/prepare-database';
import { PROVIDER_IDS } from '#contracts/vocabulary';
import { createTenant, type TestTenant, type TenantOptions } from './tenant.ts';

export { launchProcess, startProcess, type StartedProcess } from './flo2-process.ts';
export { createTenant, type TestTenant, type TenantOptions } from './tenant.ts';

export type StartOptions = {
  database: { url: string };
  nats: { url: string };
  /** What differs from the defaults; private upstreams are allowed and ports are free ones anyway. */
  configuration?: Partial<EverythingConfiguration>;
  /** @default 'silent', or what LOG_LEVEL says */
  logLevel?: string;
};

export type RunningFlo2 = {
  url: string;
  adminKey: string;
  /** What other processes on the same database need: base64. */
  masterKey: string;
  createTenant: (options: TenantOptions) => Promise<TestTenant>;
  /** Drains and closes; resolves when nothing is left running. */
  close: () => Promise<void>;
};

const DRAIN_TIMEOUT_MS = 10_000;

/** Keys for a flo2 made of several processes. */
export const mintSecrets = (): { adminKey: string; masterKey: string } => ({
  adminKey: `flo2_admin_${randomBytes(16).toString('hex')}`,
  masterKey: randomBytes(32).toString('base64'),
});

/** Rejects when a service does not start; what had started is stopped then. */
export const startAll = async (options: StartOptions): Promise<RunningFlo2> => {
  const { adminKey, masterKey } = mintSecrets();
  const level = options.logLevel ?? process.env['LOG_LEVEL'] ?? 'silent';
  const logger = createLogger({ name: 'test', level, format: 'json' });
  const resources = createResources();
  const started: Service[] = [];
  const close = async (): Promise<void> => {
    const { late, failed } = await stopServices(started.splice(0), DRAIN_TIMEOUT_MS);
    const failures = [...failed, ...(await resources.closeAll())];
    const [first] = failures;
    if (first !== undefined) throw new Error(`${first.name} did not stop well`, { cause: first.error });
    if (late.length > 0) throw new Error(`${late.join(', ')} did not stop in time`);
  };
  try {
    await prepareDatabase({ databaseUrl: options.database.url, priceChangePercentMax: 0 }, logger);
    const { services, http } = await composeEverything(
      {
        host: '127.0.0.1',
        port: 0,
        databaseUrl: options.database.url,
        natsUrl: options.nats.url,
        adminKey,
        masterKey: Buffer.from(masterKey, 'base64'),
        allowPrivateUpstreams: true,
        ledgerRetentionMonths: 0,
        workerProviders: [...PROVIDER_IDS],
        workerConcurrency: 256,
        workerQueuedConcurrency: 128,
        objectStore: null,
        jobResultSeconds: 86_400,
        nativeBatchPollMs: 100,
        bodyLimitBytes: 20 * 1024 * 1024,
        requestTimeoutMs: 30_000,
        connectTimeoutMs: 5_000,
        firstByteTimeoutMs: 600_000,
        idleTimeoutMs: 300_000,
        streamKeepAliveMs: 15_000,
        drainTimeoutMs: DRAIN_TIMEOUT_MS / 2,
        ...options.configuration,
      },
      { logger, resources },
    );
    await startServices(services, (service) => started.push(service));
    const url = http.url();
    return { url, adminKey, masterKey, createTenant: (of) => createTenant({ url, adminKey }, of), close };
  } catch (error) {
    await close().catch(() => {});
    throw error;
  }
};
