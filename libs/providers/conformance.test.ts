/**
 * What a surface writes, the provider of its dialect reads, and the reverse: each dialect is held to the
 * other room's idea of it, over random requests, answers and streams.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ChatMessage, ChatRequest, ChatResponse, StreamPart } from '#contracts/inference';
import type { TokenClass, TokenCounts, Usage } from '#contracts/usage';
import { PROVIDER_IDS, type ProviderId } from '#contracts/vocabulary';
import { FloError } from '#domain/errors';
import { surfaceOf } from '#surfaces/registry';
import type { Provider } from './provider.ts';
import { providerOf } from './registry.ts';
import { createSseReader, type SseEvent } from './sse.ts';

const RUNS = { seed: 11, numRuns: 150 };
const CONTEXT = { createdAtMs: 1_700_000_000_000 };

const text = fc.string({ minLength: 1, maxLength: 20, unit: 'grapheme' });
const name = fc.stringMatching(/^[a-zA-Z0-9_-]{1,12}$/);
const textPart = fc.record({ type: fc.constant('text' as const), text });
const imagePart = fc.record({
  type: fc.constant('image' as const),
  source: fc.oneof(
    fc.record({ kind: fc.constant('url' as const), url: fc.webUrl() }),
    fc.record({
      kind: fc.constant('base64' as const),
      mediaType: fc.constantFrom('image/png', 'image/jpeg', 'image/webp'),
      data: fc.base64String({ minLength: 4 }),
    }),
  ),
});
const toolCall = fc.record({
  type: fc.constant('tool_call' as const),
  id: name,
  name,
  argumentsJson: fc
    .dictionary(fc.string(), fc.jsonValue({ maxDepth: 2 }))
    .map((input) => JSON.stringify(input)),
});
const toolResult = fc.record({
  type: fc.constant('tool_result' as const),
  toolCallId: name,
  // One, since a dialect may join the texts of a result.
  content: fc.tuple(textPart),
  isError: fc.constant(false),
});
const tool = fc.record(
  {
    name,
    description: text,
    inputSchema: fc
      .dictionary(name, fc.constant({ type: 'string' }))
      .map((properties) => ({ type: 'object', properties })),
  },
  { requiredKeys: ['name', 'inputSchema'] },
);

const userMessage = fc
  .tuple(
    fc.array(toolResult, { maxLength: 2 }),
    fc.array(fc.oneof(textPart, imagePart), { minLength: 1, maxLength: 3 }),
  )
  .map(([results, parts]): ChatMessage => ({ role: 'user', content: [...results, ...parts] }));
const assistantMessage = fc
  .tuple(textPart, fc.array(toolCall, { maxLength: 2 }))
  .map(([said, calls]): ChatMessage => ({ role: 'assistant', content: [said, ...calls] }));

const chatRequest: fc.Arbitrary<ChatRequest> = fc.record(
  {
    stream: fc.boolean(),
    system: fc.array(textPart, { maxLength: 2 }),
    messages: fc
      .tuple(userMessage, fc.array(fc.tuple(assistantMessage, userMessage), { maxLength: 2 }))
      .map(([first, more]) => [first, ...more.flat()]),
    tools: fc.array(tool, { minLength: 1, maxLength: 2 }),
    toolChoice: fc.oneof(
      fc.record({ type: fc.constantFrom('auto' as const, 'none' as const, 'required' as const) }),
      fc.record({ type: fc.constant('tool' as const), name }),
    ),
    parallelToolCalls: fc.constant(false),
    maxOutputTokens: fc.integer({ min: 1, max: 100_000 }),
    temperature: fc.double({ min: 0, max: 1, noNaN: true }),
    topP: fc.double({ min: 0, max: 1, noNaN: true }),
    topK: fc.integer({ min: 1, max: 500 }),
    stop: fc.array(text, { maxLength: 3 }),
    endUser: text,
  },
  { requiredKeys: ['stream', 'system', 'messages', 'tools', 'stop', 'maxOutputTokens'] },
);

/** Neighbours of one role are one turn: where they are cut is not kept. */
const joinTurns = (messages: readonly ChatMessage[]): ChatMessage[] => {
  const turns: ChatMessage[] = [];
  for (const message of messages) {
    const last = turns.at(-1);
    if (last?.role === message.role) {
      turns[turns.length - 1] = {
        role: last.role,
        content: [...last.content, ...message.content],
      } as ChatMessage;
    } else turns.push(message);
  }
  return turns;
};

