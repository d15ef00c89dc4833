import type { DispatchHeader } from '#contracts/dispatch';
import type { ProviderKeyId } from '#contracts/ids';
import { FloError } from '#domain/errors';
import type { Logger, ProviderCredential, ProviderCredentials } from '#domain/ports';
import { providerFor } from '#providers/registry';
import { translateFor, type Translation } from '#runtime/translation';

/** All that a call needs: the opened key, and the request in the provider's own words. */
export type Prepared = { credential: ProviderCredential; translation: Translation };

/** Makes an attempt ready, without calling anybody. Resolves to the error where it cannot be made. */
export const prepareAttempt = async (
  { credentials, logger }: { credentials: ProviderCredentials; logger: Logger },
  header: DispatchHeader,
  target: { body: Uint8Array; model: string; providerKeyId: ProviderKeyId },
): Promise<Prepared | FloError> => {
  const { tenantId, requestId } = header;
  const { body, model, providerKeyId } = target;
  let credential: ProviderCredential | null;
  try {
    credential = await credentials.open(tenantId, providerKeyId);
  } catch (error) {
    const reason = error instanceof Error ? error.name : 'unknown';
    logger.error({ requestId, providerKeyId, reason }, 'a provider key could not be opened');
    return new FloError('unavailable', 'The registered provider key cannot be read now.', { cause: error });
  }
  if (credential === null) return new FloError('permission', 'The registered provider key was removed.');
  try {
    const provider = providerFor(credential);
    return { credential, translation: translateFor(header, body, { provider, model }) };
  } catch (error) {
    if (error instanceof FloError) return error;
    logger.error({ requestId, err: error }, 'a request could not be translated');
    return new FloError('internal', 'flo2 failed to prepare the request.', { cause: error });
  }
};
