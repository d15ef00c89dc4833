import { Pool, type PoolClient } from 'pg';
import type { TenantId } from '#contracts/ids';
import { currentTenant } from './tenant-scope.ts';

const FLEET_ROLE = 'flo2_fleet';
const TENANT_ROLE = 'flo2_tenant';

/** As whom a connection works now; absent for a new one, which works as whoever logged in. */
const workingFor = new WeakMap<PoolClient, TenantId | 'fleet'>();

const ENTER_TENANT = `select set_config('role', '${TENANT_ROLE}', false), set_config('flo2.tenant', $1, false)`;
const ENTER_FLEET = `select set_config('role', '${FLEET_ROLE}', false), set_config('flo2.tenant', '', false)`;

const enter = async (client: PoolClient, tenantId: TenantId | null): Promise<void> => {
  const wanted = tenantId ?? 'fleet';
  if (workingFor.get(client) === wanted) return;
  // Unknown until the database has said yes.
  workingFor.delete(client);
  if (tenantId === null) await client.query(ENTER_FLEET);
  else await client.query(ENTER_TENANT, [tenantId]);
  workingFor.set(client, wanted);
};

type ConnectCallback = Parameters<Pool['connect']>[0];

/**
 * A pool whose connections work as the current scope's role: each is set up before it is handed out, with one
 * statement where it worked for another scope before and with none where it did not. A connection that cannot
 * be set up is closed and never handed out.
 */
export class TenantPool extends Pool {
  override connect(): Promise<PoolClient>;
  override connect(callback: ConnectCallback): void;
  override connect(callback?: ConnectCallback): Promise<PoolClient> | void {
    const connecting = this.#connectIn(currentTenant());
    if (callback === undefined) return connecting;
    void this.#handOver(connecting, callback);
  }

  /** For who asked with a callback, as the pool's own `query` does. */
  async #handOver(connecting: Promise<PoolClient>, callback: ConnectCallback): Promise<void> {
    let client: PoolClient;
    try {
      client = await connecting;
    } catch (error) {
      callback(error instanceof Error ? error : new Error(String(error)), undefined, () => undefined);
      return;
    }
    callback(undefined, client, (release) => client.release(release));
  }

  async #connectIn(tenantId: TenantId | null): Promise<PoolClient> {
    const client = await super.connect();
    try {
      await enter(client, tenantId);
      return client;
    } catch (error) {
      client.release(true);
      throw error;
    }
  }
}
