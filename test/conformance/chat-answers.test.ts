/**
 * What a surface writes, the provider of its dialect reads, and the reverse: each dialect is held to the
 * other room's idea of it, over random answers and streams.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ChatResponse, StreamPart } from '#contracts/inference';
import type { TokenClass, TokenCounts, Usage } from '#contracts/usage';

import { FloError } from '#domain/errors';
import type { EncodeContext } from '#surfaces/surface';
import { CHAT_PAIRS, CHAT_WIRES, chatSurfaceOf } from './chat-wires.ts';
import type { ChatWire } from '#providers/provider';
import { createSseReader, type SseEvent } from '#providers/sse';

const RUNS = { seed: 11, numRuns: 150 };
const CONTEXT: EncodeContext = { createdAtMs: 1_700_000_000_000, streamFraming: 'sse' };

const text = fc.string({ minLength: 1, maxLength: 20, unit: 'grapheme' });
const name = fc.stringMatching(/^[a-zA-Z0-9_-]{1,12}$/);
const textPart = fc.record({ type: fc.constant('text' as const), text });
const toolCall = fc.record({
  type: fc.constant('tool_call' as const),
  id: name,
  name,
  argumentsJson: fc
    .dictionary(fc.string(), fc.jsonValue({ maxDepth: 2 }))
    .map((input) => JSON.stringify(input)),
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
/** Calls are their own reason to end, whatever a dialect calls it. */
const withFitReason = (response: ChatResponse): ChatResponse => {
  const { content, finishReason } = response;
  if (finishReason !== 'stop' && finishReason !== 'tool_calls') return response;
  const calls = content.some(({ type }) => type === 'tool_call');
  return { ...response, finishReason: calls ? 'tool_calls' : 'stop' };
};
const chatResponse: fc.Arbitrary<ChatResponse> = fc
  .record({
    id: name,
    model: name,
    content: fc
      .tuple(fc.option(textPart, { nil: undefined }), fc.array(toolCall, { maxLength: 3 }))
      .map(([said, calls]) => [...(said === undefined ? [] : [said]), ...calls]),
    finishReason: fc.constantFrom(
      'stop' as const,
      'length' as const,
      'tool_calls' as const,
      'content_filter' as const,
    ),
    usage,
  })
  .map(withFitReason);

const sumOf = (tokens: TokenCounts, ...classes: TokenClass[]): number =>
  classes.reduce((sum, component) => sum + (tokens[component] ?? 0), 0);

/** Totals, since a dialect need not know every class; none may be lost or counted twice. */
const totalsOf = ({ tokens, reasoning }: Usage) => ({
  input: sumOf(tokens, 'input', 'input_audio', 'input_image'),
  cacheRead: tokens.cache_read,
  written: sumOf(tokens, 'cache_write_5m', 'cache_write_1h', 'cache_write_other'),
  output: sumOf(tokens, 'output', 'output_audio', 'output_image'),
  reasoning,
});

/** What the dialects tell of the usage: Gemini's has no word for what is written to a cache. */
const toldBy = (wires: readonly ChatWire[], told: Usage) => {
  const totals = totalsOf(told);
  return wires.some(({ surface }) => surface === 'gemini-generate-content')
    ? { ...totals, input: totals.input + totals.written, written: 0 }
    : totals;
};

const tellable = (wire: ChatWire, response: ChatResponse) => ({
  ...response,
  usage: toldBy([wire], response.usage),
});

