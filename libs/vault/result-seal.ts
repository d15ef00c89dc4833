/**
 * Seals a kept answer under a key that is derived from its client's API key, of which flo2 stores a hash
 * alone: whoever has the database, or all of flo2's own keys, cannot read what was answered, and an answer
 * cannot be opened in another place than its own.
 */
import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';

const ALGORITHM = 'aes-256-gcm';
const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const PURPOSE = 'flo2 kept answer 1';

const deriveKey = (apiKeyText: string, place: Uint8Array): Buffer =>
  Buffer.from(hkdfSync('sha256', apiKeyText, place, PURPOSE, KEY_BYTES));

/** `place`: bytes that no other kept answer of the API key has. */
export const sealResult = (apiKeyText: string, place: Uint8Array, plain: Uint8Array): Buffer => {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv(ALGORITHM, deriveKey(apiKeyText, place), nonce, {
    authTagLength: TAG_BYTES,
  });
  cipher.setAAD(place);
  return Buffer.concat([nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
};

/** Null where it was sealed under another API key (one that was rotated since), or was changed. */
export const openResult = (apiKeyText: string, place: Uint8Array, sealed: Uint8Array): Buffer | null => {
  if (sealed.length < NONCE_BYTES + TAG_BYTES) return null;
  const decipher = createDecipheriv(
    ALGORITHM,
    deriveKey(apiKeyText, place),
    sealed.subarray(0, NONCE_BYTES),
    { authTagLength: TAG_BYTES },
  );
  decipher.setAAD(place);
  decipher.setAuthTag(sealed.subarray(-TAG_BYTES));
  try {
    return Buffer.concat([decipher.update(sealed.subarray(NONCE_BYTES, -TAG_BYTES)), decipher.final()]);
  } catch {
    return null;
  }
};
