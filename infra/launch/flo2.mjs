#!/usr/bin/env node
/** `npx flo2 …`: the command line, on the project's own Node whatever the machine has. */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ensureInstalled } from './install.mjs';
import { findProjectNode } from './project-node.mjs';
import { runAttached } from './run.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));

try {
  await ensureInstalled(root, { withDevelopment: false });
  const node = await findProjectNode(root);
  const program = join(root, 'services', 'cli', 'main.ts');
  process.exitCode = await runAttached(node, [program, ...process.argv.slice(2)], {
    cwd: process.cwd(),
    env: process.env,
  });
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