const streamOf = (response: ChatResponse, pieceLength: number): StreamPart[] => {
  const piecesOf = (whole: string): string[] => whole.match(new RegExp(`[^]{1,${pieceLength}}`, 'g')) ?? [];
  let callCount = 0;
  const deltas = response.content.flatMap((part): StreamPart[] => {
    if (part.type === 'text') {
      return piecesOf(part.text).map((piece) => ({ type: 'text_delta', text: piece }));
    }
    if (part.type !== 'tool_call') return [];
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

const assemble = (parts: readonly StreamPart[]): ChatResponse['content'] => {
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

const readStream = (wire: ChatWire, stream: string, pieceLength: number) => {
  const reader = createSseReader({ maxEventBytes: 1_000_000 });
  const decoder = wire.createStreamDecoder({ usageInjected: false });
  const bytes = Buffer.from(stream);
  const events: SseEvent[] = [];
  for (let start = 0; start < bytes.length; start += pieceLength) {
    events.push(...reader.read(bytes.subarray(start, start + pieceLength)));
  }
  events.push(...reader.finish());
  const parts = events.flatMap((event) => decoder.decode(event).parts);
  // A wire without a mark of its end knows it by the connection's.
  parts.push(...(decoder.finish?.().parts ?? []));
  return { parts, facts: decoder.facts() };
};

const WANTS_USAGE = { stream_options: { include_usage: true } };

const writeStream = (wire: ChatWire, parts: readonly StreamPart[]): string => {
  const encoder = chatSurfaceOf(wire).createStreamEncoder(WANTS_USAGE, CONTEXT);
  return parts.map((part) => encoder.encode(part)).join('');
};

const expectStream = (
  { parts, facts }: ReturnType<typeof readStream>,
  response: ChatResponse,
  wires: readonly ChatWire[],
): void => {
  const { id, model, finishReason } = response;
  expect(parts.filter(({ type }) => type === 'start')).toEqual([{ type: 'start', id, model }]);
  expect(assemble(parts)).toEqual(response.content);
  expect(parts.filter(({ type }) => type === 'finish')).toEqual([{ type: 'finish', reason: finishReason }]);
  expect(parts.at(-1)).toEqual({ type: 'end' });
  expect(facts).toMatchObject({ id, model, finishReason });
  expect(facts.usage.source).toBe('provider');
  expect(totalsOf(facts.usage)).toEqual(toldBy(wires, response.usage));
};

describe.each(CHAT_WIRES)('the dialect of $name', ({ wire }) => {
  const surface = chatSurfaceOf(wire);

  it('keeps an answer, and every token of it once', () => {
    fc.assert(
      fc.property(chatResponse, (response) => {
        const body = Buffer.from(JSON.stringify(surface.encodeResponse(response, CONTEXT)));
        expect(tellable(wire, wire.decodeResponse(body))).toEqual(tellable(wire, response));
        const { id: answerId, finishReason } = response;
        expect(wire.readAnswer(body)).toMatchObject({ id: answerId, finishReason });
      }),
      RUNS,
    );
  });

  it('keeps a streamed answer, however it is cut', () => {
    fc.assert(
      fc.property(chatResponse, fc.integer({ min: 1, max: 40 }), (response, pieceLength) => {
        const stream = writeStream(wire, streamOf(response, pieceLength));
        expectStream(readStream(wire, stream, pieceLength), response, [wire]);
      }),
      RUNS,
    );
  });

  it('never makes a broken stream look whole', () => {
    const broken = new FloError('cut_stream', "The provider's answer broke off.");
    const stream = writeStream(wire, [
      { type: 'start', id: 'a', model: 'b' },
      { type: 'text_delta', text: 'Half a' },
    ]);
    expect(readStream(wire, stream, 7).parts.map(({ type }) => type)).not.toContain('end');
    const told = stream + surface.encodeStreamError(broken, 'req_1', { framing: 'sse', tail: '' });
    expect(() => readStream(wire, told, 7)).toThrow(broken.message);
  });
});

describe.each(CHAT_PAIRS)('a client of $own with a model of $other', ({ clientDialect, target }) => {
  it('reads the stream that the model sent', () => {
    fc.assert(
      fc.property(chatResponse, fc.integer({ min: 1, max: 40 }), (response, pieceLength) => {
        const sent = readStream(target, writeStream(target, streamOf(response, pieceLength)), pieceLength);
        expectStream(
          readStream(clientDialect, writeStream(clientDialect, sent.parts), pieceLength),
          response,
          [clientDialect, target],
        );
      }),
      RUNS,
    );
  });
});
