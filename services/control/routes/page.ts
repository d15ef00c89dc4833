import type { FastifyRequest } from 'fastify';
import { z } from 'zod';
import { listQuery } from '#contracts/control-plane';
import { decodeCursor, encodeCursor, invalidInput } from './list-input.ts';

const position = z
  .string()
  .max(256)
  .refine((text) => !text.includes('\0'));

/** The body of a request as its schema has it; throws `FloError` `invalid_request` naming the field. */
export const readBody = <Schema extends z.ZodType>(
  schema: Schema,
  request: FastifyRequest,
): z.output<Schema> => {
  const parsed = schema.safeParse(request.body ?? {});
  if (!parsed.success) throw invalidInput(parsed.error);
  return parsed.data;
};

export const readPage = (request: FastifyRequest): { limit: number; after: string | null } => {
  const parsed = listQuery.safeParse(request.query);
  if (!parsed.success) throw invalidInput(parsed.error);
  const { limit, cursor } = parsed.data;
  return { limit, after: cursor === undefined ? null : decodeCursor(position, cursor) };
};

/** `rows`: one more than the limit, where there is one. */
export const encodePage = <Row>(
  rows: readonly Row[],
  limit: number,
  encode: (row: Row) => unknown,
  positionOf: (row: Row) => string,
) => {
  const page = rows.slice(0, limit);
  const last = page.at(-1);
  const hasMore = rows.length > limit;
  return {
    data: page.map(encode),
    has_more: hasMore,
    next_cursor: hasMore && last !== undefined ? encodeCursor(positionOf(last)) : null,
  };
};
