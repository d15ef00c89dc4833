import type { z } from 'zod';

type Issue = z.core.$ZodIssue;

/**
 * The one issue a provider would speak of. Inside a union that is the issue of the branch whose outer
 * shape fits (an array of parts with a bad part, not "expected a string").
 */
export const leadingIssue = (issues: readonly Issue[], base: PropertyKey[] = []): Issue => {
  const first = issues[0];
  if (first === undefined) throw new Error('a failed validation without an issue');
  const path = [...base, ...first.path];
  if (first.code === 'invalid_union') {
    const fitting = first.errors.find((branch) => (branch[0]?.path.length ?? 0) > 0);
    if (fitting !== undefined) return leadingIssue(fitting, path);
  }
  return { ...first, path };
};

/** The value at a path of the request. */
export const valueAt = (body: unknown, path: readonly PropertyKey[]): unknown =>
  path.reduce<unknown>(
    (value, key) => (typeof value === 'object' && value !== null ? Reflect.get(value, key) : undefined),
    body,
  );
