import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from '#domain/ports';
import type { Service } from '#runtime/service';

/** Something done now and then. A failure is told, and tried again at the next turn. */
export type Chore = { name: string; everyMs: number; run: (signal: AbortSignal) => Promise<void> };

const repeat = async (chore: Chore, logger: Logger, signal: AbortSignal): Promise<void> => {
  while (!signal.aborted) {
    try {
      await chore.run(signal);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      if (!signal.aborted) logger.warn({ chore: chore.name, reason }, 'a chore of the ledger failed');
    }
    await sleep(chore.everyMs, undefined, { signal, ref: false }).catch(() => undefined);
  }
};

/** The chores beside the recording, each in a loop of its own. */
export const createUpkeep = (chores: readonly Chore[], logger: Logger): Service => {
  let running: { stopping: AbortController; finished: Promise<unknown> } | null = null;
  return {
    name: 'ledger upkeep',
    start: async () => {
      if (running !== null) return;
      const stopping = new AbortController();
      const loops = chores.map((chore) => repeat(chore, logger, stopping.signal));
      running = { stopping, finished: Promise.all(loops) };
    },
    stop: async () => {
      running?.stopping.abort();
      await running?.finished;
      running = null;
    },
    ready: () => true,
  };
};