/** Without what the dialect has no field for. */
const KEPT: Readonly<Record<ProviderId, (request: ChatRequest) => ChatRequest>> = {
  openai: (request) => {
    const kept = { ...request };
    delete kept.topK;
    return kept;
  },
  // Whether calls may be parallel is said with the choice there, and not where none may be made.
  anthropic: (request) => {
    if (request.parallelToolCalls !== false) return request;
    const kept: ChatRequest = { ...request, toolChoice: request.toolChoice ?? { type: 'auto' } };
    if (kept.toolChoice?.type === 'none') delete kept.parallelToolCalls;
    return kept;
  },
};

const joined = (request: ChatRequest): ChatRequest => ({
  ...request,
  messages: joinTurns(request.messages),
});

const count = fc.integer({ min: 0, max: 1_000_000 });
const usage: fc.Arbitrary<Usage> = fc
  .record({
    input: count,
    cacheRead: count,
    written: count,
    output: count,
    share: fc.double({ min: 0, max: 1, noNaN: true }),
  })
  .map(({ input, cacheRead, written, output, share }) => ({
    source: 'provider',
    tokens: { input, cache_read: cacheRead, cache_write_5m: written, output },
    reasoning: Math.floor(output * share),
  }));
const chatResponse: fc.Arbitrary<ChatResponse> = fc.record({
  id: name,
  model: name,
  content: fc
    .tuple(fc.option(textPart, { nil: undefined }), fc.array(toolCall, { maxLength: 3 }))
    .map(([said, calls]) => [...(said === undefined ? [] : [said]), ...calls]),
  finishReason: fc.constantFrom('stop', 'length', 'tool_calls', 'content_filter'),
  usage,
});

const sumOf = (tokens: TokenCounts, ...classes: TokenClass[]): number =>
  classes.reduce((sum, component) => sum + (tokens[component] ?? 0), 0);

/** Totals, since a dialect need not know every class; none may be lost or counted twice. */
const totalsOf = ({ tokens, reasoning }: Usage) => ({
  input: sumOf(
    tokens,
    'input',
    'cache_write_5m',
    'cache_write_1h',
    'cache_write_other',
    'input_audio',
    'input_image',
  ),
  cacheRead: tokens.cache_read,
  output: sumOf(tokens, 'output', 'output_audio', 'output_image'),
  reasoning,
});

const tellable = (response: ChatResponse) => ({ ...response, usage: totalsOf(response.usage) });

const streamOf = (response: ChatResponse, pieceLength: number): StreamPart[] => {
  const piecesOf = (whole: string): string[] => whole.match(new RegExp(`[^]{1,${pieceLength}}`, 'g')) ?? [];
  let callCount = 0;
  const deltas = response.content.flatMap((part): StreamPart[] => {
    if (part.type === 'text') {
      return piecesOf(part.text).map((piece) => ({ type: 'text_delta', text: piece }));
    }
    const index = callCount++;
    return [
      { type: 'tool_call_start', index, id: part.id, name: part.name },
      ...piecesOf(part.argumentsJson).map((argumentsDelta): StreamPart => ({
        type: 'tool_call_delta',
        index,
        argumentsDelta,
      })),
    ];
  });
  return [
    { type: 'start', id: response.id, model: response.model },
    ...deltas,
    { type: 'finish', reason: response.finishReason },
    { type: 'usage', usage: response.usage },
    { type: 'end' },
  ];
};

const assemble = (
  parts: readonly StreamPart[],
): Omit<ChatResponse, 'usage' | 'finishReason' | 'id' | 'model'> => {
  const said = parts.map((part) => (part.type === 'text_delta' ? part.text : '')).join('');
  const calls = parts
    .filter((part) => part.type === 'tool_call_start')
    .map(({ index, id, name: called }) => ({
      type: 'tool_call' as const,
      id,
      name: called,
      argumentsJson: parts
        .map((part) => (part.type === 'tool_call_delta' && part.index === index ? part.argumentsDelta : ''))
        .join(''),
    }));
  return [...(said === '' ? [] : [{ type: 'text' as const, text: said }]), ...calls];
};

const readStream = (provider: Provider, stream: string, pieceLength: number) => {
  const reader = createSseReader({ maxEventBytes: 1_000_000 });
  const decoder = provider.createStreamDecoder({ usageInjected: false });
  const bytes = Buffer.from(stream);
  const events: SseEvent[] = [];
  for (let start = 0; start < bytes.length; start += pieceLength) {
    events.push(...reader.read(bytes.subarray(start, start + pieceLength)));
  }
  events.push(...reader.finish());
  return { parts: events.flatMap((event) => decoder.decode(event).parts), facts: decoder.facts() };
};

