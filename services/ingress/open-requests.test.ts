import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { DispatchHeader } from '#contracts/dispatch';
import { IdMint } from '#domain/mint-id';
import { surfaceOf } from '#surfaces/registry';
import { dispatchHeaderOf } from '#test/support/dispatch-headers';
import type { AnswerTarget } from './answer-target.ts';
import { AnswerWriter } from './answer-writer.ts';
import { OpenRequests } from './open-requests.ts';

const clock = { nowMs: () => Date.now() };
const mint = new IdMint({ ...clock, fillRandom: (bytes) => crypto.getRandomValues(bytes) });
const providerKeyId = mint.mint('pkey');
const WORKER = 'worker-1';

let open: OpenRequests;
let published: unknown[];
let written: string;

/** One request whose only attempt a worker has just won. */
const openGranted = (): DispatchHeader => {
  const header = dispatchHeaderOf({
    lane: 'interactive',
    ingressId: 'ingress-1',
    workItem: null,
    admittedAtMs: clock.nowMs(),
    deadlineAtMs: clock.nowMs() + 60_000,
  });
  const target: AnswerTarget = {
    destroyed: false,
    headersSent: false,
    writableEnded: false,
    writableFinished: true,
    writableNeedDrain: false,
    writeHead: () => undefined,
    write: () => undefined,
    end: (data) => void (written = String(data ?? '')),
    destroy: () => undefined,
    once: () => undefined,
  };
  open.open(header, new AnswerWriter(target, surfaceOf('openai-chat'), header.requestId), {
    onSettled: () => undefined,
    onClosed: () => undefined,
  });
  open.grant({
    requestId: header.requestId,
    step: 0,
    attemptNumber: 1,
    attemptId: mint.mint('att'),
    workerId: WORKER,
    provider: 'openai',
    model: 'gpt-4o-mini',
    providerKeyId,
    willCall: true,
  });
  return header;
};

beforeEach(() => {
  vi.useFakeTimers();
  published = [];
  written = '';
  open = new OpenRequests({
    clock,
    events: { publish: (event) => void published.push(event), flushed: () => Promise.resolve() },
    keepAliveMs: 15_000,
  });
  open.start({ control: () => undefined, close: () => Promise.resolve() });
});

afterEach(() => {
  open.stop();
  vi.useRealTimers();
});

describe('a request whose worker says nothing', () => {
  it('is ended as of unknown outcome once the worker has missed three heartbeats, and reported as lost', () => {
    openGranted();
    vi.advanceTimersByTime(3_000);
    expect(open.size).toBe(1);
    vi.advanceTimersByTime(1_000);
    expect(open.size).toBe(0);
    expect(written).toContain('outcome_unknown');
    expect(published).toHaveLength(1);
  });

  it('is kept for as long as the worker is heard', () => {
    const { requestId } = openGranted();
    for (let second = 0; second < 10; second += 1) {
      vi.advanceTimersByTime(1_000);
      open.beat({ workerId: WORKER, requestIds: [requestId] });
    }
    expect(open.size).toBe(1);
  });

  it('is not given up because this process was held up itself, and could hear nobody', () => {
    const { requestId } = openGranted();
    // Ten seconds pass in which nothing of this process runs; then its timers are due before its sockets.
    vi.setSystemTime(Date.now() + 10_000);
    vi.advanceTimersByTime(500);
    expect(open.size).toBe(1);
    open.beat({ workerId: WORKER, requestIds: [requestId] });
    vi.advanceTimersByTime(3_000);
    expect(open.size).toBe(1);
  });
});
