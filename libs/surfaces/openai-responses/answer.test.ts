import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ChatResponse, StreamPart } from '#contracts/inference';
import type { Usage } from '#contracts/usage';
import { FloError } from '#domain/errors';
import { unwrapSeal } from '../seal-text.ts';
import type { EncodeContext } from '../surface.ts';
import { openaiResponses } from './openai-responses.ts';

const CONTEXT: EncodeContext = { createdAtMs: 1_700_000_000_999, streamFraming: 'sse' };
const USAGE: Usage = {
  source: 'provider',
  tokens: { input: 5, cache_read: 3, cache_write_5m: 2, output: 7 },
  reasoning: 4,
  serviceTier: 'priority',
};
const ENCODED_USAGE = {
  input_tokens: 10,
  input_tokens_details: { cached_tokens: 3, cache_write_tokens: 2 },
  output_tokens: 7,
  output_tokens_details: { reasoning_tokens: 4 },
  total_tokens: 17,
};
const BODY = { model: 'm', instructions: 'Be brief.', temperature: 0.5, metadata: { a: 'b' } };

type Event = { type: string; sequence_number: number; response?: { output: object[]; status: string } };

const readStream = (text: string): Event[] =>
  text
    .split('\n\n')
    .slice(0, -1)
    .map((event) => {
      const [, type = '', data = ''] = /^event: (\S+)\ndata: ([^]*)$/.exec(event) ?? [];
      const parsed: Event = JSON.parse(data);
      expect(parsed.type).toBe(type);
      return parsed;
    });

const stream = (parts: StreamPart[]): Event[] => {
  const encoder = openaiResponses.createStreamEncoder(BODY, CONTEXT);
  return readStream(parts.map((part) => encoder.encode(part)).join(''));
};

describe('an answer as a response', () => {
  const seal = { origin: 'anthropic', kind: 'signature', value: 'EqQB' } as const;
  const callSeal = { origin: 'google', kind: 'signature', value: 'sig' } as const;
  const response: ChatResponse = {
    id: 'msg_1',
    model: 'claude-x',
    content: [
      { type: 'reasoning', text: 'hm', seal },
      { type: 'text', text: 'Hello', citations: [{ url: 'https://a.b', title: 'A', start: 0, end: 5 }] },
      { type: 'tool_call', id: 'a', name: 'f', argumentsJson: '{"x": 1.0}', seal: callSeal },
    ],
    finishReason: 'tool_calls',
    logprobs: [{ token: 'Hello', logprob: -0.5, alternatives: [] }],
    usage: USAGE,
  };

  it('has an item for each part, totals of the usage, and what was asked', () => {
    const encoded = openaiResponses.encodeResponse(response, CONTEXT, BODY) as {
      output: { encrypted_content: string }[];
    };
    expect(encoded).toMatchObject({
      id: 'msg_1',
      object: 'response',
      created_at: 1_700_000_000,
      status: 'completed',
      error: null,
      incomplete_details: null,
      model: 'claude-x',
      instructions: 'Be brief.',
      temperature: 0.5,
      metadata: { a: 'b' },
      store: false,
      service_tier: 'priority',
      output: [
        { type: 'reasoning', summary: [{ type: 'summary_text', text: 'hm' }] },
        {
          type: 'message',
          role: 'assistant',
          status: 'completed',
          content: [
            {
              type: 'output_text',
              text: 'Hello',
              annotations: [
                { type: 'url_citation', url: 'https://a.b', title: 'A', start_index: 0, end_index: 5 },
              ],
              logprobs: [
                { token: 'Hello', logprob: -0.5, bytes: [72, 101, 108, 108, 111], top_logprobs: [] },
              ],
            },
          ],
        },
        { type: 'reasoning', summary: [] },
        { type: 'function_call', call_id: 'a', name: 'f', arguments: '{"x": 1.0}', status: 'completed' },
      ],
      usage: ENCODED_USAGE,
    });
    const [first, , second] = encoded.output;
    expect(unwrapSeal(first?.encrypted_content ?? '')).toEqual({ seal, toolCallId: null });
    expect(unwrapSeal(second?.encrypted_content ?? '')).toEqual({ seal: callSeal, toolCallId: 'a' });
  });

  it.each([
    ['length', 'Half', 'incomplete', { reason: 'max_output_tokens' }],
    ['content_filter', '', 'incomplete', { reason: 'content_filter' }],
    ['stop_sequence', 'x', 'completed', null],
  ] as const)('that ends with %s', (finishReason, text, status, details) => {
    const content = text === '' ? [] : [{ type: 'text' as const, text }];
    expect(
      openaiResponses.encodeResponse({ ...response, content, finishReason }, CONTEXT, BODY),
    ).toMatchObject({ status, incomplete_details: details });
  });

  it('that is a refusal is complete', () => {
    const content = [{ type: 'refusal' as const, text: 'No.' }];
    expect(
      openaiResponses.encodeResponse({ ...response, content, finishReason: 'content_filter' }, CONTEXT, BODY),
    ).toMatchObject({
      status: 'completed',
      output: [{ type: 'message', content: [{ type: 'refusal', refusal: 'No.' }] }],
    });
  });
});

