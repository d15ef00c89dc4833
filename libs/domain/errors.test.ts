import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import {
  decodeWireError,
  encodeWireError,
  ERROR_CATALOGUE,
  FloError,
  isErrorCode,
  type ErrorCode,
} from './errors.ts';

describe('the error catalogue', () => {
  it('is the one that docs/errors.md shows', async () => {
    const document = await readFile(new URL('../../docs/errors.md', import.meta.url), 'utf8');
    const rows = document
      .split('\n')
      .filter((line) => line.startsWith('| `'))
      .map((line) =>
        line
          .slice(1, -1)
          .split('|')
          .map((cell) => cell.trim()),
      );
    expect(rows).toEqual(
      Object.entries(ERROR_CATALOGUE).map(([code, { status, blame, retry, meaning }]) => [
        `\`${code}\``,
        String(status),
        blame,
        retry,
        meaning,
      ]),
    );
  });

  it('knows its own codes and no names of objects', () => {
    expect(isErrorCode('queue_full')).toBe(true);
    expect(isErrorCode('toString')).toBe(false);
  });
});

describe('an error on the wire', () => {
  it.each(Object.keys(ERROR_CATALOGUE) as ErrorCode[])('carries %s there and back', (code) => {
    const error = new FloError(code, 'what to change', {
      param: 'model',
      retryAfterMs: 1_500,
      upstreamStatus: 429,
    });
    const decoded = decodeWireError(encodeWireError(error));
    expect(decoded).toMatchObject({ code, message: 'what to change', param: 'model' });
    expect(decoded).toMatchObject({ retryAfterMs: 1_500, upstreamStatus: 429, status: error.status });
  });

  it('leaves its cause at home', () => {
    const error = new FloError('internal', 'flo2 failed.', { cause: new Error('a secret') });
    expect(JSON.stringify(encodeWireError(error))).not.toContain('secret');
  });

  it('is internal where its code is of a newer flo2', () => {
    const wire = { ...encodeWireError(new FloError('timeout', 'late')), code: 'not_yet_known' };
    expect(decodeWireError(wire).code).toBe('internal');
  });
});
