import { FloError } from '#domain/errors';
import type { UpstreamClient } from '#http/upstream-client';
import { providerFor, type ProviderAddress } from '#providers/registry';

const TIMEOUT_MS = 10_000;
/** Errors are short; what is beyond says no more. */
const ERROR_BYTES_MAX = 64 * 1_024;

const readError = async (body: AsyncIterable<Uint8Array>): Promise<Uint8Array> => {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of body) {
    chunks.push(chunk);
    length += chunk.length;
    if (length > ERROR_BYTES_MAX) break;
  }
  return Buffer.concat(chunks).subarray(0, ERROR_BYTES_MAX);
};

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
  const { status, headers } = answer;
  if (status >= 200 && status < 300) {
    await answer.body.discard();
    return { accepted: true, upstreamStatus: status };
  }
  // Google and xAI answer a bad key with 400, and say in words what it is.
  const body = await readError(answer.body).catch(() => new Uint8Array());
  const { code } = provider.decodeError({ status, headers, body, nowMs: 0 });
  if (code === 'authentication' || code === 'permission') return { accepted: false, upstreamStatus: status };
  throw new FloError('server', `The provider answered ${status}, which tells nothing of the key.`, {
    upstreamStatus: status,
  });
};
