import { expect, it } from 'vitest';
import type { DispatchHeader } from '#contracts/dispatch';
import { FloError } from '#domain/errors';
import { attemptEventOf, seededMint } from '#test/support/attempt-events';
import type { AnswerSink, Verdict } from './attempt-ports.ts';
import { endWithoutCall } from './end-without-call.ts';

const attemptId = seededMint(7, 1_000).mint('att');
const event = attemptEventOf();

const end = async (verdict: Verdict, onWon?: () => void): Promise<string[]> => {
  const did: string[] = [];
  const header = {
    plan: {
      steps: [{ provider: 'openai', model: 'm', providerKeyIds: [event.providerKeyId] }],
      maxAttempts: 3,
      attemptTimeoutMs: null,
    },
    step: 0,
    firstAttempt: 2,
  } as unknown as DispatchHeader;
  const sink: AnswerSink = {
    head: () => did.push('head'),
    data: () => did.push('data'),
    end: () => did.push('end'),
    answer: () => did.push('answer'),
    handOver: () => did.push('hand over'),
    fail: (error) => did.push(`fail ${error.code}`),
  };
  await endWithoutCall(
    {
      dispatch: { header, body: new Uint8Array() },
      deliveries: 6,
      done: () => did.push('done'),
      retryLater: () => did.push('later'),
      bury: () => Promise.resolve(),
    },
    {
      gate: { win: ({ attemptNumber }) => (did.push(`win ${attemptNumber}`), Promise.resolve(verdict)) },
      uncalled: () => 0,
      openSink: () => sink,
      body: new Uint8Array(),
      close: () => undefined,
    },
    new FloError('deadline_exceeded', 'Too late.'),
    ...(onWon === undefined ? [] : [() => void (onWon(), did.push('disposed'))]),
  );
  return did;
};

it('tells the owner of a request whose attempt it has won, and takes the message off the queue', async () => {
  expect(await end({ kind: 'won', attemptId })).toEqual(['win 2', 'done', 'fail deadline_exceeded']);
});

it('lets the caller dispose of the message otherwise', async () => {
  expect(await end({ kind: 'won', attemptId }, () => undefined)).toEqual([
    'win 2',
    'disposed',
    'fail deadline_exceeded',
  ]);
});

it("drops what is another's, and leaves what nobody answers for", async () => {
  expect(await end({ kind: 'lost' })).toEqual(['win 2', 'done']);
  expect(await end({ kind: 'silent' })).toEqual(['win 2']);
});
