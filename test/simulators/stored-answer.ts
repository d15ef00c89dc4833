import type { IncomingMessage } from 'node:http';
import type { BatchAccount } from './batches/batch-room.ts';
import type { Behaviour } from './behaviour.ts';
import { pause } from './delivery.ts';
import { RefusedRequest } from './provider.ts';
import type { CallContext, Failure, SimulatedProvider, StoredEndpoint, StoredReply } from './provider.ts';

type AskedCall = {
  provider: SimulatedProvider;
  endpoint: StoredEndpoint;
  request: IncomingMessage;
  path: string;
  id: string;
  query: string;
  body: Buffer | null;
  context: CallContext;
  behaviour: Behaviour;
  account: BatchAccount;
  /** Aborted when the client has left. */
  gone: AbortSignal;
};

/** Null where no answer is to be given. What a behaviour asks for comes before the call takes effect. */
export const askStored = async (
  call: AskedCall,
): Promise<StoredReply | { failure: Failure; behaviour: Behaviour } | null> => {
  const { provider, endpoint, request, behaviour, query, body, gone, ...named } = call;
  if (behaviour.hangBeforeHeaders === true) return null;
  if (behaviour.latencyMs !== undefined && !(await pause(behaviour.latencyMs, gone))) return null;
  if (behaviour.status !== undefined)
    return { failure: provider.failureOf({ ...behaviour, status: behaviour.status }, ''), behaviour };
  const { headers } = request;
  try {
    return await endpoint.handle({
      ...named,
      provider,
      headers,
      behaviour,
      query: new URLSearchParams(query),
      body: body ?? Buffer.alloc(0),
      baseUrl: `http://${headers.host ?? ''}`,
    });
  } catch (error) {
    if (error instanceof RefusedRequest) return { failure: error.failure, behaviour: {} };
    throw error;
  }
};