describe('an answer as a stream of events', () => {
  it('opens, writes and closes each item, and gives the whole at the end', () => {
    const events = stream([
      { type: 'start', id: 'r', model: 'm' },
      { type: 'reasoning_delta', text: 'hm' },
      { type: 'reasoning_seal', seal: { origin: 'openai', kind: 'encrypted', value: 'gAAA' } },
      { type: 'logprobs', tokens: [{ token: 'Hi', logprob: -1, alternatives: [] }] },
      { type: 'text_delta', text: 'Hi' },
      { type: 'citation', citation: { url: 'https://a.b' } },
      { type: 'tool_call_start', index: 0, id: 'a', name: 'f' },
      { type: 'tool_call_delta', index: 0, argumentsDelta: '{}' },
      { type: 'finish', reason: 'tool_calls' },
      { type: 'usage', usage: USAGE },
      { type: 'end' },
    ]);
    expect(events.map(({ type }) => type.replace('response.', ''))).toEqual([
      'created',
      'in_progress',
      'output_item.added',
      'reasoning_summary_part.added',
      'reasoning_summary_text.delta',
      'reasoning_summary_text.done',
      'reasoning_summary_part.done',
      'output_item.done',
      'output_item.added',
      'content_part.added',
      'output_text.delta',
      'output_text.annotation.added',
      'output_text.done',
      'content_part.done',
      'output_item.done',
      'output_item.added',
      'function_call_arguments.delta',
      'function_call_arguments.done',
      'output_item.done',
      'completed',
    ]);
    expect(events.map(({ sequence_number: number }) => number)).toEqual([...events.keys()]);
    expect(events[10]).toMatchObject({
      delta: 'Hi',
      logprobs: [{ token: 'Hi' }],
      content_index: 0,
      output_index: 1,
    });
    expect(events[7]).toMatchObject({ item: { encrypted_content: 'gAAA' } });
    expect(events.at(-1)).toMatchObject({ response: { status: 'completed', usage: ENCODED_USAGE } });
  });

  const text = fc.string({ minLength: 1, maxLength: 20, unit: 'grapheme' });
  const content = fc.array(
    fc.oneof(
      fc.record({ type: fc.constant('text' as const), text }),
      fc.record({ type: fc.constant('refusal' as const), text }),
      fc.record({
        type: fc.constant('reasoning' as const),
        text,
        seal: fc.constant({ origin: 'google' as const, kind: 'signature' as const, value: 's' }),
      }),
      fc.record({
        type: fc.constant('tool_call' as const),
        id: text,
        name: text,
        argumentsJson: fc.json(),
      }),
    ),
    { maxLength: 6 },
  );

  it('ends with the very output of an answer that is not streamed, however it is cut', () => {
    fc.assert(
      fc.property(content, fc.integer({ min: 1, max: 7 }), (parts, pieceLength) => {
        // Neighbouring texts of a kind are one when they are streamed.
        const answered = parts.filter(
          ({ type }, index) => type === 'tool_call' || type !== parts[index - 1]?.type,
        );
        const piecesOf = (whole: string): string[] =>
          whole.match(new RegExp(`[^]{1,${pieceLength}}`, 'gu')) ?? [];
        const events = stream([
          { type: 'start', id: 'r', model: 'm' },
          ...answered.flatMap((part, index): StreamPart[] => {
            switch (part.type) {
              case 'text':
                return piecesOf(part.text).map((piece) => ({ type: 'text_delta', text: piece }));
              case 'refusal':
                return piecesOf(part.text).map((piece) => ({ type: 'refusal_delta', text: piece }));
              case 'reasoning':
                return [
                  ...piecesOf(part.text).map((piece): StreamPart => ({
                    type: 'reasoning_delta',
                    text: piece,
                  })),
                  { type: 'reasoning_seal', seal: part.seal },
                ];
              case 'tool_call':
                return [
                  { type: 'tool_call_start', index, id: part.id, name: part.name },
                  ...piecesOf(part.argumentsJson).map((argumentsDelta): StreamPart => ({
                    type: 'tool_call_delta',
                    index,
                    argumentsDelta,
                  })),
                ];
            }
          }),
          { type: 'finish', reason: 'stop' },
          { type: 'usage', usage: USAGE },
          { type: 'end' },
        ]);
        const whole = openaiResponses.encodeResponse(
          { id: 'r', model: 'm', content: answered, finishReason: 'stop', usage: USAGE },
          CONTEXT,
          BODY,
        );
        expect(events.at(-1)?.response).toEqual(JSON.parse(JSON.stringify(whole)));
        expect(events.map(({ sequence_number: number }) => number)).toEqual([...events.keys()]);
      }),
      { seed: 7, numRuns: 150 },
    );
  });

  it('ends with an error that is numbered after what was sent', () => {
    const error = new FloError('cut_stream', 'It broke off.');
    const encoder = openaiResponses.createStreamEncoder(BODY, CONTEXT);
    const tail = encoder.encode({ type: 'start', id: 'r', model: 'm' });
    const ending = openaiResponses.encodeStreamError(error, 'req_1', { framing: 'sse', tail });
    expect(readStream(ending)).toMatchObject([
      {
        type: 'error',
        sequence_number: 2,
        error: { message: 'It broke off.', type: 'server_error', code: 'cut_stream', param: null },
      },
    ]);
  });
});
