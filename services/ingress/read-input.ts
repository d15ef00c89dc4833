import type { z } from 'zod';
import { FloError } from '#domain/errors';

const PARAM_LENGTH_MAX = 200;

/** An input as its schema has it. Throws `FloError` `invalid_request` that names the first field at fault. */
export const readInput = <Schema extends z.ZodType>(schema: Schema, input: unknown): z.output<Schema> => {
  const parsed = schema.safeParse(input ?? {});
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  if (issue === undefined) throw new FloError('invalid_request', 'The input is not valid.');
  const unknown = issue.code === 'unrecognized_keys' ? issue.keys.slice(0, 1) : [];
  const param = [...issue.path, ...unknown].join('.').slice(0, PARAM_LENGTH_MAX);
  const message = unknown.length > 0 ? 'is not a field of this request; leave it out' : issue.message;
  throw new FloError('invalid_request', param === '' ? message : `${param}: ${message}`, {
    param: param === '' ? undefined : param,
  });
};
