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

/** The first thing wrong with an input, naming the field in the client's own terms. */
export const invalidInput = (error: z.ZodError): FloError => {
  const [issue] = error.issues;
  const param = issue?.path.join('.');
  const message = issue === undefined ? 'The input is not valid.' : issue.message;
  return new FloError('invalid_request', param ? `${param}: ${message}` : message, {
    param: param === '' ? undefined : param,
  });
};
