import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import {
  findDangling,
  findForbiddenImports,
  findImportCycles,
  findUnkemptFiles,
} from './architecture/room-rules.ts';
import { buildGraph, findSpecifiers, readSources } from './architecture/source-graph.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const { imports: aliases } = z
  .object({ imports: z.record(z.string(), z.string()) })
  .parse(JSON.parse(await readFile(new URL('../package.json', import.meta.url), 'utf8')));

describe('the house', async () => {
  const graph = buildGraph(await readSources(root), aliases);

  it('is read whole', () => {
    expect(graph.files.size).toBeGreaterThan(100);
    expect([...graph.imports.values()].flat().length).toBeGreaterThan(300);
  });
  it('imports in one direction, and each adapter its own driver', () => {
    expect(findForbiddenImports(graph)).toEqual([]);
  });
  it('has no cycles', () => {
    expect(findImportCycles(graph)).toEqual([]);
  });
  it('has a file behind every import', () => {
    expect(findDangling(graph)).toEqual([]);
  });
  it('has no barrels, no long files without a word why, and reads the environment in one place', () => {
    expect(findUnkemptFiles(graph)).toEqual([]);
  });
});

describe('the rules', () => {
  const graphOf = (files: Record<string, string>) =>
    buildGraph(
      Object.entries(files).map(([path, text]) => ({ path, text })),
      aliases,
    );

  it.each([
    ['libs/contracts/ids.ts', '#domain/errors'],
    ['libs/contracts/ids.ts', 'pg'],
    ['libs/domain/price.ts', '#postgres/ledger'],
    ['libs/domain/price.ts', '../postgres/ledger.ts'],
    ['libs/domain/price.ts', 'node:fs'],
    ['libs/surfaces/openai/decode.ts', '#domain/price'],
    ['libs/surfaces/openai/decode.ts', '#providers/openai/encode'],
    ['libs/providers/openai/encode.ts', '#surfaces/openai/decode'],
    ['libs/postgres/ledger.ts', '#nats/publish'],
    ['libs/postgres/ledger.ts', '@nats-io/jetstream'],
    ['libs/nats/publish.ts', 'pg'],
    ['libs/nats/publish.ts', 'pgvector'],
    ['libs/web/server.ts', 'undici'],
    ['libs/runtime/run.ts', '#services/worker/service'],
    ['libs/runtime/run.ts', 'pg'],
    ['services/worker/service.ts', '#services/ingress/service'],
    ['services/worker/service.ts', 'drizzle-orm/pg-core'],
    ['services/worker/service.ts', '@nats-io/transport-node'],
    ['services/worker/service.ts', '@pydantic/genai-prices'],
    ['services/worker/service.ts', '#test/support/services'],
    ['libs/utilities/text.ts', 'zod'],
  ])('refuse that %s imports %s', (path, specifier) => {
    const graph = graphOf({ [path]: `import { something } from '${specifier}';\n` });
    expect(findForbiddenImports(graph)).toHaveLength(1);
  });

  it.each([
    ['libs/domain/price.ts', '#contracts/ids'],
    ['libs/surfaces/openai/decode.ts', '#domain/errors'],
    ['libs/postgres/ledger.ts', 'drizzle-orm/pg-core'],
    ['libs/postgres/schema/ledger.ts', '../database.ts'],
    ['services/worker/service.ts', '#nats/publish'],
    ['services/all/service.ts', '#services/ingress/service'],
    ['services/all/demo.ts', '#test/simulators/simulator'],
    ['libs/domain/price.test.ts', '#test/support/attempt-events'],
    ['test/support/services.ts', 'pg'],
  ])('let %s import %s', (path, specifier) => {
    expect(findForbiddenImports(graphOf({ [path]: `import '${specifier}';\n` }))).toEqual([]);
  });

  it.each([
    "import { a, type B } from 'X';",
    "import type { A } from 'X';",
    "import {\n  a,\n  b,\n} from 'X';",
    "import * as nats from 'X';",
    "import nats from 'X';",
    "import nats, { a } from 'X';",
    "import 'X';",
    "export { a } from 'X';",
    "export type { A } from 'X';",
    "export * from 'X';",
    "const nats = await import('X');",
    "type A = import('X').A;",
  ])('see %s', (text) => {
    expect(
      findForbiddenImports(graphOf({ 'libs/postgres/x.ts': `${text.replace('X', '#nats/x')}\n` })),
    ).toHaveLength(1);
  });

  it('let services pass on what an adapter opened, by its type alone', () => {
    const typed = "import type { NatsConnection } from '@nats-io/transport-node';\n";
    const valued = "import { connect } from '@nats-io/transport-node';\n";
    const problemsOf = (text: string) =>
      findForbiddenImports(graphOf({ 'services/worker/service.ts': text }));
    expect(problemsOf(typed)).toEqual([]);
    expect(problemsOf(typed + valued)).toHaveLength(1);
    expect(findForbiddenImports(graphOf({ 'libs/postgres/ledger.ts': typed }))).toHaveLength(1);
  });

  it('take no text for an import, and no import for text', () => {
    expect(
      findSpecifiers({ path: 'a.ts', text: "const sql = 'select a';\n// import x from 'y';\n" }),
    ).toEqual([]);
    expect(() => findSpecifiers({ path: 'a.ts', text: 'import fs = require("fs");\n' })).toThrow(
      'a.ts: 1 import statements, of which 0 can be read',
    );
  });

  it('find cycles of files and of rooms', () => {
    const files = graphOf({
      'libs/domain/a.ts': "import './b.ts';\n",
      'libs/domain/b.ts': "import './c.ts';\n",
      'libs/domain/c.ts': "import './a.ts';\n",
    });
    expect(findImportCycles(files)).toEqual([
      'cycle: libs/domain/a.ts → libs/domain/b.ts → libs/domain/c.ts → libs/domain/a.ts',
    ]);
    const rooms = graphOf({
      'services/worker/a.ts': "import '#services/ingress/b';\n",
      'services/ingress/c.ts': "import '#services/worker/d';\n",
    });
    expect(findImportCycles(rooms)).toEqual(['cycle: services/worker → services/ingress → services/worker']);
  });

  it('find an alias and a path that lead nowhere', () => {
    const graph = graphOf({
      'libs/domain/a.ts': "import '#contracts/b';\nimport '#nowhere/c';\nimport './d.ts';\n",
    });
    expect(findDangling(graph)).toHaveLength(3);
  });

  it.each([
    ['a barrel', 'libs/domain/all.ts', "/** All. */\nexport * from './a.ts';\nexport { b } from './b.ts';\n"],
    ['an index', 'libs/domain/index.ts', 'export const a = 1;\n'],
    ['a room for anything', 'libs/domain/utils.ts', 'export const a = 1;\n'],
    ['a long file', 'libs/domain/long.ts', 'export const a = 1;\n'.repeat(301)],
    ['a setting read in passing', 'services/worker/a.ts', "const a = process.env['A'];\n"],
    ['a setting of an embedded server', 'libs/embedded/a.ts', "const a = process.env['FLO2_A'];\n"],
  ])('refuse %s', (_, path, text) => {
    expect(findUnkemptFiles(graphOf({ [path]: text }))).toHaveLength(1);
  });

  it.each([
    ['a long file that says why', 'libs/domain/long.ts', `/** A table. */\n${'// a\n'.repeat(301)}`],
    ['the configuration', 'libs/runtime/config.ts', "const a = process.env['A'];\n"],
    ["the programs' environment", 'libs/embedded/a.ts', 'spawn(a, { env: { ...process.env } });\n'],
  ])('let %s be', (_, path, text) => {
    expect(findUnkemptFiles(graphOf({ [path]: text }))).toEqual([]);
  });
});
