import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { findNatsServer } from './nats-server-program.ts';

describe('findNatsServer', () => {
  let directory: string;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'nats-server-program-'));
    vi.stubEnv('PATH', directory);
  });
  afterEach(async () => {
    vi.unstubAllEnvs();
    await rm(directory, { recursive: true, force: true });
  });

  /** A program that does nothing but tell its version. */
  const write = async (name: string, version: string): Promise<string> => {
    const path = join(directory, name);
    await writeFile(path, `#!/bin/sh\necho "nats-server: v${version}"\n`);
    await chmod(path, 0o755);
    return path;
  };

  it('uses the one it is told to, and nothing else', async () => {
    await write('nats-server', '2.14.5');
    const explicitPath = await write('mine', '2.11.0');
    expect(await findNatsServer({ explicitPath })).toEqual({ path: explicitPath, version: [2, 11, 0] });
    const old = await write('old', '2.9.10');
    await expect(findNatsServer({ explicitPath: old })).rejects.toThrow(
      /FLO2_NATS_SERVER names .*old, which is version 2\.9\.10: give the path of a nats-server 2\.10\.0 or newer/,
    );
    await expect(findNatsServer({ explicitPath: '/no/such' })).rejects.toThrow('which cannot be run');
  });
  it('finds the one on PATH', async () => {
    const path = await write('nats-server', '2.10.27');
    expect(await findNatsServer({ cacheDir: directory })).toEqual({ path, version: [2, 10, 27] });
  });
  it('passes over an old one on PATH and takes the newest of the cache', async () => {
    await write('nats-server', '2.9.10');
    await write('nats-server-2.9.9', '2.9.9');
    await write('nats-server-2.14.5', '2.14.5');
    const path = await write('nats-server-2.15.1', '2.15.1');
    expect(await findNatsServer({ cacheDir: directory })).toEqual({ path, version: [2, 15, 1] });
  });
});
