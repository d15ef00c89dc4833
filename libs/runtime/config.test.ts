import { describe, expect, it } from 'vitest';
import { PROVIDER_IDS } from '#contracts/vocabulary';
import { ConfigurationError, readConfiguration, required } from './config.ts';
import { SETTINGS } from './settings.ts';

const faultsOf = (read: () => unknown): readonly string[] => {
  try {
    read();
  } catch (error) {
    if (error instanceof ConfigurationError) return error.faults;
    throw error;
  }
  return [];
};

const masterKey = Buffer.alloc(32, 7).toString('base64');

describe('readConfiguration', () => {
  it('reads values and falls back to defaults where a variable is unset, empty or blank', () => {
    const settings = {
      port: SETTINGS.port,
      host: SETTINGS.host,
      providers: SETTINGS.workerProviders,
      healthPort: SETTINGS.healthPort,
      allowPrivateUpstreams: SETTINGS.allowPrivateUpstreams,
    };
    expect(readConfiguration(settings, {})).toEqual({
      port: 8080,
      host: '127.0.0.1',
      providers: [...PROVIDER_IDS],
      healthPort: null,
      allowPrivateUpstreams: false,
    });
    const env = {
      FLO2_PORT: '9000',
      FLO2_HOST: ' ',
      FLO2_HEALTH_PORT: '',
      FLO2_WORKER_PROVIDERS: 'anthropic, anthropic',
      FLO2_ALLOW_PRIVATE_UPSTREAMS: 'true',
    };
    expect(readConfiguration(settings, env)).toEqual({
      port: 9000,
      host: '127.0.0.1',
      providers: ['anthropic'],
      healthPort: null,
      allowPrivateUpstreams: true,
    });
  });

  it('names every fault at once, with what is wrong and what is expected', () => {
    const settings = {
      port: SETTINGS.port,
      logLevel: SETTINGS.logLevel,
      databaseUrl: required(SETTINGS.databaseUrl),
    };
    expect(faultsOf(() => readConfiguration(settings, { FLO2_PORT: '80a', LOG_LEVEL: 'loud' }))).toEqual([
      'FLO2_PORT is "80a"; expected a whole number from 0 to 65535.',
      'LOG_LEVEL is "loud"; expected fatal, error, warn, info, debug, trace or silent.',
      'DATABASE_URL is not set; expected a URL such as postgres://user:password@host:5432/database.',
    ]);
  });

  it('never repeats a secret', () => {
    const settings = {
      databaseUrl: required(SETTINGS.databaseUrl),
      adminKey: required(SETTINGS.adminKey),
      masterKey: required(SETTINGS.masterKey),
      openaiApiKey: SETTINGS.openaiApiKey,
    };
    const env = {
      DATABASE_URL: 'mysql://root:hunter2@db/app',
      FLO2_ADMIN_KEY: 'hunter2',
      FLO2_MASTER_KEY: 'hunter2hunter2',
      OPENAI_API_KEY: 'hunter2 hunter2',
    };
    const faults = faultsOf(() => readConfiguration(settings, env));
    expect(faults).toHaveLength(4);
    expect(faults.join()).not.toContain('hunter2');
    expect(faults[2]).toBe(
      'FLO2_MASTER_KEY has a wrong value (14 characters, not shown); expected base64 of 32 bytes, as "openssl rand -base64 32" prints it.',
    );
  });

  it.each([
    ['FLO2_PORT', SETTINGS.port, ['0', '65535'], ['-1', '65536', '1e3', '80.5', '0x50']],
    [
      'FLO2_MASTER_KEY',
      SETTINGS.masterKey,
      [masterKey],
      [masterKey.slice(4), `${masterKey}=`, 'x'.repeat(44)],
    ],
    [
      'DATABASE_URL',
      SETTINGS.databaseUrl,
      ['postgres://db/x', 'postgresql://u:p@db:5432/x'],
      ['db/x', 'http://db', 'nats://db'],
    ],
    [
      'NATS_URL',
      SETTINGS.natsUrl,
      ['nats://a:4222', 'tls://u:p@a', 'nats://a,nats://b'],
      ['a:4222', 'http://a', 'nats://a,'],
    ],
    ['FLO2_WORKER_PROVIDERS', SETTINGS.workerProviders, ['openai'], ['openai,', 'cohere', ',']],
    ['FLO2_ALLOW_PRIVATE_UPSTREAMS', SETTINGS.allowPrivateUpstreams, ['true', 'off', '1'], ['maybe', '2']],
    ['FLO2_HOST', SETTINGS.host, ['::', '0.0.0.0', 'gateway.internal'], ['http://a', 'a b']],
  ])('takes for %s what is expected and refuses the rest', (variable, setting, taken, refused) => {
    const read = (text: string) => faultsOf(() => readConfiguration({ setting }, { [variable]: text }));
    for (const text of taken) expect([text, read(text)]).toEqual([text, []]);
    for (const text of refused) expect([text, read(text).length]).toEqual([text, 1]);
  });

  it('shortens a long value', () => {
    const [fault] = faultsOf(() =>
      readConfiguration({ port: SETTINGS.port }, { FLO2_PORT: '9'.repeat(500) }),
    );
    expect(fault).toContain('(500 characters)');
    expect(fault?.length).toBeLessThan(200);
  });
});
