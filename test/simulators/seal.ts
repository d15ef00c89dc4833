import { createHash } from 'node:crypto';

/** Proves that reasoning which comes back is what was sent: base64 that depends on the text alone. */
export const sealOf = (reasoning: string): string =>
  createHash('sha256').update(`simulated signature\n${reasoning}`).digest('base64');

const ENCRYPTED_PREFIX = 'gAAAAA';

/** Reasoning that only this side can read again: it stands in for a text that is not shown. */
export const encryptReasoning = (reasoning: string): string => {
  const payload = Buffer.from(JSON.stringify({ reasoning, seal: sealOf(reasoning) })).toString('base64url');
  return `${ENCRYPTED_PREFIX}${payload}`;
};

export const isOwnEncryptedReasoning = (text: string): boolean => {
  if (!text.startsWith(ENCRYPTED_PREFIX)) return false;
  try {
    const payload: unknown = JSON.parse(
      Buffer.from(text.slice(ENCRYPTED_PREFIX.length), 'base64url').toString(),
    );
    const reasoning: unknown = Reflect.get(Object(payload), 'reasoning');
    return typeof reasoning === 'string' && sealOf(reasoning) === Reflect.get(Object(payload), 'seal');
  } catch {
    return false;
  }
};
