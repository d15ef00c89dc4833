import type { ChatRequest } from '#contracts/inference';
import type { Inexpressible } from '#domain/inexpressible';
import {
  findInexpressible,
  given,
  isObject,
  optional,
  readList,
  readText,
  refuse,
  type JsonObject,
} from '../field-reader.ts';
import type { ClientRequest, DecodeInput, RequestPath } from '../surface.ts';
import { readContents, readTextContent } from './contents.ts';
import { readGenerationConfig, readMaxOutputTokens } from './generation-config.ts';
import { readApiBody, readApiMessage } from './message.ts';
import { readToolUse } from './tools.ts';

const NO_METADATA = Object.freeze({});

export const readPathModel = ({ model }: RequestPath): string =>
  model !== undefined && model !== ''
    ? model
    : refuse(
        'model',
        'must name a model in the path, such as /v1beta/models/openai/gpt-4o-mini:generateContent.',
      );

/** What every request of the API that has contents is read for. */
export const checkContents = (body: JsonObject, prefix = ''): void => {
  const contents = readList(body['contents'], `${prefix}contents`);
  if (contents.length === 0) refuse(`${prefix}contents`, 'must hold at least one content.');
  contents.forEach((value, index) => {
    const param = `${prefix}contents.${index}`;
    readList(readApiMessage(value, param)['parts'], `${param}.parts`);
  });
};

export const readGenerateRequest = (value: unknown, path: RequestPath): ClientRequest => {
  const model = readPathModel(path);
  const body = readApiBody(value);
  checkContents(body);
  return {
    model,
    stream: path.stream ?? false,
    streamFraming: path.streamFraming ?? 'sse',
    maxOutputTokens: readMaxOutputTokens(body) ?? null,
    endUser: null,
    metadata: NO_METADATA,
  };
};

const TIERS: Readonly<Record<string, ChatRequest['serviceTier']>> = {
  // Leaves it to the provider, as saying nothing does.
  UNSPECIFIED: undefined,
  STANDARD: 'standard',
  FLEX: 'flex',
  PRIORITY: 'priority',
};

const readServiceTier = (body: JsonObject): ChatRequest['serviceTier'] => {
  const word = optional(body, 'serviceTier', readText)?.toUpperCase().replace('SERVICE_TIER_', '');
  if (word === undefined || Object.hasOwn(TIERS, word)) return word === undefined ? undefined : TIERS[word];
  return refuse('serviceTier', 'must be "standard", "flex" or "priority".');
};

const EXPRESSIBLE = new Set([
  'contents',
  'systemInstruction',
  'tools',
  'toolConfig',
  'generationConfig',
  'serviceTier',
]);

const FILTERS_NOTHING = new Set(['OFF', 'BLOCK_NONE', 'HARM_BLOCK_THRESHOLD_UNSPECIFIED']);

/** A filter that is asked for must be there; that one is off needs no words elsewhere. */
const filtersNothing = (settings: unknown): boolean =>
  Array.isArray(settings) &&
  settings.every((setting) => isObject(setting) && FILTERS_NOTHING.has(String(setting['threshold'])));

const CHANGES_NOTHING = {
  model: () => true,
  safetySettings: filtersNothing,
  store: (value: unknown) => value === false,
};

export const decodeContentsRequest = (
  body: JsonObject,
  stream: boolean,
  inexpressible: Inexpressible,
): ChatRequest => {
  checkContents(body);
  findInexpressible(body, { expressible: EXPRESSIBLE, changesNothing: CHANGES_NOTHING }, inexpressible);
  return {
    stream,
    system: optional(body, 'systemInstruction', readTextContent) ?? [],
    messages: readContents(body['contents'], 'contents', inexpressible),
    ...readToolUse(body, inexpressible),
    ...readGenerationConfig(body, inexpressible),
    ...given({ serviceTier: readServiceTier(body) }),
  };
};

export const decodeGenerateRequest = ({ body, stream, inexpressible }: DecodeInput): ChatRequest =>
  decodeContentsRequest(readApiBody(body), stream, inexpressible);
