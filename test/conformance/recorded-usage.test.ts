/**
 * The usage of every recorded answer, normalised, against what the recordings say it is: in the `expect`
 * beside each of them, and in the table of their index.
 */
import { describe, expect, it } from 'vitest';
import { UNKNOWN_USAGE, type TokenClass, type Usage } from '#contracts/usage';
import type { SurfaceId } from '#contracts/vocabulary';
import { FloError } from '#domain/errors';
import { countOf, objectOf } from '#providers/json-fields';
import { providerFor } from '#providers/registry';
import type { ChatWire, Wire } from '#providers/provider';
import { TOKEN_COUNT_USAGE } from '#providers/token-count-usage';
import { createSseReader } from '#providers/sse';
import {
  listRecordedApis,
  readIndex,
  readRecordings,
  RECORDED_ADDRESSES,
  RECORDINGS_ARE_THERE,
  type ExpectedUsage,
  type Recording,
} from './recordings.ts';

/** How the answers of each recorded API are read: by the wire of a dialect. */
const READ_AS: Readonly<Record<string, SurfaceId>> = {
  'openai/chat': 'openai-chat',
  'openai/responses': 'openai-responses',
  'azure/responses': 'openai-responses',
  'openrouter/responses': 'openai-responses',
  'xai/responses': 'openai-responses',
  'anthropic/messages': 'anthropic-messages',
  'anthropic/count-tokens': 'anthropic-count-tokens',
  'google/generate': 'gemini-generate-content',
  'google/count-tokens': 'gemini-count-tokens',
  'google/embeddings': 'gemini-embed-content',
  'vertex/generate': 'gemini-generate-content',
  'vertex/anthropic-messages': 'anthropic-messages',
  'openai/embeddings': 'openai-embeddings',
  'mistral/embeddings': 'openai-embeddings',
  'mistral/chat': 'openai-chat',
  'groq/chat': 'openai-chat',
  'openrouter/chat': 'openai-chat',
  'azure/chat': 'openai-chat',
  'deepseek/chat': 'openai-chat',
  'xai/chat': 'openai-chat',
  'ollama/chat': 'openai-chat',
  'vllm/chat': 'openai-chat',
  'llamacpp/chat': 'openai-chat',
  'compat/doubleword': 'openai-chat',
  'compat/gpustack': 'openai-chat',
  'compat/huggingface': 'openai-chat',
  'compat/perplexity': 'openai-chat',
  'compat/together': 'openai-chat',
  'compat/vercel-gateway': 'openai-chat',
  'compat/zai': 'openai-chat',
};

/** Recordings of what flo2 does not ask for, and why. */
const NOT_READ: Readonly<Record<string, string>> = {
  'anthropic/batches': "batches of the providers' own are not sent",
  'google/batches': "batches of the providers' own are not sent",
  'mistral/batches': "batches of the providers' own are not sent",
  'openai/batches': "batches of the providers' own are not sent",
  'xai/batches': "batches of the providers' own are not sent",
  'openai/audio': 'speech to text is not served',
  'openai/completions': 'the completions API from before chat is not served',
  'openai/images': 'the generation of images by its own API is not served',
  'openai/files': 'files carry no usage',
  'openai/models': 'lists of models carry no usage; they are read in libs/providers',
  'anthropic/models': 'lists of models carry no usage; they are read in libs/providers',
  'google/models': 'lists of models carry no usage; they are read in libs/providers',
  'google/cached-contents': 'caches made by hand are not served',
  'mistral/audio': 'speech to text is not served',
  'mistral/ocr': 'OCR is not served',
  'ollama/chat-native': 'Ollama is spoken to in the dialect of OpenAI',
  'ollama/generate-native': 'Ollama is spoken to in the dialect of OpenAI',
  'vllm/completions': 'the completions API from before chat is not served',
  'compat/cohere': "Cohere's own API is not served",
};

/** Files that are no answers of the wire they lie with. */
const NOT_ANSWERS = new Set(['openai/responses/input-tokens-count.json']);

/** Calls of tools that are counted from the items of an answer, of which `expect` says nothing. */
const CALLS_IN_ITEMS: Readonly<Record<string, { web_search: number }>> = {
  'openai/responses/web-search.json': { web_search: 1 },
};

const isOfErrors = (api: string): boolean => api.endsWith('/errors');

const wireOf = (api: string): Wire => {
  const [folder = '', name = ''] = api.split('/');
  // Vertex AI is not served, and answers as the APIs do that are.
  const address =
    RECORDED_ADDRESSES[folder === 'vertex' ? (name === 'generate' ? 'google' : 'anthropic') : folder];
  const wire = address && providerFor(address).wires.find(({ surface }) => surface === READ_AS[api]);
  if (wire === undefined) throw new TypeError(`nothing reads ${api}`);
  return wire;
};

const readStream = (wire: ChatWire, body: Uint8Array): Usage => {
  const reader = createSseReader({ maxEventBytes: 4_000_000 });
  const decoder = wire.createStreamDecoder({ usageInjected: false });
  try {
    for (const event of [...reader.read(body), ...reader.finish()]) decoder.decode(event);
    decoder.finish?.();
  } catch (error) {
    if (!(error instanceof FloError)) throw error;
  }
  return decoder.facts().usage;
};

