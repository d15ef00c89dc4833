import { z } from 'zod';
import type { BatchRoom } from './batch-room.ts';

const selection = { id: z.string().exactOptional(), provider: z.string().exactOptional() };
const command = z.discriminatedUnion('do', [
  z.strictObject({ do: z.literal('advance'), ...selection, lines: z.int().nonnegative().exactOptional() }),
  z.strictObject({ do: z.literal('expire'), ...selection }),
  z.strictObject({ do: z.literal('fail'), ...selection }),
]);

/** Batches as seen and moved from outside, where the simulator is a process of its own. */
export const batchControl = {
  list: (batches: BatchRoom) =>
    batches.all().map(({ id, provider, phase, end, facts, counts }) => ({
      id,
      provider: provider.id,
      phase,
      end,
      ...facts,
      counts,
    })),

  /** Lines are answered after this has returned. Throws for what is no command. */
  obey: (batches: BatchRoom, value: unknown): Record<string, unknown> => {
    const { do: act, ...asked } = command.parse(value);
    switch (act) {
      case 'advance':
        void batches.advance(asked);
        break;
      case 'expire':
        batches.expire(asked);
        break;
      case 'fail':
        batches.fail(asked);
        break;
    }
    return { batches: batches.all(asked).length };
  },
};
