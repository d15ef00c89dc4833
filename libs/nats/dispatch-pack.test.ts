import { describe, expect, it } from 'vitest';
import type { DispatchHeader } from '#contracts/dispatch';
import { IdMint } from '#domain/mint-id';
import { decodeEnvelope, encodeEnvelope } from './envelope.ts';
import { packDispatches, unpackDispatches } from './dispatch-pack.ts';

const mint = new IdMint({ nowMs: () => 1, fillRandom: (bytes) => crypto.getRandomValues(bytes) });
const [tenantId, apiKeyId, keyId] = [mint.mint('ten'), mint.mint('akey'), mint.mint('pkey')];

const headerOf = (changes: Partial<DispatchHeader> = {}): DispatchHeader => ({
  version: 1,
  requestId: mint.mint('req'),
  tenantId,
  apiKeyId,
  lane: 'batch',
  surface: 'openai-chat',
  stream: false,
  streamFraming: 'sse',
  dropInexpressible: false,
  requestedModel: 'openai/gpt-4o-mini',
  route: null,
  attribution: { tags: {} },
  forwardedHeaders: {},
  plan: {
    steps: [{ provider: 'openai', model: 'gpt-4o-mini', providerKeyIds: [keyId] }],
    maxAttempts: 3,
    attemptTimeoutMs: 1_000,
  },
  holds: [],
  step: 0,
  reservation: null,
  firstAttempt: 1,
  ingressId: null,
  workItem: { id: mint.mint('job'), round: 1 },
  admittedAtMs: 1,
  deadlineAtMs: 2,
  ...changes,
});

/** As they come out of the messages. */
const travel = (headers: readonly DispatchHeader[], size: number): DispatchHeader[][] =>
  packDispatches(headers, size).map(({ header }) =>
    unpackDispatches(decodeEnvelope(encodeEnvelope(header)).header),
  );

describe('dispatches that travel together', () => {
  it('come out as they were, in their order, whatever differs between them', () => {
    const headers = [
      headerOf({ holds: [{ budgetId: mint.mint('bud'), leaseId: 'a', amountPicoUsd: '7' }] }),
      headerOf({ attribution: { team: 'search', tags: { a: '1' } }, firstAttempt: 4 }),
      headerOf({ route: 'fast', deadlineAtMs: 9, forwardedHeaders: { 'openai-beta': 'x' } }),
    ];
    expect(travel(headers, 8)).toEqual([headers]);
  });

  it('are no more to a message than they may be', () => {
    const headers = Array.from({ length: 7 }, () => headerOf());
    expect(travel(headers, 3).map((group) => group.length)).toEqual([3, 3, 1]);
    expect(travel(headers, 1).map((group) => group.length)).toEqual([1, 1, 1, 1, 1, 1, 1]);
  });

  it('do not take on a field that they lack', () => {
    const { reservation: _, ...lacking } = headerOf();
    const headers = [headerOf(), lacking];
    expect(travel(headers, 8)).toEqual([[headers[0]], [lacking]]);
  });

  it('tell what they share once', () => {
    const headers = Array.from({ length: 8 }, () => headerOf());
    const [pack] = packDispatches(headers, 8);
    const alone = JSON.stringify(headers[0]).length;
    expect(JSON.stringify(pack?.header).length).toBeLessThan(alone * 3);
  });
});
