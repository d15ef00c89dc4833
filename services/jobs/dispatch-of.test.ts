import { expect, it } from 'vitest';
import { presumedLostEvent } from '#domain/attempt-report';
import { workClaim } from '#domain/work-ports';
import type { OrphanedItem } from '#postgres/work-recovery';
import { seededMint } from '#test/support/attempt-events';
import { CHAT_OPTIONS } from '#test/support/work-options';
import { lostDispatch } from './dispatch-of.ts';

const mint = seededMint(5, 1_000);
const holds = [{ budgetId: mint.mint('bud'), leaseId: 'lease', amountPicoUsd: '825', windowStartMs: 0 }];

const orphan = (claim: object): OrphanedItem => ({
  id: mint.mint('job'),
  tenantId: mint.mint('ten'),
  apiKeyId: mint.mint('akey'),
  lane: 'async',
  surface: 'openai-chat',
  requestedModel: 'openai/gpt-4o-mini',
  attempts: 1,
  claim: workClaim.parse({
    attemptId: mint.mint('att'),
    step: 0,
    provider: 'openai',
    model: 'gpt-4o-mini',
    providerKeyId: mint.mint('pkey'),
    route: null,
    claimedAtMs: 2_000,
    ...claim,
  }),
  options: CHAT_OPTIONS,
  createdAtMs: 1_000,
  deadlineAtMs: 9_000,
  onUnknown: 'repeat',
  possibleDuplicateCharge: false,
  cancelRequested: false,
});

it('tells the ledger what the attempt of a lost worker held, as its claim says', () => {
  const { header, grant } = lostDispatch(orphan({ holds }));
  expect(presumedLostEvent(header, grant, { grantedAtMs: 2_000, nowMs: 3_000 }).holds).toEqual(holds);
});

it('takes a claim that says nothing of budgets for one that held nothing', () => {
  expect(lostDispatch(orphan({})).header.holds).toEqual([]);
});
