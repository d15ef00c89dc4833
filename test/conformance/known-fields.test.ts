/**
 * Every field that the official libraries know of a request, to every provider of another dialect: it is said in
 * the provider's words, refused by its name, or left out and named. The names come from the libraries' own
 * types, so that a field they gain must be looked at.
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { BASE, type ChatDialect } from '#test/compatibility/features';
import { COLUMNS, probe } from '#test/compatibility/probe';
import { KNOWN_FIELDS, SAID_ANYWAY } from './known-fields.ts';

const require = createRequire(import.meta.url);

/** Where the fields of a dialect's request are declared: a package, a file in it and the interfaces' names. */
const DECLARED: Readonly<Record<ChatDialect, readonly [string, string, readonly string[]]>> = {
  'openai-chat': [
    'openai',
    'resources/chat/completions/completions.d.ts',
    ['ChatCompletionCreateParamsBase'],
  ],
  'openai-responses': ['openai', 'resources/responses/responses.d.ts', ['ResponseCreateParamsBase']],
  'anthropic-messages': [
    '@anthropic-ai/sdk',
    'resources/messages/messages.d.ts',
    ['MessageCreateParamsBase'],
  ],
  'gemini-generate-content': ['@google/genai', 'dist/genai.d.ts', ['GenerationConfig']],
};

const packageFolder = (name: string): string => {
  const entry = require.resolve(name);
  return entry.slice(0, entry.lastIndexOf(join('node_modules', name))) + join('node_modules', name);
};

const declaredFields = (dialect: ChatDialect): string[] => {
  const [name, file, interfaces] = DECLARED[dialect];
  const text = readFileSync(join(packageFolder(name), file), 'utf8');
  return interfaces.flatMap((each) => {
    const start = new RegExp(`interface ${each}\\b`).exec(text)?.index ?? -1;
    if (start < 0) throw new Error(`${name} declares no ${each} in ${dirname(file)}`);
    const body = text.slice(start, text.indexOf('\n}', start));
    return [...body.matchAll(/^ {4}(\w+)\??:/gm)].map(([, field = '']) => field);
  });
};

describe.each(Object.keys(KNOWN_FIELDS) as ChatDialect[])('a request in the dialect %s', (dialect) => {
  const known = KNOWN_FIELDS[dialect];

  it('has a value here for each field that its library knows', () => {
    expect(declaredFields(dialect).filter((field) => !Object.hasOwn(known, field))).toEqual([]);
  });

  it.each(COLUMNS)('loses no field in silence on its way to $name', (column) => {
    const silent = Object.entries(known)
      .filter(([field]) => SAID_ANYWAY[dialect][field] === undefined)
      .filter(
        ([, fields]) => probe(dialect, column, BASE[dialect], { ...BASE[dialect], ...fields }) === 'silent',
      )
      .map(([field]) => field);
    expect(silent).toEqual([]);
  });
});
