import { objectOf } from '../json-fields.ts';
import { findJsonMember, removeJsonMembers, renameJsonMembers, replaceJsonMembers } from '../json-members.ts';
import type { ChatWire, PassThroughInput, UpstreamCall } from '../provider.ts';
import type { OpenaiDialect } from './dialect.ts';
import { encodeOpenaiRequest } from './request.ts';
import { decodeOpenaiResponse, readOpenaiAnswer } from './response.ts';
import { createOpenaiStreamDecoder, OPENAI_VARYING } from './stream.ts';

export const JSON_HEADERS = { 'content-type': 'application/json' };

const decoder = new TextDecoder();

/** The usage option of a streamed request, and whether it is ours. */
const askForUsage = (body: Uint8Array): { members: Record<string, unknown>; usageInjected: boolean } => {
  const options = findJsonMember(body, 'stream_options');
  const given = objectOf(options === null ? null : JSON.parse(decoder.decode(options)));
  if (given['include_usage'] === true) return { members: {}, usageInjected: false };
  return { members: { stream_options: { ...given, include_usage: true } }, usageInjected: true };
};

/** The names that OpenAI's clients use for what this server only knows by another. */
const renamesOf = ({ maxOutputTokens, seed }: OpenaiDialect): Record<string, string> => ({
  ...(maxOutputTokens === 'max_tokens' && { max_completion_tokens: maxOutputTokens }),
  ...(seed === 'random_seed' && { seed }),
});

const passThrough = (
  { body, model, stream }: PassThroughInput,
  dialect: OpenaiDialect,
  renames: Readonly<Record<string, string>>,
): { body: Uint8Array; usageInjected: boolean } => {
  const known = Object.keys(renames).length === 0 ? body : renameJsonMembers(body, renames);
  if (!dialect.asksForUsage) {
    // It tells the usage of every stream unasked, and knows no such option.
    const asked = removeJsonMembers(known, ['stream_options']);
    return { body: replaceJsonMembers(asked, { model }), usageInjected: false };
  }
  const { members, usageInjected } = stream ? askForUsage(known) : { members: {}, usageInjected: false };
  return { body: replaceJsonMembers(known, { model, ...members }), usageInjected };
};

/**
 * The Chat Completions API (https://platform.openai.com/docs/api-reference/chat) as a server of the dialect
 * has it.
 */
export const createChatWire = (
  dialect: OpenaiDialect,
  pathOf: (model: string) => string = () => '/chat/completions',
): ChatWire => {
  const renames = renamesOf(dialect);
  const call = (model: string, body: Uint8Array): UpstreamCall => ({
    path: pathOf(model),
    headers: JSON_HEADERS,
    body,
  });
  return {
    operation: 'chat',
    surface: 'openai-chat',
    encodePassThrough: (input) => {
      const { body, usageInjected } = passThrough(input, dialect, renames);
      return { ...call(input.model, body), usageInjected };
    },
    encodeRequest: (input) =>
      call(input.model, Buffer.from(JSON.stringify(encodeOpenaiRequest(input, dialect)))),
    decodeResponse: decodeOpenaiResponse,
    readAnswer: readOpenaiAnswer,
    createStreamDecoder: createOpenaiStreamDecoder,
    varying: OPENAI_VARYING,
  };
};
