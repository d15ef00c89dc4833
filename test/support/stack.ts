/** All of flo2 with its real servers and the simulated providers, for an end-to-end test file. */
import { Client } from 'pg';
import { vi } from 'vitest';
import { z } from 'zod';
import { TOKEN_CLASSES } from '#contracts/usage';
import { startSimulator, type Simulator } from '#test/simulators/simulator';
import {
  startAll,
  type RunningFlo2,
  type StartOptions,
  type TenantOptions,
  type TestTenant,
} from './flo2.ts';
import { createDatabase, startNats } from './services.ts';

const attempt = z.looseObject({
  attempt_id: z.string(),
  attempt: z.number(),
  step: z.number(),
  revision: z.number(),
  provider: z.string(),
  model: z.string(),
  served_model: z.string().nullable(),
  outcome: z.string(),
  error_code: z.string().nullable(),
  usage_source: z.string(),
  tokens: z.record(z.string(), z.number()),
  pricing: z.string(),
  cost: z.string().nullable(),
});
export type LedgerAttempt = z.infer<typeof attempt>;
const requestUsage = z.looseObject({ attempts: z.array(attempt) });

/** Counts as the simulator's log and the ledger both have them: a class that is not there is a zero. */
export const countedTokens = (
  tokens: Readonly<Record<string, number | undefined>> | undefined,
): Record<string, number> =>
  Object.fromEntries(
    Object.entries(tokens ?? {}).filter((entry): entry is [string, number] => (entry[1] ?? 0) !== 0),
  );

export type Stack = {
  flo2: RunningFlo2;
  simulator: Simulator;
  natsUrl: string;
  databaseUrl: string;
  createTenant: (options?: Omit<TenantOptions, 'simulatorUrl'>) => Promise<TestTenant>;
  /** One request's attempts, once the ledger has that many. */
  attemptsOf: (requestId: string, count: number) => Promise<LedgerAttempt[]>;
  /** What the ledger says of one attempt; a client that left has no request id to ask by. */
  ledgerOutcomes: (attemptId: string) => Promise<{ rows: { outcome: string }[] }>;
  /** What the ledger counted for these attempts, as `countedTokens` gives it, by attempt id; those it has. */
  ledgerTokens: (attemptIds: readonly string[]) => Promise<Record<string, Record<string, number>>>;
  close: () => Promise<void>;
};

const LEDGER_WAIT_MS = 15_000;

export const startStack = async (configuration?: StartOptions['configuration']): Promise<Stack> => {
  const database = await createDatabase();
  const nats = await startNats();
  const simulator = await startSimulator();
  const flo2 = await startAll({ database, nats, ...(configuration !== undefined && { configuration }) });

  const readAttempts = async (requestId: string): Promise<LedgerAttempt[]> => {
    const answer = await fetch(`${flo2.url}/api/v1/usage/requests/${requestId}`, {
      headers: { authorization: `Bearer ${flo2.adminKey}` },
    });
    if (answer.status === 404) return [];
    return requestUsage.parse(await answer.json()).attempts;
  };

  return {
    flo2,
    simulator,
    natsUrl: nats.url,
    databaseUrl: database.url,
    createTenant: (options) => flo2.createTenant({ simulatorUrl: simulator.url, ...options }),
    attemptsOf: (requestId, count) =>
      vi.waitFor(
        async () => {
          const attempts = await readAttempts(requestId);
          if (attempts.length < count) throw new Error(`${attempts.length} of ${count} attempts recorded`);
          return attempts;
        },
        { timeout: LEDGER_WAIT_MS, interval: 50 },
      ),
    ledgerOutcomes: async (attemptId) => {
      const client = new Client({ connectionString: database.url });
      await client.connect();
      try {
        return await client.query('select outcome from usage_event where attempt_id = $1', [attemptId]);
      } finally {
        await client.end();
      }
    },
    ledgerTokens: async (attemptIds) => {
      const client = new Client({ connectionString: database.url });
      await client.connect();
      try {
        const columns = [...TOKEN_CLASSES, 'reasoning'].map((name) => `'${name}', ${name}_tokens`);
        const { rows } = await client.query<{ id: string; tokens: Record<string, number | null> }>(
          `select attempt_id as id, json_build_object(${columns.join(', ')}) as tokens
           from usage_event where attempt_id = any($1)`,
          [attemptIds],
        );
        return Object.fromEntries(
          rows.map(({ id, tokens }) => [
            id,
            countedTokens(
              Object.fromEntries(Object.entries(tokens).map(([name, count]) => [name, count ?? 0])),
            ),
          ]),
        );
      } finally {
        await client.end();
      }
    },
    close: async () => {
      await flo2.close();
      await simulator.close();
      await nats.stop();
      await database.drop();
    },
  };
};
