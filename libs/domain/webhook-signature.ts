/**
 * Signatures of webhooks as https://www.standardwebhooks.com has them: HMAC-SHA256 over
 * `<id>.<seconds>.<body>`, with every secret that is valid now, so that a receiver may change over in its own
 * time.
 */

export const WEBHOOK_SECRET_PREFIX = 'whsec_';

export type SignedWebhook = {
  /** The same at every try, by which receivers know a repetition. */
  id: string;
  /** Unix seconds. */
  timestamp: number;
  /** Exactly as it is sent. */
  body: string;
};

const encoder = new TextEncoder();

const decodeBase64 = (text: string): Uint8Array<ArrayBuffer> =>
  Uint8Array.from(atob(text), (character) => character.charCodeAt(0));

const encodeBase64 = (bytes: ArrayBuffer): string => btoa(String.fromCharCode(...new Uint8Array(bytes)));

const signWith = async (secret: string, content: Uint8Array<ArrayBuffer>): Promise<string> => {
  const bytes = decodeBase64(secret.slice(WEBHOOK_SECRET_PREFIX.length));
  const key = await crypto.subtle.importKey('raw', bytes, { name: 'HMAC', hash: 'SHA-256' }, false, ['sign']);
  return `v1,${encodeBase64(await crypto.subtle.sign('HMAC', key, content))}`;
};

/** The headers of one try. `secrets`: `whsec_` and base64, the newest first. */
export const signWebhook = async (
  { id, timestamp, body }: SignedWebhook,
  secrets: readonly string[],
): Promise<Record<'webhook-id' | 'webhook-timestamp' | 'webhook-signature', string>> => {
  const content = encoder.encode(`${id}.${timestamp}.${body}`);
  const signatures = await Promise.all(secrets.map((secret) => signWith(secret, content)));
  return {
    'webhook-id': id,
    'webhook-timestamp': String(timestamp),
    'webhook-signature': signatures.join(' '),
  };
};

/** A new secret of 256 random bits. */
export const mintWebhookSecret = (fillRandom: (bytes: Uint8Array) => void): string => {
  const bytes = new Uint8Array(32);
  fillRandom(bytes);
  return WEBHOOK_SECRET_PREFIX + encodeBase64(bytes.buffer);
};
