import { hostname } from 'node:os';
import type { BudgetGate } from '#domain/budget-gate';
import { LeasingBudgetGate } from '#domain/leasing-budget-gate';
import type { ConfigurationChanges } from '#domain/ports';
import type { PriceTerms } from '#domain/price-event';
import { createBudgetLeases } from '#postgres/budget-leases';
import type { Database } from '#postgres/database';
import type { ProcessContext } from './connections.ts';
import { createSystemMint, systemClock } from './system.ts';

const SWEEP_INTERVAL_MS = 1_000;

/** The budgets of one process; what it has leased and not held is given back when it is closed. */
export const openBudgetGate = (
  { logger, resources }: ProcessContext,
  deps: {
    role: string;
    database: Database;
    prices: { current: () => PriceTerms };
    configurationChanges: ConfigurationChanges;
  },
): Promise<BudgetGate> =>
  resources.open(
    `the budgets of ${deps.role}`,
    () => {
      const gate = new LeasingBudgetGate({
        leases: createBudgetLeases(deps.database),
        pricesOf: (tenantId, { provider, model }) => {
          const { book, rates } = deps.prices.current();
          const atMs = systemClock.nowMs();
          return {
            listed: book.ratesOf(provider, model, atMs),
            agreed: rates.aimedAt({ tenantId, provider, model, atMs }),
          };
        },
        configurationChanges: deps.configurationChanges,
        clock: systemClock,
        mint: createSystemMint(),
        logger,
        owner: `${deps.role} ${process.pid} on ${hostname()}`,
      });
      const sweeping = setInterval(() => void gate.sweep(), SWEEP_INTERVAL_MS);
      return Object.assign(gate, { stopSweeping: () => clearInterval(sweeping) });
    },
    async (gate) => {
      gate.stopSweeping();
      await gate.close();
    },
  );
