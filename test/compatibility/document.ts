/** docs/compatibility.md, made of what the translators do. */
import { SURFACE_IDS, type SurfaceId } from '#contracts/vocabulary';
import { surfaceOf } from '#surfaces/registry';
import { BASE, CHAT_DIALECTS, CHAT_FEATURES } from './features.ts';
import { COLUMNS, probe, type Outcome } from './probe.ts';

const SYMBOLS: Readonly<Record<Exclude<Outcome, 'silent'>, string>> = {
  passed: '=',
  translated: '✓',
  told: '○',
  refused: '✗',
  impossible: '✗✗',
  none: '–',
};

const symbolOf = (outcome: Outcome, what: string, mayBeUsual = false): string => {
  if (outcome !== 'silent') return SYMBOLS[outcome];
  if (mayBeUsual) return SYMBOLS.translated;
  throw new Error(`${what} is dropped in silence`);
};

const table = (header: readonly string[], rows: readonly (readonly string[])[]): string[] => {
  const widths = header.map((title, column) =>
    Math.max(title.length, 3, ...rows.map((row) => row[column]?.length ?? 0)),
  );
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`;
  return [line(header), `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`, ...rows.map(line)];
};

const NAMES = COLUMNS.map(({ name }) => name);

const chatTable = (surface: (typeof CHAT_DIALECTS)[number]): string[] =>
  table(
    ['', ...NAMES],
    CHAT_FEATURES.flatMap((feature) => {
      const fields = feature[surface];
      if (fields === undefined) return [];
      const smallest = BASE[surface];
      const base = { ...smallest, ...feature.beyond?.[surface] };
      return [
        [
          feature.name,
          ...COLUMNS.map((column) =>
            symbolOf(
              probe(surface, column, base, { ...smallest, ...fields }),
              `"${feature.name}" of ${surface} to ${column.name}`,
              feature.mayBeUsual,
            ),
          ),
        ],
      ];
    }),
  );

const PLAIN: Readonly<Partial<Record<SurfaceId, { base: object; asked: object }>>> = {
  'openai-embeddings': {
    base: { model: 'm', input: 'one' },
    asked: { model: 'm', input: ['one', 'two'], dimensions: 8 },
  },
  'gemini-embed-content': {
    base: { content: { parts: [{ text: 'one' }] } },
    asked: { content: { parts: [{ text: 'two' }] }, outputDimensionality: 8 },
  },
  'openai-count-tokens': {
    base: { model: 'm', input: 'one' },
    asked: { model: 'm', input: 'two' },
  },
  'anthropic-count-tokens': {
    base: { model: 'm', messages: [{ role: 'user', content: 'one' }] },
    asked: { model: 'm', messages: [{ role: 'user', content: 'two' }] },
  },
  'gemini-count-tokens': {
    base: { contents: [{ role: 'user', parts: [{ text: 'one' }] }] },
    asked: { contents: [{ role: 'user', parts: [{ text: 'two' }] }] },
  },
};

const plainTable = (): string[] =>
  table(
    ['', ...NAMES],
    SURFACE_IDS.filter((id) => surfaceOf(id).operation !== 'chat').map((surface) => {
      const plain = PLAIN[surface];
      if (plain === undefined) throw new Error(`there is nothing to ask ${surface} for`);
      return [
        surface,
        ...COLUMNS.map((column) =>
          symbolOf(
            probe(surface, column, { ...plain.base }, { ...plain.asked }),
            `${surface} to ${column.name}`,
          ),
        ),
      ];
    }),
  );

const TITLES: Readonly<Record<(typeof CHAT_DIALECTS)[number], string>> = {
  'openai-chat': 'OpenAI Chat Completions',
  'openai-responses': 'OpenAI Responses',
  'anthropic-messages': 'Anthropic Messages',
  'gemini-generate-content': 'Gemini generateContent',
};

export const writeCompatibility = (): string =>
  [
    '# Compatibility',
    '',
    '<!-- Made by `npm run generate-compatibility` of what the translators do; a test holds the two together. -->',
    '',
    'Any client dialect to any provider. One table for each dialect; a row is something that a client can ask for in it, a column where its model is.',
    '',
    ...table(
      ['', 'what becomes of it'],
      [
        [
          '=',
          'the provider speaks the dialect: the client’s bytes go through, fields that flo2 does not know too',
        ],
        ['✓', 'said in the provider’s own words, or what it does anyway'],
        ['○', 'changes no answer: left out, and named in `x-flo2-dropped-params`'],
        [
          '✗',
          'refused by the field’s name; left out and named where the client sends `x-flo2-drop-params: true`',
        ],
        ['✗✗', 'refused by the field’s name in any case'],
        ['–', 'the provider has no such endpoint'],
      ],
    ),
    '',
    'Nothing is dropped in silence: where a table could not say so, it would not be made. What goes through is judged by the provider itself, and so are values that a model does not take. `openai_compatible` is a server of which nothing more is known; those behind it are [known by their host or the key’s `dialect`](providers.md). The table is made with a model of each that reasons, where it has one.',
    '',
    ...CHAT_DIALECTS.flatMap((surface) => [`## ${TITLES[surface]}`, '', ...chatTable(surface), '']),
    '## Embeddings and counts of tokens',
    '',
    ...plainTable(),
    '',
    '## What else to know',
    '',
    '- Thoughts are sealed by their provider. Given back to it they go along; to another provider they are left out, with their seals.',
    '- A Mistral model that thinks answers an OpenAI client with a list of chunks for `content`, as Mistral’s own API does: the bytes go through.',
    '- The client libraries that are tried against every provider stand in [test/e2e/sdk-matrix.test.ts](../test/e2e/sdk-matrix.test.ts).',
    '',
  ].join('\n');
