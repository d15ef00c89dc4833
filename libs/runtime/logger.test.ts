import { describe, expect, it } from 'vitest';
import { createLogger } from './logger.ts';

const capture = (format: 'json' | 'text' = 'json') => {
  const lines: string[] = [];
  const destination = { write: (line: string) => void lines.push(line) };
  const logger = createLogger({ name: 'worker', level: 'info', format, destination });
  return { logger, lines };
};

const SECRETS = ['sk-proj-abcdefghijklmnop', 'flo2_0123456789abcdefghij', 'gsk_abcdefghijklmnop', 'hunter2'];

describe('the logger', () => {
  it('writes one JSON object a line, with role and level', () => {
    const { logger, lines } = capture();
    logger.info({ tenantId: 'ten_1' }, 'started');
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({
      level: 'info',
      role: 'worker',
      tenantId: 'ten_1',
      msg: 'started',
    });
  });

  it('leaves out keys by the name of their field and by their shape, wherever they stand', () => {
    const { logger, lines } = capture();
    logger.info(
      {
        authorization: 'hunter2',
        deep: { apiKey: 'hunter2', master_key: 'hunter2', list: [{ password: 'hunter2' }] },
        url: 'postgres://flo2:hunter2@127.0.0.1/flo2',
        text: `tried ${SECRETS[0]} and ${SECRETS[2]}`,
      },
      `the key ${SECRETS[1]} of Bearer abcdefghijkl`,
    );
    logger.error({ err: new Error(`refused ${SECRETS[0]}`, { cause: new Error(SECRETS[1]) }) }, 'failed');
    const text = lines.join('');
    for (const secret of SECRETS) expect(text).not.toContain(secret);
    expect(text).not.toContain('abcdefghijkl');
    for (const line of lines) expect(() => JSON.parse(line)).not.toThrow();
  });

  it('keeps the ids of keys and the counts of tokens', () => {
    const { logger, lines } = capture();
    logger.info(
      { apiKeyId: 'akey_1', providerKeyId: 'pkey_1', tokens: { input: 3 }, inputTokens: 4 },
      'done',
    );
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({
      apiKeyId: 'akey_1',
      providerKeyId: 'pkey_1',
      tokens: { input: 3 },
      inputTokens: 4,
    });
  });

  it('writes of an error no more than class, message, code, stack and cause', () => {
    const { logger, lines } = capture();
    const error = Object.assign(new Error('duplicate key'), {
      code: '23505',
      detail: 'a row',
      query: 'insert',
    });
    logger.error({ err: error }, 'refused');
    const { err } = JSON.parse(lines[0] ?? '') as { err: object };
    expect(Object.keys(err).sort()).toEqual(['code', 'message', 'stack', 'type']);
  });

  it('writes the cause of a failed query, and nothing of its parameters', () => {
    const { logger, lines } = capture();
    const error = Object.assign(
      new Error('Failed query: select $1\nparams: a row', { cause: new Error('why') }),
      {
        query: 'select $1',
        params: ['a row'],
      },
    );
    logger.error({ err: new Error('the store failed', { cause: error }) }, 'failed');
    expect(lines.join('')).toContain('why');
    expect(lines.join('')).not.toContain('a row');
  });

  it('survives a cycle and an endless object', () => {
    const { logger, lines } = capture();
    const cycle: Record<string, unknown> = {};
    cycle['self'] = cycle;
    logger.info({ cycle, many: Array.from({ length: 10_000 }, (_, index) => index), big: 1n }, 'odd');
    expect(lines[0]?.length).toBeLessThan(2_000);
  });

  it('writes text for a person', () => {
    const { logger, lines } = capture('text');
    logger.warn({ waitMs: 20, err: new Error('no route to host') }, 'trying again');
    expect(lines[0]).toMatch(/^\d\d:\d\d:\d\d warn {2}trying again · waitMs=20 · err=no route to host\n$/);
  });
});
