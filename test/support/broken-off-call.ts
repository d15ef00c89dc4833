import { expect, vi } from 'vitest';
import type { Stack } from './stack.ts';

/**
 * Waits until the call to the provider that came after the first `before` is broken off, and until the ledger
 * has it as cancelled.
 */
export const expectBrokenOff = async (stack: Stack, before: number): Promise<void> => {
  const attemptId = await vi.waitFor(
    () => {
      const call = stack.simulator.log.attempts[before];
      expect(call?.outcome).toBe('aborted');
      return call?.attemptId ?? '';
    },
    { timeout: 15_000 },
  );
  await vi.waitFor(
    async () => {
      const { rows } = await stack.ledgerOutcomes(attemptId);
      expect(rows).toEqual([{ outcome: 'cancelled' }]);
    },
    { timeout: 15_000 },
  );
};
