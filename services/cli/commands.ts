import type { Command } from './command.ts';
import { batchResults, cancelBatch, submitBatch, watchBatch } from './commands/batch.ts';
import {
  listDeadLetters,
  purgeDeadLetters,
  replayDeadLetter,
  showDeadLetter,
} from './commands/dead-letters.ts';
import { health } from './commands/health.ts';
import {
  listPriceProposals,
  listUnpriced,
  promotePriceProposal,
  rejectPriceProposal,
} from './commands/prices.ts';
import { tail } from './commands/tail.ts';

/** Every command, in the order in which help shows them. */
export const COMMANDS: readonly Command[] = [
  health,
  tail,
  submitBatch,
  watchBatch,
  batchResults,
  cancelBatch,
  listDeadLetters,
  showDeadLetter,
  replayDeadLetter,
  purgeDeadLetters,
  listPriceProposals,
  promotePriceProposal,
  rejectPriceProposal,
  listUnpriced,
];
