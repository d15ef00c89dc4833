import { describe, expect, it } from 'vitest';
import type { DispatchHeader } from '#contracts/dispatch';
import { IdMint } from '#domain/mint-id';
import { dispatchHeaderOf } from '#test/support/dispatch-headers';
import { decodeEnvelope, encodeEnvelope } from './envelope.ts';
import { packDispatches, unpackDispatches } from './dispatch-pack.ts';

const mint = new IdMint({ nowMs: () => 1, fillRandom: (bytes) => crypto.getRandomValues(bytes) });
/** As they come out of the messages. */
const travel = (headers: readonly DispatchHeader[], size: number): DispatchHeader[][] =>
  packDispatches(headers, size).map(({ header }) =>
    unpackDispatches(decodeEnvelope(encodeEnvelope(header)).header),
  );

describe('dispatches that travel together', () => {
  it('come out as they were, in their order, whatever differs between them', () => {
    const headers = [
      dispatchHeaderOf({ holds: [{ budgetId: mint.mint('bud'), leaseId: 'a', amountPicoUsd: '7' }] }),
      dispatchHeaderOf({ attribution: { team: 'search', tags: { a: '1' } }, firstAttempt: 4 }),
      dispatchHeaderOf({ route: 'fast', deadlineAtMs: 9, forwardedHeaders: { 'openai-beta': 'x' } }),
    ];
    expect(travel(headers, 8)).toEqual([headers]);
  });

  it('are no more to a message than they may be', () => {
    const headers = Array.from({ length: 7 }, () => dispatchHeaderOf());
    expect(travel(headers, 3).map((group) => group.length)).toEqual([3, 3, 1]);
    expect(travel(headers, 1).map((group) => group.length)).toEqual([1, 1, 1, 1, 1, 1, 1]);
  });

  it('do not take on a field that they lack', () => {
    const { reservation: _, ...lacking } = dispatchHeaderOf();
    const headers = [dispatchHeaderOf(), lacking];
    expect(travel(headers, 8)).toEqual([[headers[0]], [lacking]]);
  });

  it('tell what they share once', () => {
    const headers = Array.from({ length: 8 }, () => dispatchHeaderOf());
    const [pack] = packDispatches(headers, 8);
    const alone = JSON.stringify(headers[0]).length;
    expect(JSON.stringify(pack?.header).length).toBeLessThan(alone * 3);
  });
});
