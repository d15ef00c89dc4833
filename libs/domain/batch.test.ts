import { describe, expect, it } from 'vitest';
import { BATCH_LINES_MAX } from '#contracts/batch';
import { BatchLineReader, lastStatusOf } from './batch.ts';
import { FloError } from './errors.ts';

const ENDPOINT = '/v1/chat/completions';
const line = (changes: Record<string, unknown> = {}): string =>
  JSON.stringify({ custom_id: 'a', method: 'POST', url: ENDPOINT, body: { model: 'm' }, ...changes });

const errorsOf = (
  lines: (string | null)[],
  check: (body: Record<string, unknown>) => void = () => undefined,
) => {
  const reader = new BatchLineReader(ENDPOINT, check);
  for (const text of lines) reader.read(text);
  reader.finish();
  return reader.errors.map(({ code, line: number, param }) => ({ code, line: number, param }));
};

describe('the lines of an input file', () => {
  it('are read, blank ones passed over', () => {
    const reader = new BatchLineReader(ENDPOINT, () => undefined);
    expect(reader.read(line())).toEqual({ number: 1, customId: 'a', body: { model: 'm' } });
    expect(reader.read('  ')).toBeNull();
    expect(reader.read(line({ custom_id: 'b' }))).toMatchObject({ number: 3, customId: 'b' });
    reader.finish();
    expect(reader.errors).toEqual([]);
    expect(reader.requests).toBe(2);
  });

  it.each([
    ['is no JSON', '{"custom_id"', { code: 'invalid_json_line', line: 1, param: null }],
    ['is too long', null, { code: 'line_too_long', line: 1, param: null }],
    [
      'has no custom_id',
      line({ custom_id: undefined }),
      { code: 'missing_required_parameter', line: 1, param: 'custom_id' },
    ],
    [
      'has no body',
      line({ body: undefined }),
      { code: 'missing_required_parameter', line: 1, param: 'body' },
    ],
    ['has another method', line({ method: 'GET' }), { code: 'invalid_method', line: 1, param: 'method' }],
    ['has another url', line({ url: '/v1/embeddings' }), { code: 'invalid_url', line: 1, param: 'url' }],
  ])('are refused where one %s', (_, text, error) => {
    expect(errorsOf([text])[0]).toEqual(error);
  });

  it('are refused by number where a custom_id comes twice', () => {
    expect(errorsOf([line(), '', line()])).toEqual([
      { code: 'duplicate_custom_id', line: 3, param: 'custom_id' },
    ]);
  });

  it('are refused with the field of the body that is at fault', () => {
    const check = (): never => {
      throw new FloError('model_not_found', 'No.', { param: 'model' });
    };
    expect(errorsOf([line()], check)).toEqual([{ code: 'model_not_found', line: 1, param: 'body.model' }]);
  });

  it('must not be none', () => {
    expect(errorsOf(['', ' '])).toEqual([{ code: 'empty_file', line: null, param: null }]);
  });

  it('must not be too many, and that is said once', () => {
    const many = Array.from({ length: BATCH_LINES_MAX + 5 }, (_, index) =>
      line({ custom_id: String(index) }),
    );
    expect(errorsOf(many)).toEqual([{ code: 'too_many_requests', line: null, param: null }]);
  });
});

it('ends as what became of it', () => {
  expect(lastStatusOf(false, { completed: 2, failed: 1 })).toBe('completed');
  expect(lastStatusOf(false, { completed: 2, expired: 1 })).toBe('expired');
  expect(lastStatusOf(true, { completed: 2, expired: 1 })).toBe('cancelled');
});
