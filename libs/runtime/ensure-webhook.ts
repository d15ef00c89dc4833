import type { TenantId } from '#contracts/ids';
import type { WebhookTarget } from '#contracts/webhook';
import { FloError } from '#domain/errors';
import type { IdMint } from '#domain/mint-id';
import { checkPublicUrl } from '#http/address-guard';
import type { EnsuredWebhookEndpoint, WebhookEndpointStore } from '#postgres/webhook-endpoints';

export type EnsureWebhook = (tenantId: TenantId, target: WebhookTarget) => Promise<EnsuredWebhookEndpoint>;

/** Rejects with `FloError` `invalid_request` for an address that flo2 may not call. */
export const createEnsureWebhook =
  (deps: { endpoints: WebhookEndpointStore; allowPrivateUpstreams: boolean; mint: IdMint }): EnsureWebhook =>
  async (tenantId, target) => {
    try {
      await checkPublicUrl(new URL(target.url), { allowPrivate: deps.allowPrivateUpstreams });
    } catch (error) {
      if (!(error instanceof FloError)) throw error;
      const message = error.message.replace('base URL', 'URL');
      throw new FloError(error.code, message, { param: 'webhook', cause: error });
    }
    const endpoint = await deps.endpoints.ensure(tenantId, target, deps.mint);
    if (endpoint === null) {
      throw new FloError('route_not_found', `There is no tenant ${tenantId.slice(0, 40)}.`);
    }
    return endpoint;
  };
