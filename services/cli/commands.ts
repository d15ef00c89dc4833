import type { Command } from './command.ts';
import {
  listDeadLetters,
  purgeDeadLetters,
  replayDeadLetter,
  showDeadLetter,
} from './commands/dead-letters.ts';
import { health } from './commands/health.ts';

/** Every command, in the order in which help shows them. */
export const COMMANDS: readonly Command[] = [
  health,
  listDeadLetters,
  showDeadLetter,
  replayDeadLetter,
  purgeDeadLetters,
];
