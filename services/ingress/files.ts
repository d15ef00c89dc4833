import { Readable } from 'node:stream';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { fileFields, fileListQuery, FILE_BYTES_MAX, FILENAME_LENGTH_MAX } from '#contracts/batch';
import { fileId, type FileId, type TenantId } from '#contracts/ids';
import { FloError } from '#domain/errors';
import type { IdMint } from '#domain/mint-id';
import type { PayloadSeal } from '#domain/work-ports';
import type { BatchStore } from '#postgres/batches';
import type { FileStore, StoredFile } from '#postgres/files';
import { encodeOpenaiLine, readEndedLines } from '#runtime/batch-file';
import { readMultipart, type MultipartForm } from '#web/multipart';
import { authenticate, type AdmissionDeps } from './admission.ts';
import { readInput } from './read-input.ts';

export type FileRouteDeps = {
  admission: Pick<AdmissionDeps, 'directory' | 'clock'>;
  files: FileStore;
  batches: BatchStore;
  seal: PayloadSeal;
  mint: IdMint;
};

const FIELDS_MAX = 10;
const FIELD_BYTES_MAX = 4_096;

const seconds = (instant: Date): number => Math.floor(instant.getTime() / 1_000);

const encodeFile = (file: StoredFile) => ({
  id: file.id,
  object: 'file',
  bytes: file.bytes ?? 0,
  created_at: seconds(file.createdAt),
  expires_at: file.expiresAt === null ? null : seconds(file.expiresAt),
  filename: file.filename,
  purpose: file.purpose,
  status: 'processed',
  status_details: null,
});

/** `expires_after[anchor]` is a field of a field. */
const readFields = ({ fields }: MultipartForm) => {
  const flat: Record<string, unknown> = {};
  const expiresAfter: Record<string, string> = {};
  for (const [name, value] of fields) {
    const nested = /^expires_after\[(\w+)\]$/.exec(name)?.[1];
    if (nested === undefined) flat[name] = value;
    else expiresAfter[nested] = value;
  }
  if (Object.keys(expiresAfter).length > 0) flat['expires_after'] = expiresAfter;
  return readInput(fileFields, flat);
};

/** `/v1/files` in OpenAI's dialect. */
export const registerFileRoutes = (app: FastifyInstance, deps: FileRouteDeps): void => {
  const { admission, files, batches, seal, mint } = deps;

  const requireFile = async (tenantId: TenantId, request: FastifyRequest): Promise<StoredFile> => {
    const id = fileId.safeParse((request.params as { id: string }).id);
    const file = id.success ? await files.find(tenantId, id.data) : null;
    if (file === null) throw new FloError('route_not_found', 'No such File object.', { param: 'id' });
    return file;
  };

  const contentOf = (file: StoredFile): AsyncIterable<Buffer> => {
    if (file.batchId === null) return files.read(file.tenantId, file.id);
    const kind = file.filename.endsWith('_error.jsonl') ? 'unanswered' : 'answered';
    const batch = { id: file.batchId, tenantId: file.tenantId };
    return readEndedLines({ batches, seal }, batch, kind, encodeOpenaiLine);
  };

  const upload = async (tenantId: TenantId, id: FileId, request: FastifyRequest): Promise<StoredFile> => {
    let bytes = 0;
    const limits = { fileBytesMax: FILE_BYTES_MAX, fieldsMax: FIELDS_MAX, fieldBytesMax: FIELD_BYTES_MAX };
    const form = await readMultipart(request.raw, limits, async (chunks) => {
      bytes = await files.write(tenantId, id, chunks);
    });
    if (form.filename === null) {
      throw new FloError('invalid_request', 'file: is missing; send one as a part of the form.', {
        param: 'file',
      });
    }
    const { purpose, expires_after: expiresAfter } = readFields(form);
    const createdAtMs = admission.clock.nowMs();
    return files.finish({
      id,
      tenantId,
      purpose,
      filename: form.filename.slice(0, FILENAME_LENGTH_MAX),
      bytes,
      createdAt: new Date(createdAtMs),
      expiresAt: expiresAfter === undefined ? null : new Date(createdAtMs + expiresAfter.seconds * 1_000),
    });
  };

  app.register(async (scope) => {
    // The body is read as it comes, by whoever it is for.
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser('*', (_request, _payload, done) => done(null));
    const options = { bodyLimit: FILE_BYTES_MAX + 1024 * 1024, config: { isUpload: true } };
    scope.post('/v1/files', options, async (request) => {
      const { tenantId } = await authenticate(admission, request.headers, 'batch');
      const id = mint.mint('file');
      try {
        return encodeFile(await upload(tenantId, id, request));
      } catch (error) {
        await files.drop(tenantId, id).catch(() => false);
        throw error;
      }
    });
  });

  app.get('/v1/files', async (request) => {
    const { tenantId } = await authenticate(admission, request.headers, 'batch');
    const { after, limit, order, purpose } = readInput(fileListQuery, request.query);
    const rows = await files.list(tenantId, {
      after: after ?? null,
      limit: limit + 1,
      order,
      purpose: purpose ?? null,
    });
    const page = rows.slice(0, limit);
    return {
      object: 'list',
      data: page.map(encodeFile),
      first_id: page[0]?.id ?? null,
      last_id: page.at(-1)?.id ?? null,
      has_more: rows.length > limit,
    };
  });

  app.get('/v1/files/:id', async (request) => {
    const { tenantId } = await authenticate(admission, request.headers, 'batch');
    return encodeFile(await requireFile(tenantId, request));
  });

  app.get('/v1/files/:id/content', async (request, reply) => {
    const { tenantId } = await authenticate(admission, request.headers, 'batch');
    const file = await requireFile(tenantId, request);
    const content = Readable.from(contentOf(file), { objectMode: false });
    return reply.header('content-type', 'application/octet-stream').send(content);
  });

  app.delete('/v1/files/:id', async (request) => {
    const { tenantId } = await authenticate(admission, request.headers, 'batch');
    const { id } = await requireFile(tenantId, request);
    return { id, object: 'file', deleted: await files.drop(tenantId, id) };
  });
};
