import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ChatResponse, StreamPart } from '#contracts/inference';
import type { Usage } from '#contracts/usage';
import { FloError } from '#domain/errors';
import { unwrapSeal } from '../seal-text.ts';
import type { StreamFraming } from '#contracts/vocabulary';
import { geminiGenerateContent } from './generate-content.ts';

const USAGE: Usage = {
  source: 'provider',
  tokens: { input: 5, cache_read: 3, cache_write_5m: 2, input_audio: 1, output: 7 },
  reasoning: 4,
  serviceTier: 'default',
};
const ENCODED_USAGE = {
  promptTokenCount: 11,
  candidatesTokenCount: 3,
  totalTokenCount: 18,
  cachedContentTokenCount: 3,
  promptTokensDetails: [
    { modality: 'TEXT', tokenCount: 10 },
    { modality: 'AUDIO', tokenCount: 1 },
  ],
  thoughtsTokenCount: 4,
  serviceTier: 'standard',
};
const context = (streamFraming: StreamFraming = 'sse') => ({ createdAtMs: 0, streamFraming });

describe('an answer', () => {
  const seal = { origin: 'anthropic', kind: 'signature', value: 'EqQB' } as const;
  const response: ChatResponse = {
    id: 'msg_1',
    model: 'claude-x',
    content: [
      { type: 'reasoning', text: 'hm', seal },
      { type: 'text', text: 'Kö', citations: [] },
      { type: 'text', text: 'ln!', citations: [{ url: 'https://a.b', title: 'A', start: 0, end: 2 }] },
      { type: 'tool_call', id: 'a', name: 'f', argumentsJson: '{"x":1}' },
    ],
    finishReason: 'tool_calls',
    logprobs: [{ token: 'Kö', logprob: -0.5, alternatives: [{ token: 'K', logprob: -1 }] }],
    usage: USAGE,
  };

  it('has its parts, citations by bytes, and the usage as the API counts', () => {
    const encoded = geminiGenerateContent.encodeResponse(response, context()) as {
      candidates: [{ content: { parts: [{ thoughtSignature: string }] } }];
    };
    expect(encoded).toEqual({
      candidates: [
        {
          content: {
            role: 'model',
            parts: [
              { text: 'hm', thought: true, thoughtSignature: expect.any(String) },
              { text: 'Kö' },
              { text: 'ln!' },
              { functionCall: { id: 'a', name: 'f', args: { x: 1 } } },
            ],
          },
          finishReason: 'STOP',
          index: 0,
          citationMetadata: {
            citationSources: [{ startIndex: 3, endIndex: 5, uri: 'https://a.b', title: 'A' }],
          },
          logprobsResult: {
            chosenCandidates: [{ token: 'Kö', logProbability: -0.5 }],
            topCandidates: [{ candidates: [{ token: 'K', logProbability: -1 }] }],
          },
        },
      ],
      usageMetadata: ENCODED_USAGE,
      modelVersion: 'claude-x',
      responseId: 'msg_1',
    });
    expect(unwrapSeal(encoded.candidates[0].content.parts[0].thoughtSignature)).toEqual({
      seal,
      toolCallId: null,
    });
  });

  it('has no usage that nobody knows', () => {
    const encoded = geminiGenerateContent.encodeResponse(
      { ...response, usage: { source: 'none', tokens: {} } },
      context(),
    );
    expect(encoded).not.toHaveProperty('usageMetadata');
  });

  it.each([
    ['stop', 'STOP'],
    ['stop_sequence', 'STOP'],
    ['length', 'MAX_TOKENS'],
    ['content_filter', 'SAFETY'],
  ] as const)('ends with %s as %s', (finishReason, word) => {
    expect(geminiGenerateContent.encodeResponse({ ...response, finishReason }, context())).toMatchObject({
      candidates: [{ finishReason: word }],
    });
  });
});

type Chunk = {
  candidates: [{ content: { parts: { text?: string; functionCall?: object }[] }; finishReason?: string }];
};

const readStream = (text: string, framing: StreamFraming): Chunk[] =>
  framing === 'json_array'
    ? JSON.parse(text)
    : text
        .split('\n\n')
        .slice(0, -1)
        .map((event) => JSON.parse(event.slice('data: '.length)));

const encode = (parts: StreamPart[], framing: StreamFraming): string => {
  const encoder = geminiGenerateContent.createStreamEncoder({}, context(framing));
  return parts.map((part) => encoder.encode(part)).join('');
};

const START: StreamPart = { type: 'start', id: 'r', model: 'm' };