const sendRequest = (provider: Provider, request: ChatRequest): unknown => {
  const { body } = provider.encodeRequest({ request, model: 'a-model' });
  return JSON.parse(Buffer.from(body).toString('utf8'));
};

const WANTS_USAGE = { stream_options: { include_usage: true } };

const writeStream = (provider: Provider, parts: readonly StreamPart[]): string =>
  parts.map(surfaceOf(provider.surface).createStreamEncoder(WANTS_USAGE, CONTEXT).encode).join('');

const expectStream = ({ parts, facts }: ReturnType<typeof readStream>, response: ChatResponse): void => {
  const { id, model, finishReason } = response;
  expect(parts.filter(({ type }) => type === 'start')).toEqual([{ type: 'start', id, model }]);
  expect(assemble(parts)).toEqual(response.content);
  expect(parts.filter(({ type }) => type === 'finish')).toEqual([{ type: 'finish', reason: finishReason }]);
  expect(parts.at(-1)).toEqual({ type: 'end' });
  expect(facts).toMatchObject({ id, model, finishReason });
  expect(facts.usage.source).toBe('provider');
  expect(totalsOf(facts.usage)).toEqual(totalsOf(response.usage));
};

describe.each(PROVIDER_IDS)('the dialect of %s', (id) => {
  const provider = providerOf(id);
  const surface = surfaceOf(provider.surface);

  it('keeps a request from the canonical form to the wire and back', () => {
    fc.assert(
      fc.property(chatRequest, (request) => {
        const wire = sendRequest(provider, request);
        expect(joined(surface.decodeRequest(wire))).toEqual(joined(KEPT[id](request)));
        expect(surface.readRequest(wire)).toMatchObject({
          model: 'a-model',
          stream: request.stream,
          maxOutputTokens: request.maxOutputTokens,
          endUser: request.endUser ?? null,
        });
      }),
      RUNS,
    );
  });

  it('keeps an answer, and every token of it once', () => {
    fc.assert(
      fc.property(chatResponse, (response) => {
        const body = Buffer.from(JSON.stringify(surface.encodeResponse(response, CONTEXT)));
        expect(tellable(provider.decodeResponse(body))).toEqual(tellable(response));
        const { id: answerId, finishReason } = response;
        expect(provider.readAnswer(body)).toMatchObject({ id: answerId, finishReason });
      }),
      RUNS,
    );
  });

  it('keeps a streamed answer, however it is cut', () => {
    fc.assert(
      fc.property(chatResponse, fc.integer({ min: 1, max: 40 }), (response, pieceLength) => {
        const stream = writeStream(provider, streamOf(response, pieceLength));
        expectStream(readStream(provider, stream, pieceLength), response);
      }),
      RUNS,
    );
  });

  it('never makes a broken stream look whole', () => {
    const broken = new FloError('cut_stream', "The provider's answer broke off.");
    const stream = writeStream(provider, [
      { type: 'start', id: 'a', model: 'b' },
      { type: 'text_delta', text: 'Half a' },
    ]);
    expect(readStream(provider, stream, 7).parts.map(({ type }) => type)).not.toContain('end');
    const told = stream + surface.encodeStreamError(broken, 'req_1');
    expect(() => readStream(provider, told, 7)).toThrow(broken.message);
  });
});

describe.each([
  ['openai', 'anthropic'],
  ['anthropic', 'openai'],
] as const)('a client of %s with a model of %s', (own, other) => {
  const [clientDialect, target] = [providerOf(own), providerOf(other)];

  it('asks the model what it wrote', () => {
    fc.assert(
      fc.property(chatRequest, (request) => {
        const read = surfaceOf(clientDialect.surface).decodeRequest(sendRequest(clientDialect, request));
        const asked = surfaceOf(target.surface).decodeRequest(sendRequest(target, read));
        expect(joined(asked)).toEqual(joined(KEPT[other](KEPT[own](request))));
      }),
      RUNS,
    );
  });

  it('reads the stream that the model sent', () => {
    fc.assert(
      fc.property(chatResponse, fc.integer({ min: 1, max: 40 }), (response, pieceLength) => {
        const sent = readStream(target, writeStream(target, streamOf(response, pieceLength)), pieceLength);
        expectStream(
          readStream(clientDialect, writeStream(clientDialect, sent.parts), pieceLength),
          response,
        );
      }),
      RUNS,
    );
  });
});
