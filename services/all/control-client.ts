/** Calls the control plane of this very process as its administrator, the way any client would. */
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';

export type ControlClient = {
  /** Rejects with the control plane's own message when the answer is not a success. */
  call: <Answer>(method: Method, path: string, schema: z.ZodType<Answer>, body?: object) => Promise<Answer>;
  /** The first entry of a list that fits, over all its pages; null when there is none. */
  find: <Entry>(
    path: string,
    schema: z.ZodType<Entry>,
    fits: (entry: Entry) => boolean,
  ) => Promise<Entry | null>;
};

type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

const refusal = z.object({ error: z.object({ message: z.string() }) });

export const createControlClient = (app: FastifyInstance, adminKey: string): ControlClient => {
  const call: ControlClient['call'] = async (method, path, schema, body) => {
    const answer = await app.inject({
      method,
      url: `/api/v1${path}`,
      headers: { authorization: `Bearer ${adminKey}` },
      ...(body === undefined ? {} : { payload: body }),
    });
    const json: unknown = answer.body === '' ? null : answer.json();
    if (answer.statusCode >= 300) {
      const message = refusal.safeParse(json).data?.error.message ?? 'no reason given';
      throw new Error(`${method} /api/v1${path} was answered ${answer.statusCode}: ${message}`);
    }
    return schema.parse(json);
  };
  return {
    call,
    find: async (path, schema, fits) => {
      const page = z.object({ data: z.array(schema), next_cursor: z.string().nullish() });
      let cursor: string | null | undefined;
      do {
        const query = cursor === undefined || cursor === null ? '' : `?cursor=${encodeURIComponent(cursor)}`;
        const listed = await call('GET', `${path}${query}`, page);
        const found = listed.data.find(fits);
        if (found !== undefined) return found;
        cursor = listed.next_cursor;
      } while (cursor !== null && cursor !== undefined);
      return null;
    },
  };
};