describe.each(['sse', 'json_array'] as const)('a streamed answer as %s', (framing) => {
  it('gives texts as they come, calls whole, and the end at the end', () => {
    const chunks = readStream(
      encode(
        [
          START,
          { type: 'reasoning_delta', text: 'hm' },
          { type: 'reasoning_seal', seal: { origin: 'google', kind: 'signature', value: 's' } },
          { type: 'text_delta', text: 'Hel' },
          { type: 'text_delta', text: 'lo' },
          { type: 'tool_call_start', index: 0, id: 'a', name: 'f' },
          { type: 'tool_call_start', index: 1, id: 'b', name: 'g' },
          { type: 'tool_call_delta', index: 1, argumentsDelta: '{"y":' },
          { type: 'tool_call_delta', index: 0, argumentsDelta: '{"x":1}' },
          { type: 'tool_call_delta', index: 1, argumentsDelta: '2}' },
          { type: 'finish', reason: 'length' },
          { type: 'usage', usage: USAGE },
          { type: 'end' },
        ],
        framing,
      ),
      framing,
    );
    expect(chunks.map(({ candidates: [{ content }] }) => content.parts)).toEqual([
      [{ text: 'hm', thought: true }],
      [{ text: '', thoughtSignature: 's' }],
      [{ text: 'Hel' }],
      [{ text: 'lo' }],
      [
        { functionCall: { id: 'a', name: 'f', args: { x: 1 } } },
        { functionCall: { id: 'b', name: 'g', args: { y: 2 } } },
      ],
    ]);
    expect(chunks.at(-1)).toMatchObject({
      candidates: [{ finishReason: 'MAX_TOKENS' }],
      usageMetadata: ENCODED_USAGE,
      responseId: 'r',
      modelVersion: 'm',
    });
    expect(chunks.slice(0, -1).some(({ candidates: [{ finishReason }] }) => finishReason !== undefined)).toBe(
      false,
    );
  });

  it('reassembles arguments and text, however they are cut', () => {
    fc.assert(
      fc.property(
        fc.string({ minLength: 1, unit: 'grapheme' }),
        fc.jsonValue({ maxDepth: 3 }),
        fc.integer({ min: 1, max: 7 }),
        (said, value, pieceLength) => {
          const piecesOf = (whole: string): string[] =>
            whole.match(new RegExp(`[^]{1,${pieceLength}}`, 'gu')) ?? [];
          const chunks = readStream(
            encode(
              [
                START,
                ...piecesOf(said).map((text): StreamPart => ({ type: 'text_delta', text })),
                { type: 'tool_call_start', index: 0, id: 'a', name: 'f' },
                ...piecesOf(JSON.stringify({ value })).map((argumentsDelta): StreamPart => ({
                  type: 'tool_call_delta',
                  index: 0,
                  argumentsDelta,
                })),
                { type: 'finish', reason: 'tool_calls' },
                { type: 'end' },
              ],
              framing,
            ),
            framing,
          );
          const parts = chunks.flatMap(({ candidates: [{ content }] }) => content.parts);
          expect(parts.map(({ text }) => text ?? '').join('')).toBe(said);
          const args: unknown = JSON.parse(JSON.stringify({ value }));
          expect(parts.at(-1)).toEqual({ functionCall: { id: 'a', name: 'f', args } });
        },
      ),
      { seed: 5, numRuns: 100 },
    );
  });

  it('ends with an error where it breaks off, before and after its first part', () => {
    const error = new FloError('overloaded', 'Busy.', { retryAfterMs: 1_500 });
    const begun = encode([START, { type: 'text_delta', text: 'x' }], framing);
    for (const tail of [begun, '']) {
      const text = tail + geminiGenerateContent.encodeStreamError(error, 'req_1', { framing, tail });
      expect(readStream(text, framing).at(-1)).toMatchObject({
        error: { code: 503, status: 'UNAVAILABLE', message: 'Busy.' },
      });
    }
  });
});

describe('a call that is written on after it has gone out', () => {
  it('is a malformed answer', () => {
    expect(() =>
      encode(
        [
          START,
          { type: 'tool_call_start', index: 0, id: 'a', name: 'b' },
          { type: 'text_delta', text: 'x' },
          { type: 'tool_call_delta', index: 0, argumentsDelta: '{}' },
        ],
        'sse',
      ),
    ).toThrow(expect.objectContaining({ code: 'malformed_answer' }));
  });
});

describe('an error', () => {
  it.each([
    ['invalid_request', 400, 'INVALID_ARGUMENT', 'INVALID_REQUEST'],
    ['invalid_key', 401, 'UNAUTHENTICATED', 'API_KEY_INVALID'],
    ['forbidden', 403, 'PERMISSION_DENIED', 'FORBIDDEN'],
    ['model_not_found', 404, 'NOT_FOUND', 'MODEL_NOT_FOUND'],
    ['rate_limit_tokens', 429, 'RESOURCE_EXHAUSTED', 'RATE_LIMIT_TOKENS'],
    ['timeout', 504, 'DEADLINE_EXCEEDED', 'TIMEOUT'],
  ] as const)('gives %s with %i as %s', (code, status, word, reason) => {
    const error = new FloError(code, 'What to do.', { param: 'contents', retryAfterMs: 1_001 });
    expect(geminiGenerateContent.encodeError(error, 'req_1')).toMatchObject({
      status,
      headers: { 'retry-after': '2' },
      body: {
        error: {
          code: status,
          message: 'What to do.',
          status: word,
          details: [
            { reason, domain: 'flo2', metadata: { request_id: 'req_1' } },
            { fieldViolations: [{ field: 'contents' }] },
            { retryDelay: '1.001s' },
          ],
        },
      },
    });
  });
});
