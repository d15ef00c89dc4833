import { listedModels, LISTED_MODELS_MAX, type ListedModel } from '#contracts/listed-model';
import { FloError } from '#domain/errors';
import type { ConfigurationChanges, Logger, ProviderCredential, ProviderCredentials } from '#domain/ports';
import type { UpstreamAnswer, UpstreamClient } from '#http/upstream-client';
import type { ListOwner, ModelListStore } from '#postgres/model-lists';
import { providerFor } from '#providers/registry';

/** For all pages of one list together. */
const TIMEOUT_MS = 30_000;
const PAGES_MAX = 20;
/** The longest list known, OpenRouter's, has about 1 MB. */
const PAGE_BYTES_MAX = 8 * 1024 * 1024;
const CONCURRENCY = 4;
const WAITING_MAX = 1_000;
const SCAN_INTERVAL_MS = 10 * 60_000;
const KEYS_PER_SCAN = 200;

export type ModelLists = {
  /** Asks for a key's list soon, once at a time for each. What does not come of it is asked for again later. */
  refresh: (owner: ListOwner) => void;
  stop: () => Promise<void>;
};

export type ModelListsDeps = {
  store: Pick<ModelListStore, 'claimDue' | 'save'>;
  credentials: ProviderCredentials;
  upstream: UpstreamClient;
  configurationChanges: Pick<ConfigurationChanges, 'announce'>;
  logger: Logger;
};

const readPage = async (body: UpstreamAnswer['body']): Promise<Uint8Array> => {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of body) {
    chunks.push(chunk);
    length += chunk.length;
    if (length > PAGE_BYTES_MAX) {
      throw new FloError('malformed_answer', `The list of models is over ${PAGE_BYTES_MAX} bytes.`);
    }
  }
  return Buffer.concat(chunks);
};

const readModels = async (
  upstream: UpstreamClient,
  credential: ProviderCredential,
  signal: AbortSignal,
): Promise<ListedModel[]> => {
  const provider = providerFor(credential);
  const list = provider.models;
  const models = new Map<string, ListedModel>();
  let cursor: string | null = null;
  for (let page = 0; page < PAGES_MAX && models.size < LISTED_MODELS_MAX; page += 1) {
    const answer = await upstream.send({
      method: 'GET',
      url: provider.baseUrl + list.path(cursor),
      headers: { ...list.headers, ...provider.authorize(credential.secret) },
      signal,
    });
    if (answer.status < 200 || answer.status > 299) {
      await answer.body.discard();
      throw new FloError('server', `The provider answered ${answer.status} to a request for its models.`, {
        upstreamStatus: answer.status,
      });
    }
    const { models: found, next } = list.decode(await readPage(answer.body));
    for (const model of found) models.set(model.id, model);
    if (next === null) break;
    cursor = next;
  }
  return listedModels.parse([...models.values()].slice(0, LISTED_MODELS_MAX));
};

/**
 * Keeps, until it is stopped, what the providers of the tenants' keys list for them: asked when a key is registered or changes, and
 * daily. It runs where keys may be opened; the ingress reads what is stored.
 */
export const openModelLists = (deps: ModelListsDeps): ModelLists => {
  const { store, credentials, upstream, configurationChanges, logger } = deps;
  const waiting = new Map<string, ListOwner>();
  const running = new Map<string, Promise<void>>();
  const stopped = new AbortController();

  const read = async (owner: ListOwner): Promise<void> => {
    try {
      const credential = await credentials.open(owner.tenantId, owner.providerKeyId);
      if (credential === null) return;
      const signal = AbortSignal.any([stopped.signal, AbortSignal.timeout(TIMEOUT_MS)]);
      await store.save(owner, await readModels(upstream, credential, signal));
      configurationChanges.announce({ tenantId: owner.tenantId });
    } catch (error) {
      if (!stopped.signal.aborted)
        logger.warn({ ...owner, err: error }, 'a list of models could not be read');
    }
  };

  const runNext = (): void => {
    for (const [id, owner] of waiting) {
      if (running.size >= CONCURRENCY || stopped.signal.aborted) return;
      if (running.has(id)) continue;
      waiting.delete(id);
      const done = read(owner).finally(() => {
        running.delete(id);
        runNext();
      });
      running.set(id, done);
    }
  };

  const refresh = (owner: ListOwner): void => {
    if (waiting.size < WAITING_MAX) waiting.set(owner.providerKeyId, owner);
    runNext();
  };

  const scan = async (): Promise<void> => {
    try {
      for (const owner of await store.claimDue(KEYS_PER_SCAN)) refresh(owner);
    } catch (error) {
      logger.warn({ err: error }, 'old lists of models could not be looked for');
    }
  };

  const timer = setInterval(() => void scan(), SCAN_INTERVAL_MS);
  timer.unref();
  return {
    refresh,
    stop: async () => {
      clearInterval(timer);
      stopped.abort(new FloError('unavailable', 'flo2 is being stopped.'));
      waiting.clear();
      await Promise.all(running.values());
    },
  };
};
