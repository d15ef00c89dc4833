/** A control plane on a database of its own, called without a socket. */
import { randomBytes } from 'node:crypto';
import type { FastifyInstance } from 'fastify';
import type { Vault } from '#domain/ports';
import type { DeadLetterStore } from '#nats/dead-letter-store';
import { openDatabase, type Database } from '#postgres/database';
import { createLogger } from '#runtime/logger';
import { createSystemMint } from '#runtime/system';
import { registerControlPlane } from '#services/control/service';
import { createVault } from '#vault/vault';
import { createWebServer } from '#web/server';
import { createDatabase } from './services.ts';

export const ADMIN_KEY = 'admin-key-of-the-test';

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
export type Json = Record<string, unknown>;
export type ControlAnswer = { status: number; headers: Record<string, unknown>; json: Json; text: string };
export type CallOptions = {
  /** @default the admin key */
  key?: string;
  headers?: Record<string, string>;
};
/** `body`: text is sent as it is and called JSON. */
export type CallControlPlane = (
  method: Method,
  path: string,
  body?: object | string,
  options?: CallOptions,
) => Promise<ControlAnswer>;

export type TestControlPlane = {
  app: FastifyInstance;
  database: Database;
  vault: Vault;
  call: CallControlPlane;
  /** All that was logged, and all that was answered, as text. */
  logged: string[];
  answered: string[];
  /** The tenants whose changes were announced. */
  announced: string[];
  /** The provider keys whose lists of models were asked for. */
  listed: string[];
  close: () => Promise<void>;
};

export type ControlPlaneOptions = {
  /** @default a new one with nothing in it, dropped at the end */
  databaseUrl?: string;
  /** @default one with a master key of its own */
  vault?: Vault;
  /** @default true */
  allowPrivateUpstreams?: boolean;
};

const unreachable = (): Promise<never> => Promise.reject(new Error('there is no queue in this test'));
const WITHOUT_QUEUE: DeadLetterStore = {
  list: unreachable,
  find: unreachable,
  replay: unreachable,
  remove: unreachable,
  purge: unreachable,
};

export const openControlPlane = async (options: ControlPlaneOptions = {}): Promise<TestControlPlane> => {
  const created = options.databaseUrl === undefined ? await createDatabase() : null;
  const database = openDatabase({
    url: options.databaseUrl ?? created?.url ?? '',
    poolMax: 4,
    applicationName: 'control-test',
    onIdleError: () => undefined,
  });
  const vault = options.vault ?? createVault({ masterKey: randomBytes(32) });
  const logged: string[] = [];
  const answered: string[] = [];
  const announced: string[] = [];
  const listed: string[] = [];
  const destination = { write: (line: string) => void logged.push(line) };
  const mint = createSystemMint();
  const app = createWebServer({
    mint,
    logger: createLogger({ name: 'control', level: 'info', format: 'json', destination }),
  });
  registerControlPlane(app, {
    database,
    vault,
    configurationChanges: {
      announce: (change) => void announced.push(change.tenantId),
      subscribe: () => undefined,
    },
    deadLetters: WITHOUT_QUEUE,
    adminKey: ADMIN_KEY,
    allowPrivateUpstreams: options.allowPrivateUpstreams ?? true,
    clock: { nowMs: Date.now },
    mint,
    keyHealth: { keyHealth: () => null, replaceKeyHealth: () => Promise.resolve(true) },
    modelLists: { refresh: ({ providerKeyId }) => void listed.push(providerKeyId) },
  });

  const call: CallControlPlane = async (method, path, body, { key = ADMIN_KEY, headers = {} } = {}) => {
    const answer = await app.inject({
      method,
      url: `/api/v1${path}`,
      headers: {
        authorization: `Bearer ${key}`,
        ...(typeof body === 'string' && { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body !== undefined && { payload: body }),
    });
    answered.push(answer.body);
    const json = answer.body === '' ? {} : answer.json<Json>();
    return { status: answer.statusCode, headers: answer.headers, json, text: answer.body };
  };

  return {
    app,
    database,
    vault,
    call,
    logged,
    answered,
    announced,
    listed,
    close: async () => {
      await app.close();
      await database.close();
      await created?.drop();
    },
  };
};
