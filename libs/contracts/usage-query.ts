import { z } from 'zod';
import { TAG_KEY_LENGTH_MAX, LABEL_LENGTH_MAX } from './attribution.ts';
import { tenantId } from './ids.ts';
import { timeZone } from './time-zone.ts';

/** What usage can be grouped and filtered by, besides `tag:<name>`. `status` is the attempt's outcome. */
export const USAGE_DIMENSIONS = [
  'tenant',
  'team',
  'feature',
  'user',
  'api_key',
  'provider_key',
  'provider',
  'model',
  'route',
  'lane',
  'surface',
  'status',
] as const;
export type UsageDimension = (typeof USAGE_DIMENSIONS)[number];
export type TagDimension = `tag:${string}`;

export const USAGE_GRANULARITIES = ['minute', 'hour', 'day', 'month', 'total'] as const;
export type UsageGranularity = (typeof USAGE_GRANULARITIES)[number];

const GROUP_BY_MAX = 8;
export const FILTER_VALUES_MAX = 100;
export const USAGE_PAGE_DEFAULT = 1_000;
export const USAGE_PAGE_MAX = 10_000;

const isTag = (text: string): text is TagDimension =>
  text.startsWith('tag:') && text.length > 4 && text.length <= 4 + TAG_KEY_LENGTH_MAX && !text.includes('\0');

const DIMENSION_ERROR = `must be one of ${USAGE_DIMENSIONS.join(', ')} or tag:<name>`;
export const dimension = z.union(
  [z.enum(USAGE_DIMENSIONS), z.custom<TagDimension>((value) => typeof value === 'string' && isTag(value))],
  { error: DIMENSION_ERROR },
);
export type Dimension = z.infer<typeof dimension>;

export const instant = z.iso.datetime({
  offset: true,
  error: 'must be an RFC 3339 time like 2026-01-31T00:00:00Z',
});

export const filterValue = z
  .string()
  .max(LABEL_LENGTH_MAX)
  .refine((text) => !text.includes('\0') && text.isWellFormed(), 'must be text without NUL');

/** `POST /api/v1/usage/query`. */
export const usageQuery = z
  .strictObject({
    tenant: tenantId.optional(),
    from: instant,
    /** Exclusive. */
    to: instant,
    time_zone: timeZone.default('UTC'),
    granularity: z.enum(USAGE_GRANULARITIES).default('total'),
    group_by: z
      .array(dimension)
      .max(GROUP_BY_MAX)
      .refine((list) => new Set(list).size === list.length, 'must not name a dimension twice')
      .default([]),
    /** Values of one dimension are alternatives; null stands for events without a value. */
    filters: z
      .partialRecord(dimension, z.array(filterValue.nullable()).min(1).max(FILTER_VALUES_MAX), {
        error: (issue) => (issue.code === 'invalid_key' ? DIMENSION_ERROR : undefined),
      })
      .refine((filters) => Object.keys(filters).length <= GROUP_BY_MAX, `at most ${GROUP_BY_MAX} dimensions`)
      .default({}),
    cost_basis: z.enum(['contracted', 'list']).default('contracted'),
    /** Only what was recorded by then: the same answer as was given then. */
    as_of: instant.optional(),
    limit: z.int().min(1).max(USAGE_PAGE_MAX).default(USAGE_PAGE_DEFAULT),
    cursor: z.string().max(1_024).optional(),
  })
  .refine((query) => Date.parse(query.from) < Date.parse(query.to), {
    path: ['to'],
    error: 'must be later than from',
  });
export type UsageQuery = z.infer<typeof usageQuery>;
