import { RefusedRequest } from '../provider.ts';
import type { Failure, PlainEndpoint } from '../provider.ts';

const CREATED_S = 1_721_172_741;

type ModelsOptions = {
  isOwn: (model: string) => boolean;
  ownedBy: string;
  notFound: (model: string) => Failure;
  /** More fields of a model. */
  fields?: (model: string) => Record<string, unknown>;
};

/** `GET /models` and, where the address names one, `GET /models/{id}`. */
export const modelsEndpoint = ({ isOwn, ownedBy, notFound, fields }: ModelsOptions): PlainEndpoint => ({
  operation: 'models',
  readRequest: (_, { model: asked }) => ({
    model: null,
    inputTokens: null,
    encode: ({ models }) => {
      const own = models
        .filter(isOwn)
        .map((id) => ({ id, object: 'model', created: CREATED_S, owned_by: ownedBy, ...fields?.(id) }));
      if (asked === null) return `${JSON.stringify({ object: 'list', data: own }, null, 2)}\n`;
      const found = own.find(({ id }) => id === asked);
      if (found === undefined) throw new RefusedRequest(notFound(asked));
      return `${JSON.stringify(found, null, 2)}\n`;
    },
  }),
});
