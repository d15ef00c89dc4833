import { connect } from '@nats-io/transport-node';
import { jetstreamManager } from '@nats-io/jetstream';
import { Client } from 'pg';
import { expect, it } from 'vitest';
import { createDatabase, startNats } from '#test/support/services';

it('gives each caller a migrated database of its own', async () => {
  const [one, other] = await Promise.all([createDatabase(), createDatabase()]);
  expect(one.url).not.toBe(other.url);
  for (const { url, drop } of [one, other]) {
    const client = new Client({ connectionString: url });
    await client.connect();
    const tenants = await client.query('select count(*)::int as count from tenant');
    expect(tenants.rows).toEqual([{ count: 0 }]);
    await client.end();
    await drop();
    await expect(new Client({ connectionString: url }).connect()).rejects.toThrow('does not exist');
  }
});

it('gives each caller a nats-server of its own with JetStream', async () => {
  const servers = await Promise.all([startNats(), startNats()]);
  for (const { url, stop } of servers) {
    const { host, username, password } = new URL(url);
    const connection = await connect({ servers: host, user: username, pass: password });
    const manager = await jetstreamManager(connection);
    await manager.streams.add({ name: 'ONE', subjects: ['one'] });
    expect((await manager.getAccountInfo()).streams).toBe(1);
    await connection.close();
    await stop();
    await expect(connect({ servers: host, user: username, pass: password })).rejects.toThrow();
  }
});
