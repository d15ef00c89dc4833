import type { ChatRequest } from '#contracts/inference';
import { FloError } from '#domain/errors';
import type { Inexpressible } from '#domain/inexpressible';

/** What every wire writes. */
export const STRUCTURE: ReadonlySet<string> = new Set<keyof ChatRequest>([
  'stream',
  'system',
  'messages',
  'tools',
  'toolChoice',
  'stop',
]);

/** Reports every field of the request that is set and that the wire does not write. */
export const findUnwritten = (
  request: ChatRequest,
  written: ReadonlySet<keyof ChatRequest>,
  inexpressible: Inexpressible,
): void => {
  for (const [field, value] of Object.entries(request)) {
    if (value === undefined || STRUCTURE.has(field) || written.has(field as keyof ChatRequest)) continue;
    inexpressible.field(field);
  }
};

const NAMES = { image: 'An image', document: 'A document', audio: 'Audio' } as const;

/** A part of a message is never dropped: the answer would be to another question. */
export const refusePart = (type: keyof typeof NAMES, instead: string): never => {
  throw new FloError('invalid_request', `messages: ${NAMES[type]} cannot be sent to this model. ${instead}`, {
    param: 'messages',
  });
};
