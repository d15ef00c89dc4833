import { z } from 'zod';
import { tenantId } from './ids.ts';
import { dimension, FILTER_VALUES_MAX, filterValue, instant, type Dimension } from './usage-query.ts';

export const EXPORT_FORMATS = ['csv', 'ndjson', 'focus'] as const;
export type ExportFormat = (typeof EXPORT_FORMATS)[number];

const named = z
  .object({
    format: z.enum(EXPORT_FORMATS),
    tenant: tenantId.optional(),
    from: instant,
    /** Exclusive. */
    to: instant,
    /** Only what was recorded by then: the same file as was given then. */
    as_of: instant.optional(),
  })
  .refine((query) => Date.parse(query.from) < Date.parse(query.to), {
    path: ['to'],
    error: 'must be later than from',
  });

const NAMED = new Set(['format', 'tenant', 'from', 'to', 'as_of']);
const filterValues = z
  .union([z.string(), z.array(z.string())])
  .transform((value) => (Array.isArray(value) ? value : [value]))
  .pipe(z.array(filterValue).max(FILTER_VALUES_MAX));

/**
 * The query of `GET /api/v1/usage/export`. Beside the named fields every dimension is a filter and may come
 * several times: `&team=search&team=mail&tag:env=prod`.
 */
export const usageExport = z.record(z.string(), z.unknown()).transform((raw, context) => {
  const base = named.safeParse(Object.fromEntries(Object.entries(raw).filter(([name]) => NAMED.has(name))));
  if (!base.success) {
    for (const issue of base.error.issues) context.addIssue({ ...issue, code: 'custom' });
    return z.NEVER;
  }
  const filters: Partial<Record<Dimension, string[]>> = {};
  for (const [name, value] of Object.entries(raw)) {
    if (NAMED.has(name)) continue;
    const key = dimension.safeParse(name);
    const values = filterValues.safeParse(value);
    if (!key.success) {
      context.addIssue({ code: 'custom', path: [name], message: 'is no dimension to filter by' });
      return z.NEVER;
    }
    if (!values.success) {
      const [issue] = values.error.issues;
      context.addIssue({ code: 'custom', path: [name], message: issue?.message ?? 'is no list of texts' });
      return z.NEVER;
    }
    filters[key.data] = values.data;
  }
  return { ...base.data, filters };
});
export type UsageExport = z.infer<typeof usageExport>;
