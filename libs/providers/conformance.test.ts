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
import { createSseReader } from './sse.ts';

const RUNS = { seed: 11, numRuns: 300 };
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
  content: fc.array(textPart, { minLength: 1, maxLength: 2 }),
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

const chatRequest: fc.Arbitrary<ChatRequest> = fc
  .record(
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
  )
  // The sign of a zero is not in the text of JSON.
  .map((request) => ({ ...request, ...structuredCloneOf(request) }));

const structuredCloneOf = (request: Partial<ChatRequest>): Partial<ChatRequest> =>
  JSON.parse(JSON.stringify(request)) as Partial<ChatRequest>;

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

/** What the dialect has no field for. */
const KEPT: Readonly<Record<ProviderId, (request: ChatRequest) => ChatRequest>> = {
  openai: ({ topK: _, ...request }) => request,
  anthropic: ({ parallelToolCalls, ...request }) => ({
    ...request,
    ...(parallelToolCalls === false &&
      (request.toolChoice === undefined
        ? { toolChoice: { type: 'auto' }, parallelToolCalls }
        : request.toolChoice.type !== 'none' && { parallelToolCalls })),
  }),
};

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
  return { content: [...(said === '' ? [] : [{ type: 'text' as const, text: said }]), ...calls] };
};

const readStream = (provider: Provider, stream: string, pieceLength: number) => {
  const reader = createSseReader({ maxEventBytes: 1_000_000 });
  const decoder = provider.createStreamDecoder({ usageInjected: false });
  const bytes = Buffer.from(stream);
  const events = [];
  for (let start = 0; start < bytes.length; start += pieceLength) {
    events.push(...reader.read(bytes.subarray(start, start + pieceLength)));
  }
  events.push(...reader.finish());
  return { parts: events.flatMap((event) => decoder.decode(event).parts), facts: decoder.facts() };
};

describe.each(PROVIDER_IDS)('the dialect of %s', (id) => {
  const provider = providerOf(id);
  const surface = surfaceOf(provider.surface);
  const wantsUsage = { stream_options: { include_usage: true } };

  it('keeps a request from the canonical form to the wire and back', () => {
    fc.assert(
      fc.property(chatRequest, (request) => {
        const { body } = provider.encodeRequest({ request, model: 'a-model' });
        const wire: unknown = JSON.parse(Buffer.from(body).toString('utf8'));
        const read = surface.decodeRequest(wire);
        const kept = KEPT[id](request);
        expect({ ...read, messages: joinTurns(read.messages) }).toEqual({
          ...kept,
          messages: joinTurns(kept.messages),
        });
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
        const { raw: _, ...read } = provider.decodeResponse(body).usage;
        expect(tellable({ ...provider.decodeResponse(body), usage: read })).toEqual(tellable(response));
        expect(provider.readAnswer(body)).toMatchObject({
          id: response.id,
          finishReason: response.finishReason,
        });
      }),
      RUNS,
    );
  });

  it('keeps a streamed answer, however it is cut', () => {
    fc.assert(
      fc.property(chatResponse, fc.integer({ min: 1, max: 40 }), (response, pieceLength) => {
        const encoder = surface.createStreamEncoder(wantsUsage, CONTEXT);
        const stream = streamOf(response, pieceLength).map(encoder.encode).join('');
        const { parts, facts } = readStream(provider, stream, pieceLength);
        expect(parts.filter(({ type }) => type === 'start')).toEqual([
          { type: 'start', id: response.id, model: response.model },
        ]);
        expect(assemble(parts)).toEqual({ content: response.content });
        expect(parts.filter(({ type }) => type === 'finish')).toEqual([
          { type: 'finish', reason: response.finishReason },
        ]);
        expect(facts).toMatchObject({
          id: response.id,
          model: response.model,
          finishReason: response.finishReason,
        });
        expect(facts.usage.source).toBe('provider');
        expect(totalsOf(facts.usage)).toEqual(totalsOf(response.usage));
        expect(parts.at(-1)).toEqual({ type: 'end' });
      }),
      RUNS,
    );
  });

  it('never makes a broken stream look whole', () => {
    const encoder = surface.createStreamEncoder(wantsUsage, CONTEXT);
    const begun = [
      { type: 'start', id: 'a', model: 'b' },
      { type: 'text_delta', text: 'Half a' },
    ] as const;
    const failure = new FloError('cut_stream', "The provider's answer broke off.");
    const stream = begun.map(encoder.encode).join('');
    expect(readStream(provider, stream, 7).parts.map(({ type }) => type)).not.toContain('end');
    expect(() => readStream(provider, stream + surface.encodeStreamError(failure, 'req_1'), 7)).toThrow(
      failure.message,
    );
  });
});
