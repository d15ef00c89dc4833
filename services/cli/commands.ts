import type { Command } from './command.ts';
import { health } from './commands/health.ts';

/** Every command, in the order in which help shows them. */
export const COMMANDS: readonly Command[] = [health];