/** The usage of an answer; unknown where an error came in its place. */
const readAnswer = (wire: Wire, body: Uint8Array): Usage => {
  try {
    return wire.readAnswer(body).usage;
  } catch (error) {
    if (error instanceof FloError && error.code !== 'malformed_answer') return UNKNOWN_USAGE;
    throw error;
  }
};

const readUsages = (recording: Recording): Usage[] => {
  const wire = wireOf(recording.api);
  if (!recording.file.endsWith('.sse')) return [readAnswer(wire, recording.body)];
  if (wire.operation !== 'chat') throw new TypeError('only chat is streamed');
  return [readStream(wire, recording.body)];
};

const figuresOf = ({ tokens, reasoning, serverToolCalls }: Usage) => {
  const of = (component: TokenClass): number => tokens[component] ?? 0;
  return {
    input_uncached: of('input') + of('input_audio') + of('input_image'),
    cache_read: of('cache_read'),
    cache_write_5m: of('cache_write_5m'),
    cache_write_1h: of('cache_write_1h'),
    cache_write_other: of('cache_write_other'),
    output: of('output') + of('output_audio') + of('output_image'),
    reasoning: reasoning ?? 0,
    input_audio: of('input_audio'),
    output_audio: of('output_audio'),
    output_image: of('output_image'),
    web_search: serverToolCalls?.['web_search'] ?? 0,
    web_fetch: serverToolCalls?.['web_fetch'] ?? 0,
  };
};

const figuresExpected = ({ other, ...tokens }: ExpectedUsage) => {
  const of = (name: string): number => countOf(other[name]) ?? 0;
  return {
    ...tokens,
    input_audio: of('input_audio'),
    output_audio: of('output_audio'),
    output_image: of('output_image'),
    web_search:
      of('web_search_requests') ||
      (countOf(objectOf(other['server_tool_use_details'])['web_search_requests']) ?? 0),
    web_fetch: of('web_fetch_requests'),
  };
};

const isZero = (expected: ExpectedUsage): boolean =>
  Object.values(figuresExpected(expected)).every((figure) => figure === 0);

/** `in 68 cr 1152 out 100 rsn 4`, as the index writes it: without what is zero. */
const writeShort = (usage: Usage): string => {
  const figures = figuresOf(usage);
  const named = [
    ['in', figures.input_uncached],
    ['cr', figures.cache_read],
    ['w5', figures.cache_write_5m],
    ['w1', figures.cache_write_1h],
    ['wo', figures.cache_write_other],
    ['out', figures.output],
    ['rsn', figures.reasoning],
  ] as const;
  const told = named.filter(([, figure]) => figure > 0).map(([short, figure]) => `${short} ${figure}`);
  return told.length === 0 ? '' : told.join(' ');
};

/** The last column of the index for every case, by API and file, without what follows the tokens. */
const readShortFigures = (): Map<string, string> => {
  const figures = new Map<string, string>();
  let api = '';
  for (const line of readIndex().split('\n')) {
    const heading = /^## (\S+) \/ (\S+)$/.exec(line);
    if (heading !== null) api = `${heading[1]}/${heading[2]}`;
    const cells = line.split(' | ');
    const file = /^\| (\S+)$/.exec(cells[0] ?? '')?.[1];
    if (file === undefined || cells.length < 6) continue;
    const [tokens = ''] = (cells.at(-1) ?? '').replace(/ ?\|$/, '').split(/;|⚑/);
    figures.set(`${api}/${file}`, tokens.trim() === 'all 0' ? '' : tokens.trim());
  }
  return figures;
};

describe('recorded usage', () => {
  it('is read of every API, or it is said why not', ({ skip }) => {
    skip(!RECORDINGS_ARE_THERE, 'FLO2_WIRE_RECORDINGS names no folder of recordings');
    const apis = listRecordedApis().filter((api) => !isOfErrors(api));
    expect(apis.length).toBeGreaterThan(20);
    expect(apis.filter((api) => READ_AS[api] === undefined && NOT_READ[api] === undefined)).toEqual([]);
    expect(apis.filter((api) => READ_AS[api] !== undefined && NOT_READ[api] !== undefined)).toEqual([]);
  });

  const shortFigures = RECORDINGS_ARE_THERE ? readShortFigures() : new Map<string, string>();

  const recordings = Object.keys(READ_AS)
    .flatMap(readRecordings)
    .filter(({ api, file }) => !NOT_ANSWERS.has(`${api}/${file}`));

  it.each(recordings)('of $api/$file is what it says', (recording) => {
    const usages = readUsages(recording);
    expect(usages).toHaveLength(recording.expected.length);
    for (const [index, usage] of usages.entries()) {
      const expected = recording.expected[index] ?? null;
      if (expected === null) {
        // What came before a stream broke, or a count of tokens, which costs nothing.
        if (usage.source === 'provider') expect(usage).toEqual(TOKEN_COUNT_USAGE);
        continue;
      }
      expect(figuresOf(usage)).toEqual({
        ...figuresExpected(expected),
        ...CALLS_IN_ITEMS[`${recording.api}/${recording.file}`],
      });
      if (!isZero(expected)) expect(usage.source).not.toBe('none');
      expect(Math.min(0, ...Object.values(usage.tokens))).toBe(0);
    }
    if (usages[0] !== undefined && usages.length === 1 && recording.expected[0] !== null) {
      expect(writeShort(usages[0])).toBe(shortFigures.get(`${recording.api}/${recording.file}`));
    }
  });
});
