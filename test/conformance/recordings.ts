/** Recorded answers of real providers, read where they lie: `FLO2_WIRE_RECORDINGS` names the folder. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import type { ProviderAddress } from '#providers/registry';

const folder = process.env['FLO2_WIRE_RECORDINGS'];

export const RECORDINGS_ARE_THERE = folder !== undefined && folder !== '';

const count = z.number().default(0);
const expectedUsage = z.object({
  input_uncached: count,
  cache_read: count,
  cache_write_5m: count,
  cache_write_1h: count,
  cache_write_other: count,
  output: count,
  reasoning: count,
  other: z.record(z.string(), z.unknown()).default({}),
});
export type ExpectedUsage = z.infer<typeof expectedUsage>;

const metaSchema = z.object({
  status: z.number().nullable(),
  headers: z.record(z.string(), z.string()),
  request: z.object({ path: z.string().optional() }).optional(),
  /** Of one answer, or of each answer in the file. */
  expect: z.union([z.object({ lines: z.array(expectedUsage.nullable()) }), expectedUsage]).nullish(),
});

export type Recording = {
  /** `openai/chat` */
  api: string;
  name: string;
  file: string;
  status: number | null;
  headers: Record<string, string>;
  /** Where it was asked for; empty where the source did not keep it. */
  path: string;
  /** One for each answer in the file; null for one without usage. */
  expected: (ExpectedUsage | null)[];
  body: Buffer;
};

/** Every recording of one API of a provider; none where the folder is not named. */
export const readRecordings = (api: string): Recording[] => {
  if (!RECORDINGS_ARE_THERE) return [];
  const directory = join(folder ?? '', api);
  return readdirSync(directory)
    .filter((file) => !file.endsWith('.meta.json'))
    .map((file) => {
      const name = file.replace(/\.[^.]+$/, '');
      const meta = metaSchema.parse(JSON.parse(readFileSync(join(directory, `${name}.meta.json`), 'utf8')));
      const { status, headers, request, expect } = meta;
      const expected =
        expect !== undefined && expect !== null && 'lines' in expect ? expect.lines : [expect ?? null];
      return {
        api,
        name,
        file,
        status,
        headers,
        path: request?.path ?? '',
        expected,
        body: readFileSync(join(directory, file)),
      };
    });
};

/** Every API there are recordings of: `openai/chat`. */
export const listRecordedApis = (): string[] =>
  RECORDINGS_ARE_THERE
    ? readdirSync(folder ?? '', { withFileTypes: true })
        .filter((entry) => entry.isDirectory())
        .flatMap(({ name }) => readdirSync(join(folder ?? '', name)).map((api) => `${name}/${api}`))
    : [];

export const readIndex = (): string => readFileSync(join(folder ?? '', 'INDEX.md'), 'utf8');

const compatible = (baseUrl: string): ProviderAddress => ({
  provider: 'openai_compatible',
  baseUrl,
  dialect: null,
});
const own = (provider: ProviderAddress['provider']): ProviderAddress => ({
  provider,
  baseUrl: null,
  dialect: null,
});

/** Which provider at which address each folder was recorded of. */
export const RECORDED_ADDRESSES: Readonly<Record<string, ProviderAddress>> = {
  openai: own('openai'),
  anthropic: own('anthropic'),
  google: own('google'),
  mistral: own('mistral'),
  groq: own('groq'),
  openrouter: own('openrouter'),
  azure: compatible('https://example.openai.azure.com/openai/v1'),
  deepseek: compatible('https://api.deepseek.com/v1'),
  xai: compatible('https://api.x.ai/v1'),
  ollama: compatible('http://127.0.0.1:11434/v1'),
  vllm: { ...compatible('http://127.0.0.1:8000/v1'), dialect: 'vllm' },
  llamacpp: compatible('http://127.0.0.1:8080/v1'),
  compat: compatible('https://example.com/v1'),
};
