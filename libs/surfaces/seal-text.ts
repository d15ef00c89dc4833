import type { Seal } from '#contracts/inference';
import { isObject } from './field-reader.ts';

/** Base64 of how every wrapped seal begins, at a boundary of three bytes; no provider's own proof does. */
const WRAPPED = Buffer.from('{"flo2seal":').toString('base64');

const ORIGINS: readonly Seal['origin'][] = ['anthropic', 'google', 'openai', 'openrouter'];
const KINDS: readonly Seal['kind'][] = ['signature', 'redacted', 'encrypted'];

/** A seal, and the tool call it belongs to where the dialect has no place for one beside the call. */
export type CarriedSeal = { seal: Seal; toolCallId: string | null };

/**
 * One provider's seal as the text of another's: clients give such texts back unread, so that a conversation
 * can go on with the model it began with, whatever dialect its client speaks.
 */
export const wrapSeal = ({ origin, kind, value, id }: Seal, toolCallId: string | null = null): string =>
  Buffer.from(
    JSON.stringify({
      flo2seal: 1,
      origin,
      kind,
      value,
      ...(id !== undefined && { id }),
      ...(toolCallId !== null && { call: toolCallId }),
    }),
  ).toString('base64');

/** Null for a text that is the dialect's own. */
export const unwrapSeal = (text: string): CarriedSeal | null => {
  if (!text.startsWith(WRAPPED)) return null;
  let wrapped: unknown = null;
  try {
    wrapped = JSON.parse(Buffer.from(text, 'base64').toString('utf8'));
  } catch {
    return null;
  }
  if (!isObject(wrapped)) return null;
  const { value, id, call } = wrapped;
  const origin = ORIGINS.find((known) => known === wrapped['origin']);
  const kind = KINDS.find((known) => known === wrapped['kind']);
  if (origin === undefined || kind === undefined || typeof value !== 'string') return null;
  return {
    seal: { origin, kind, value, ...(typeof id === 'string' && { id }) },
    toolCallId: typeof call === 'string' ? call : null,
  };
};

/**
 * Whether a request holds what another provider sealed: its bytes are then not to go to a provider as they
 * are, even of the client's own dialect, since none takes another's proof for its own.
 */
export const holdsWrappedSeal = (body: Uint8Array): boolean =>
  Buffer.from(body.buffer, body.byteOffset, body.byteLength).includes(WRAPPED);

/** Stands where a dialect must have a seal and there is none. */
export const NO_SEAL = Buffer.from('{"flo2seal":0}').toString('base64');

/** A dialect's text for a seal: as it is where the dialect is the seal's own. */
export const writeSeal = (seal: Seal, own: Seal['origin']): string =>
  seal.origin === own ? seal.value : wrapSeal(seal);

/** Undefined for a text that seals nothing. */
export const readSeal = (text: string, own: Pick<Seal, 'origin' | 'kind'>): Seal | undefined => {
  if (text === '') return undefined;
  return text.startsWith(WRAPPED) ? unwrapSeal(text)?.seal : { ...own, value: text };
};
