import { hashText } from './live-workers.ts';

const CHARACTERS_MAX = 16_384;

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Up to and with the first message of the user: what every later turn of a conversation begins with too. */
const firstTurns = (messages: unknown): unknown => {
  if (!Array.isArray(messages)) return messages;
  const first = messages.findIndex((message) => isObject(message) && message['role'] === 'user');
  return messages.slice(0, first < 0 ? 1 : first + 1);
};

/**
 * A name for the conversation that a request continues, the same for all its turns, so that they meet the same
 * prompt cache: the client's own cache key, else a hash of how the conversation begins. Null where the body
 * is no conversation.
 */
export const conversationOf = (body: unknown): string | null => {
  if (!isObject(body)) return null;
  if (typeof body['prompt_cache_key'] === 'string') return `key/${hashText(body['prompt_cache_key'])}`;
  const turns = body['messages'] ?? body['contents'] ?? body['input'];
  if (turns === undefined) return null;
  const system = body['system'] ?? body['systemInstruction'] ?? body['instructions'] ?? null;
  return String(hashText(JSON.stringify([system, firstTurns(turns)]).slice(0, CHARACTERS_MAX)));
};

/** Draws in [0, 1) for names: the same conversation draws the same for the same name. */
export const drawsOf =
  (conversation: string | null, random: () => number): ((name: string) => number) =>
  (name) =>
    conversation === null ? random() : hashText(`${conversation}/${name}`) / 2 ** 32;
