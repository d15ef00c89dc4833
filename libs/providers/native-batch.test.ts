import { describe, expect, it } from 'vitest';
import { FloError } from '#domain/errors';
import { nativeBatchOf } from './native-batch-registry.ts';
import { wasNotMade } from './native-batch.ts';

describe('a batch that could not be made', () => {
  it.each([
    [new FloError('connection', 'refused'), true],
    [new FloError('invalid_request', 'no such model', { upstreamStatus: 400 }), true],
    [new FloError('quota', 'too many enqueued tokens', { upstreamStatus: 429 }), true],
    [new FloError('server', 'failed', { upstreamStatus: 503 }), false],
    [new FloError('cut_stream', 'broke off'), false],
    [new FloError('timeout', 'took too long'), false],
    [new FloError('malformed_answer', 'unreadable'), false],
  ])('is certain of what was never made: %s → %s', (error, expected) => {
    expect(wasNotMade(error)).toBe(expected);
  });

  it('is never asked of a provider without a batch API', () => {
    expect(nativeBatchOf('openrouter')).toBeNull();
  });
});
