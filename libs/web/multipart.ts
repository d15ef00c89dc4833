import type { IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { Busboy, type BusboyInstance } from '@fastify/busboy';
import { FloError } from '#domain/errors';

export type MultipartLimits = { fileBytesMax: number; fieldsMax: number; fieldBytesMax: number };

export type MultipartForm = {
  /** Fields by name; the last of a name counts. */
  fields: ReadonlyMap<string, string>;
  /** The one file, as it was named; null where none came. */
  filename: string | null;
};

const malformed = (cause: unknown): FloError =>
  new FloError('invalid_request', 'The body is not a form: send multipart/form-data as clients do.', {
    cause,
  });

/**
 * Reads a form with one file, whose bytes go to `onFile` as they come; fields may stand before or after it.
 * `onFile` is awaited, and no more is read until it is done with what it has; where the form breaks off, what
 * it reads rejects. Rejects with `FloError`.
 */
export const readMultipart = async (
  request: Readable & Pick<IncomingMessage, 'headers'>,
  limits: MultipartLimits,
  onFile: (chunks: AsyncIterable<Uint8Array>) => Promise<void>,
): Promise<MultipartForm> => {
  const contentType = request.headers['content-type'];
  if (contentType === undefined || !/^multipart\/form-data/i.test(contentType)) {
    throw malformed(undefined);
  }
  const fields = new Map<string, string>();
  let filename: string | null = null;
  let file: Readable | null = null;
  let taken: Promise<void> | null = null;
  let refusal: FloError | null = null;
  let parser: BusboyInstance;
  try {
    parser = new Busboy({
      headers: { ...request.headers, 'content-type': contentType },
      // A file is what is called one, whatever its type.
      isPartAFile: (fieldName) => fieldName === 'file',
      limits: {
        files: 1,
        fileSize: limits.fileBytesMax,
        fields: limits.fieldsMax,
        fieldSize: limits.fieldBytesMax,
        fieldNameSize: 200,
        headerPairs: 50,
      },
    });
  } catch (error) {
    throw malformed(error);
  }
  parser.on('filesLimit', () => {
    refusal ??= new FloError('invalid_request', 'file: send one, and no more.', { param: 'file' });
  });
  parser.on('field', (name: string, value: string, _nameTruncated: boolean, valueTruncated: boolean) => {
    if (valueTruncated) refusal ??= new FloError('invalid_request', `${name}: is too long.`, { param: name });
    fields.set(name, value);
  });
  parser.on('fieldsLimit', () => {
    refusal ??= new FloError('invalid_request', `The form has more than ${limits.fieldsMax} fields.`);
  });
  parser.on('file', (_name, stream, named) => {
    filename = named === undefined || named === '' ? 'file' : named;
    file = stream;
    // A form that breaks off says so here too, maybe before anybody reads: it is told below, and to the reader.
    stream.on('error', () => undefined);
    stream.once('limit', () => {
      refusal ??= new FloError('too_large', `The file is over ${limits.fileBytesMax} bytes.`, {
        param: 'file',
      });
    });
    // Whoever takes it may give up in the middle: the rest is read on for nobody, and must not hold the parser.
    taken = onFile({ [Symbol.asyncIterator]: () => stream.iterator({ destroyOnReturn: false }) });
    // What it rejects with is told below.
    taken.catch(() => stream.resume());
  });
  try {
    await pipeline(request, parser);
  } catch (error) {
    // A parser that is given up leaves its file open: whoever reads it would wait for ever.
    (file as Readable | null)?.destroy(malformed(error));
    await (taken as Promise<void> | null)?.catch(() => undefined);
    throw refusal ?? malformed(error);
  }
  await (taken as Promise<void> | null);
  if (refusal !== null) throw refusal as FloError;
  return { fields, filename };
};
