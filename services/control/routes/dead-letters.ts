import type { FastifyInstance, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { FloError } from '#domain/errors';
import type { DeadLetterStore, StoredDeadLetter } from '#nats/dead-letter-store';
import { requireRoot } from '../authorization.ts';
import { decodeCursor, invalidInput } from './list-input.ts';
import { encodePage } from './page.ts';
import type { Authorize } from './usage-authorization.ts';

export type DeadLetterRouteDependencies = { authorize: Authorize; deadLetters: DeadLetterStore };

const PREFIX = 'dead_';
const stream = z.string().regex(/^[A-Z_]{1,32}$/, 'must be the name of a stream, such as REQ_I');
const listQuery = z.strictObject({
  stream: stream.optional(),
  limit: z.coerce.number().int().min(1).max(100).default(20),
  cursor: z.string().max(256).optional(),
});
const showQuery = z.strictObject({ payload: z.enum(['true', 'false']).default('false') });
const purgeQuery = z.strictObject({ stream: stream.optional(), all: z.literal('true').optional() });
const position = z.string().regex(/^\d{1,15}$/);

const encodeLetter = ({ sequence, letter }: StoredDeadLetter) => ({
  id: `${PREFIX}${sequence}`,
  reason: letter.reason,
  explanation: letter.explanation,
  stream: letter.stream,
  subject: letter.subject,
  deliveries: letter.deliveries,
  tenant_id: letter.tenantId,
  size_bytes: letter.bytes,
  replayable: !letter.truncated,
  died_at: new Date(letter.diedAtMs).toISOString(),
});

const parseQuery = <Schema extends z.ZodType>(schema: Schema, request: FastifyRequest): z.output<Schema> => {
  const parsed = schema.safeParse(request.query);
  if (!parsed.success) throw invalidInput(parsed.error);
  return parsed.data;
};

const noLetter = (): FloError => new FloError('route_not_found', 'There is no such dead letter.');

const sequenceOf = (request: FastifyRequest): number => {
  const { id } = request.params as { id: string };
  if (!id.startsWith(PREFIX) || !/^\d{1,15}$/.test(id.slice(PREFIX.length))) throw noLetter();
  return Number(id.slice(PREFIX.length));
};

/** What the queue cannot be reached for is worth another try. */
const orUnavailable = async <Value>(work: Promise<Value>): Promise<Value> => {
  try {
    return await work;
  } catch (error) {
    if (error instanceof FloError) throw error;
    throw new FloError('unavailable', 'The queue cannot be reached now. Try again shortly.', {
      retryAfterMs: 1_000,
      cause: error,
    });
  }
};

/** `/api/v1/dead-letters`: with the admin key alone, since a letter may hold any tenant's prompt. */
export const registerDeadLetterRoutes = (app: FastifyInstance, deps: DeadLetterRouteDependencies): void => {
  const { authorize, deadLetters } = deps;

  const find = async (request: FastifyRequest): Promise<StoredDeadLetter> => {
    const stored = await orUnavailable(deadLetters.find(sequenceOf(request)));
    if (stored === null) throw noLetter();
    return stored;
  };

  app.get('/api/v1/dead-letters', async (request) => {
    await requireRoot(authorize, request);
    const { limit, cursor, stream: ofStream } = parseQuery(listQuery, request);
    const afterSequence = cursor === undefined ? 0 : Number(decodeCursor(position, cursor));
    const rows = await orUnavailable(
      deadLetters.list({
        afterSequence,
        limit: limit + 1,
        ...(ofStream !== undefined && { stream: ofStream }),
      }),
    );
    return encodePage(rows, limit, encodeLetter, ({ sequence }) => String(sequence));
  });

  app.get('/api/v1/dead-letters/:id', async (request) => {
    await requireRoot(authorize, request);
    const { payload } = parseQuery(showQuery, request);
    const stored = await find(request);
    // A prompt is shown to who asks for it, and not to who looks at why something failed.
    const shown = payload === 'true' && { payload_base64: Buffer.from(stored.payload).toString('base64') };
    return { ...encodeLetter(stored), ...shown };
  });

  app.post('/api/v1/dead-letters/:id/replay', async (request) => {
    await requireRoot(authorize, request);
    const stored = await find(request);
    if (stored.letter.truncated) {
      throw new FloError('conflict', 'Only its beginning was kept: it cannot be replayed.');
    }
    await orUnavailable(deadLetters.replay(stored));
    return { ...encodeLetter(stored), replayed: true };
  });

  app.delete('/api/v1/dead-letters/:id', async (request, reply) => {
    await requireRoot(authorize, request);
    if (!(await orUnavailable(deadLetters.remove(sequenceOf(request))))) throw noLetter();
    return reply.code(204).send();
  });

  app.delete('/api/v1/dead-letters', async (request) => {
    await requireRoot(authorize, request);
    const { stream: ofStream, all } = parseQuery(purgeQuery, request);
    if (ofStream === undefined && all === undefined) {
      throw new FloError('invalid_request', 'Name a stream, or say all=true.', { param: 'stream' });
    }
    return { purged: await orUnavailable(deadLetters.purge(ofStream)) };
  });
};
