/** The composed fixtures: what each provider answers, and what clients of each dialect ask. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import type { FinishReason } from '#contracts/inference';
import { compatibleDialect, surfaceId, type SurfaceId } from '#contracts/vocabulary';

const FOLDER = fileURLToPath(new URL('./fixtures', import.meta.url));

const FINISH_REASONS = [
  'stop',
  'stop_sequence',
  'length',
  'tool_calls',
  'content_filter',
] as const satisfies readonly FinishReason[];

const metaSchema = z.strictObject({
  status: z.int(),
  headers: z.record(z.string(), z.string()),
  expect: z.strictObject({
    finishReason: z.enum(FINISH_REASONS).optional(),
    text: z.string().optional(),
    calls: z.array(z.strictObject({ name: z.string(), arguments: z.unknown() })).optional(),
    tokens: z.record(z.string(), z.int()).optional(),
    vectors: z.int().optional(),
    dimensions: z.int().optional(),
    inputTokens: z.int().optional(),
    code: z.string().optional(),
  }),
});
export type FixtureMeta = z.infer<typeof metaSchema>;

/** `api` is the dialect of the wire, or `errors`. */
export type Fixture = { name: string; api: SurfaceId | 'errors'; meta: FixtureMeta; body: Buffer };

/** The first line of a file says what it is, the rest is the body. */
const readFixture = (folder: string, api: Fixture['api'], file: string): Fixture => {
  const bytes = readFileSync(join(folder, file));
  const lineEnd = bytes.indexOf(10);
  return {
    name: file.replace('.fixture', ''),
    api,
    meta: metaSchema.parse(JSON.parse(bytes.toString('utf8', 0, lineEnd))),
    body: bytes.subarray(lineEnd + 1),
  };
};

const foldersOf = (folder: string): string[] => {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
};

const readAll = (folder: string): Fixture[] =>
  foldersOf(folder).flatMap((api) => {
    const own = api === 'errors' ? 'errors' : surfaceId.safeParse(api).data;
    if (own === undefined) return [];
    const inner = join(folder, api);
    return readdirSync(inner).map((file) => readFixture(inner, own, file));
  });

export type FixtureSource = {
  /** As a key of it says the dialect; null for a provider without any. */
  dialect: z.infer<typeof compatibleDialect> | null;
  fixtures: readonly Fixture[];
};

/** A provider's fixtures, by the servers it has; empty where nobody has composed any. */
export const fixturesOf = (provider: string): readonly FixtureSource[] => {
  const folder = join(FOLDER, provider);
  const own = { dialect: null, fixtures: readAll(folder) };
  const servers = foldersOf(folder).flatMap((name) => {
    const dialect = compatibleDialect.safeParse(name).data;
    return dialect === undefined ? [] : [{ dialect, fixtures: readAll(join(folder, name)) }];
  });
  return [own, ...servers].filter(({ fixtures }) => fixtures.length > 0);
};

export type ClientRequestFixture = { surface: SurfaceId; name: string; body: Buffer };

/** Requests as the official client libraries write them. */
export const clientRequests = (): ClientRequestFixture[] =>
  readdirSync(join(FOLDER, 'requests')).flatMap((name) => {
    const surface = surfaceId.parse(name);
    return readdirSync(join(FOLDER, 'requests', name)).map((file) => ({
      surface,
      name: file.replace('.json', ''),
      body: readFileSync(join(FOLDER, 'requests', name, file)),
    }));
  });
