import { z } from 'zod';

/** Where a tenant wants to be told. The address is checked again when it is called. */
export const webhookUrl = z
  .string()
  .max(2_048)
  .refine(
    (text) => /^https?:$/.test(URL.parse(text)?.protocol ?? ''),
    'must be a URL such as https://example.com/hooks/flo2',
  )
  .transform((text) => new URL(text).href);

/** As https://www.standardwebhooks.com has it: `whsec_` and base64 of 24 to 64 bytes. */
export const webhookSecret = z
  .string()
  .regex(
    /^whsec_(?:[A-Za-z0-9+/]{4}){8,22}(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/,
    'must be whsec_ and base64 of 24 to 64 bytes',
  )
  .max('whsec_'.length + 88);

/** Without a secret flo2 makes one for the address, the same for all that goes there. */
export const webhookTarget = z.union([
  z.strictObject({ url: webhookUrl, secret: webhookSecret.optional() }),
  webhookUrl.transform((url) => ({ url, secret: undefined })),
]);
export type WebhookTarget = z.infer<typeof webhookTarget>;

/** What an address gets only where it asks for it; alerts of budgets and ends of jobs go to whom they name. */
export const webhookEvent = z.enum(['provider_key.quarantined', 'provider_key.parked']);
export type WebhookEvent = z.infer<typeof webhookEvent>;

const webhookEvents = z
  .array(webhookEvent)
  .max(16)
  .transform((events) => [...new Set(events)]);

export const webhookEndpointBody = z.strictObject({
  url: webhookUrl,
  secret: webhookSecret.optional(),
  events: webhookEvents.optional(),
});

export const webhookEndpointPatch = z.strictObject({ events: webhookEvents });
