import { describe, expect, it } from 'vitest';
import { frameHeader, grantRequest, type FrameHeader } from '#contracts/attempt-line';
import { AttemptFence } from './attempt-fence.ts';
import { IdMint } from './mint-id.ts';

const mint = new IdMint({ nowMs: () => 1_000, fillRandom: (bytes) => crypto.getRandomValues(bytes) });
const requestId = mint.mint('req');
const providerKeyId = mint.mint('pkey');
const head = {
  status: 200,
  contentType: 'text/event-stream',
  provider: 'openai',
  model: 'm',
  upstreamRequestId: null,
  queueMs: 0,
  droppedParams: [],
};

const asking = (attemptNumber: number, step = 0, workerId = 'a') =>
  grantRequest.parse({
    requestId,
    step,
    attemptNumber,
    attemptId: mint.mint('att'),
    workerId,
    provider: 'openai',
    model: 'm',
    providerKeyId,
  });

const frame = (attemptNumber: number, sequence: number, rest: object): FrameHeader =>
  frameHeader.parse({ requestId, attemptNumber, sequence, ...rest });

describe('AttemptFence', () => {
  it('grants the first attempt once, whoever else asks', () => {
    const fence = new AttemptFence();
    expect(fence.grant(asking(1))).toEqual({ granted: true });
    expect(fence.grant(asking(1, 0, 'b'))).toEqual({ granted: false, reason: 'stale' });
  });

  it('gives the same answer to the same question, for a reply may be lost', () => {
    const fence = new AttemptFence();
    const first = asking(1);
    fence.grant(first);
    expect(fence.grant(first)).toEqual({ granted: true });
    expect(fence.attempts).toBe(1);
  });

  it('grants no number out of order', () => {
    const fence = new AttemptFence();
    expect(fence.grant(asking(2)).granted).toBe(false);
    fence.grant(asking(1));
    expect(fence.grant(asking(3)).granted).toBe(false);
    expect(fence.grant(asking(2)).granted).toBe(true);
  });

  it('lets only the running worker try the same step again', () => {
    const fence = new AttemptFence();
    fence.grant(asking(1, 0, 'a'));
    expect(fence.grant(asking(2, 0, 'b')).granted).toBe(false);
    expect(fence.grant(asking(2, 0, 'a')).granted).toBe(true);
  });

  it('grants a later step to another worker before and after the hand-over is seen, and no earlier step', () => {
    const before = new AttemptFence();
    before.grant(asking(1, 0, 'a'));
    expect(before.grant(asking(2, 1, 'b')).granted).toBe(true);
    expect(before.accept(frame(1, 0, { kind: 'hand_over', step: 1 }))).toBe('drop');

    const after = new AttemptFence();
    after.grant(asking(1, 0, 'a'));
    expect(after.accept(frame(1, 0, { kind: 'hand_over', step: 1 }))).toBe('take');
    expect(after.running).toBeNull();
    expect(after.grant(asking(2, 0, 'a')).granted).toBe(false);
    expect(after.grant(asking(2, 1, 'b')).granted).toBe(true);
  });

  it('grants nothing once the head of an answer is out', () => {
    const fence = new AttemptFence();
    fence.grant(asking(1));
    expect(fence.accept(frame(1, 0, { kind: 'head', head }))).toBe('take');
    expect(fence.grant(asking(2)).granted).toBe(false);
    expect(fence.grant(asking(2, 1, 'b')).granted).toBe(false);
  });

  it('drops frames of any attempt but the running one, and repeated ones', () => {
    const fence = new AttemptFence();
    expect(fence.accept(frame(1, 0, { kind: 'head', head }))).toBe('drop');
    fence.grant(asking(1));
    fence.grant(asking(2));
    expect(fence.accept(frame(1, 0, { kind: 'head', head }))).toBe('drop');
    expect(fence.accept(frame(2, 0, { kind: 'head', head }))).toBe('take');
    expect(fence.accept(frame(2, 0, { kind: 'head', head }))).toBe('drop');
  });

  it('sees a gap', () => {
    const fence = new AttemptFence();
    fence.grant(asking(1));
    fence.accept(frame(1, 0, { kind: 'head', head }));
    expect(fence.accept(frame(1, 2, { kind: 'data' }))).toBe('gap');
  });

  it('is closed by an end, and then grants and takes nothing', () => {
    for (const last of [
      { kind: 'answer', head },
      { kind: 'end' },
      {
        kind: 'fail',
        error: { code: 'server', message: '', param: null, retryAfterMs: null, upstreamStatus: 500 },
        upstreamRequestId: null,
      },
    ]) {
      const fence = new AttemptFence();
      fence.grant(asking(1));
      expect(fence.accept(frame(1, 0, last))).toBe('take');
      expect(fence.closed).toBe(true);
      expect(fence.grant(asking(2))).toEqual({ granted: false, reason: 'gone' });
      expect(fence.accept(frame(1, 1, { kind: 'data' }))).toBe('drop');
    }
  });
});
