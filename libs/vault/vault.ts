/**
 * Envelope encryption of tenants' provider keys: the key-encryption key (from the environment, never
 * stored) wraps a data key per tenant, which seals that tenant's secrets. AES-256-GCM both times, with a
 * fresh nonce and with what the ciphertext belongs to bound in as associated data, so that none can be
 * moved to another tenant, key or version.
 */
import { createCipheriv, createDecipheriv, createSecretKey, randomBytes, type KeyObject } from 'node:crypto';
import type { DataKeyOwner, PayloadOwner, SecretOwner, Vault } from '#domain/ports';

const ALGORITHM = 'aes-256-gcm';
const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
/** First byte of every ciphertext, so that another format can follow. */
const FORMAT = 1;

/** Thrown when something cannot be opened: another key, another owner, or changed bytes. Names none of them. */
export class VaultError extends Error {
  override readonly name = 'VaultError';
}

/** Each field with its length before it, so that no two lists of fields make the same bytes. */
const encodeBinding = (fields: readonly string[]): Buffer =>
  Buffer.concat(
    fields.flatMap((field) => {
      const bytes = Buffer.from(field, 'utf8');
      const length = Buffer.alloc(4);
      length.writeUInt32BE(bytes.length);
      return [length, bytes];
    }),
  );

const encrypt = (key: KeyObject, plaintext: Uint8Array, binding: readonly string[]): Buffer => {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv(ALGORITHM, key, nonce, { authTagLength: TAG_BYTES });
  cipher.setAAD(encodeBinding(binding));
  const body = Buffer.concat([cipher.update(plaintext), cipher.final()]);
  return Buffer.concat([Buffer.of(FORMAT), nonce, body, cipher.getAuthTag()]);
};

const decrypt = (key: KeyObject, sealed: Uint8Array, binding: readonly string[]): Buffer => {
  const bytes = Buffer.from(sealed.buffer, sealed.byteOffset, sealed.byteLength);
  if (bytes.length < 1 + NONCE_BYTES + TAG_BYTES || bytes[0] !== FORMAT) {
    throw new VaultError('This is nothing the vault has sealed.');
  }
  const nonce = bytes.subarray(1, 1 + NONCE_BYTES);
  const decipher = createDecipheriv(ALGORITHM, key, nonce, { authTagLength: TAG_BYTES });
  decipher.setAAD(encodeBinding(binding));
  decipher.setAuthTag(bytes.subarray(-TAG_BYTES));
  try {
    return Buffer.concat([decipher.update(bytes.subarray(1 + NONCE_BYTES, -TAG_BYTES)), decipher.final()]);
  } catch (cause) {
    throw new VaultError('It cannot be opened: another key sealed it, or it was changed.', { cause });
  }
};

const dataKeyBinding = ({ tenantId, dataKeyVersion }: DataKeyOwner): string[] => [
  'flo2 tenant data key',
  tenantId,
  String(dataKeyVersion),
];

const secretBinding = (owner: SecretOwner): string[] => [
  'providerKeyId' in owner ? 'flo2 provider key' : 'flo2 webhook secret',
  owner.tenantId,
  String(owner.dataKeyVersion),
  'providerKeyId' in owner ? owner.providerKeyId : owner.webhookEndpointId,
  String(owner.secretVersion),
];

const payloadBinding = (owner: PayloadOwner): string[] => [
  'flo2 payload',
  owner.tenantId,
  String(owner.dataKeyVersion),
  owner.kind,
  owner.id,
  String(owner.part),
];

type OpenedDataKey = { tenantId: string; dataKeyVersion: number; key: KeyObject };

/**
 * `masterKey`: 32 bytes. Throws `RangeError` for any other length.
 *
 * A data key that was opened is kept with the wrapped one it came from, for as long as the caller keeps that:
 * to open it for each payload anew was a fifth of what a line of a batch cost a worker, and the master key
 * that opens it lies in the same memory.
 */
export const createVault = ({ masterKey }: { masterKey: Buffer }): Vault => {
  if (masterKey.length !== KEY_BYTES) throw new RangeError(`the master key must be ${KEY_BYTES} bytes`);
  const rootKey = createSecretKey(masterKey);
  const opened = new WeakMap<Uint8Array, OpenedDataKey>();
  const openDataKey = (wrapped: Uint8Array, { tenantId, dataKeyVersion }: DataKeyOwner): KeyObject => {
    const known = opened.get(wrapped);
    if (known?.tenantId === tenantId && known.dataKeyVersion === dataKeyVersion) return known.key;
    const bytes = decrypt(rootKey, wrapped, dataKeyBinding({ tenantId, dataKeyVersion }));
    const key = createSecretKey(bytes);
    bytes.fill(0);
    opened.set(wrapped, { tenantId, dataKeyVersion, key });
    return key;
  };
  return {
    mintDataKey: (owner) => {
      const dataKey = randomBytes(KEY_BYTES);
      const wrapped = encrypt(rootKey, dataKey, dataKeyBinding(owner));
      dataKey.fill(0);
      return wrapped;
    },
    seal: (wrapped, owner, secret) =>
      encrypt(openDataKey(wrapped, owner), Buffer.from(secret, 'utf8'), secretBinding(owner)),
    open: (wrapped, owner, sealed) =>
      decrypt(openDataKey(wrapped, owner), sealed, secretBinding(owner)).toString('utf8'),
    sealPayload: (wrapped, owner, bytes) =>
      encrypt(openDataKey(wrapped, owner), bytes, payloadBinding(owner)),
    openPayload: (wrapped, owner, sealed) =>
      decrypt(openDataKey(wrapped, owner), sealed, payloadBinding(owner)),
  };
};
