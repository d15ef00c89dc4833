import { z } from 'zod';

/** Bounds on what a caller may label a request with; past them the request is refused. */
export const TAGS_MAX = 16;
export const TAG_KEY_LENGTH_MAX = 64;
export const TAG_VALUE_LENGTH_MAX = 256;
export const LABEL_LENGTH_MAX = 256;

const label = z.string().min(1).max(LABEL_LENGTH_MAX);

export const tags = z
  .record(z.string().min(1).max(TAG_KEY_LENGTH_MAX), z.string().max(TAG_VALUE_LENGTH_MAX))
  .refine((value) => Object.keys(value).length <= TAGS_MAX, `at most ${TAGS_MAX} tags`);

/** Whom a request's cost belongs to. */
export const attribution = z.object({
  team: label.optional(),
  feature: label.optional(),
  user: label.optional(),
  tags: tags,
});
export type Attribution = z.infer<typeof attribution>;
