import { FloError } from '#domain/errors';
import type { UpstreamClient } from '#http/upstream-client';
import { providerFor, type ProviderAddress } from '#providers/registry';

const TIMEOUT_MS = 10_000;

export type KeyCheck = { accepted: boolean; upstreamStatus: number };

/**
 * Asks the provider whether it takes a key, by a call that costs nothing. Rejects with `FloError` where the
 * provider cannot be reached or says neither yes nor no.
 */
export const checkProviderKey = async (
  upstream: UpstreamClient,
  key: ProviderAddress & { secret: string },
): Promise<KeyCheck> => {
  const provider = providerFor(key);
  const signal = AbortSignal.timeout(TIMEOUT_MS);
  const answer = await upstream
    .send({
      method: 'GET',
      url: provider.baseUrl + provider.keyCheck.path,
      headers: { ...provider.keyCheck.headers, ...provider.authorize(key.secret) },
      signal,
    })
    .catch((error: unknown) => {
      if (!signal.aborted) throw error;
      throw new FloError('timeout', `The provider did not answer within ${TIMEOUT_MS} ms.`, { cause: error });
    });
  await answer.body.discard();
  const { status } = answer;
  if (status >= 200 && status < 300) return { accepted: true, upstreamStatus: status };
  if (status === 401 || status === 403) return { accepted: false, upstreamStatus: status };
  throw new FloError('server', `The provider answered ${status}, which tells nothing of the key.`, {
    upstreamStatus: status,
  });
};
