import { FloError } from '#domain/errors';
import type { z } from 'zod';

/** A position in a list as opaque text. */
export const encodeCursor = (position: unknown): string =>
  Buffer.from(JSON.stringify(position)).toString('base64url');

/** Throws `invalid_request` for a cursor that is not one of ours. */
export const decodeCursor = <Schema extends z.ZodType>(schema: Schema, cursor: string): z.infer<Schema> => {
  try {
    return schema.parse(JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8')));
  } catch (cause) {
    throw new FloError(
      'invalid_request',
      'The cursor is not one from next_cursor; leave it out to start over.',
      {
        param: 'cursor',
        cause,
      },
    );
  }
};

const PARAM_LENGTH_MAX = 200;

/** The first thing wrong with an input, naming the field in the client's own terms. */
export const invalidInput = (error: z.ZodError): FloError => {
  const [issue] = error.issues;
  if (issue === undefined) return new FloError('invalid_request', 'The input is not valid.');
  const unknown = issue.code === 'unrecognized_keys' ? issue.keys.slice(0, 1) : [];
  const param = [...issue.path, ...unknown].join('.').slice(0, PARAM_LENGTH_MAX);
  const message = unknown.length > 0 ? 'is not a field of this request; leave it out' : issue.message;
  return new FloError('invalid_request', param === '' ? message : `${param}: ${message}`, {
    param: param === '' ? undefined : param,
  });
};
