import { describe, expect, it } from 'vitest';
import { Inexpressible } from '#domain/inexpressible';
import { openaiEmbeddings } from './openai-embeddings.ts';

const BODY = { model: 'google/gemini-embedding-001', input: 'hello' };
const refusedFor = (param: string) => expect.objectContaining({ code: 'invalid_request', param });
const decode = (changes: object) =>
  openaiEmbeddings.decodeRequest({
    body: { ...BODY, ...changes },
    stream: false,
    inexpressible: new Inexpressible({ drop: false }),
  });

describe('a request for embeddings', () => {
  it.each([
    ['hello', ['hello']],
    [
      ['a', 'b'],
      ['a', 'b'],
    ],
    [[1, 2], [[1, 2]]],
    [
      [[1], [2, 3]],
      [[1], [2, 3]],
    ],
  ])('takes the input %j', (input, inputs) => {
    expect(decode({ input }).inputs).toEqual(inputs);
    expect(openaiEmbeddings.readRequest({ ...BODY, input }, {})).toMatchObject({ model: BODY.model });
  });

  it('carries what there is to ask', () => {
    expect(decode({ dimensions: 8, user: 'u', encoding_format: 'base64' })).toEqual({
      inputs: ['hello'],
      dimensions: 8,
      endUser: 'u',
    });
    expect(() => decode({ unheard_of: 1 })).toThrow(refusedFor('unheard_of'));
  });

  it.each([
    ['model', { model: '' }],
    ['input', { input: undefined }],
    ['input', { input: [] }],
    ['input', { input: '' }],
    ['input.1', { input: ['a', ''] }],
    ['input.1', { input: ['a', {}] }],
    ['input.1.0', { input: [[1], ['a']] }],
    ['input.0', { input: [1.5] }],
    ['input', { input: Array.from({ length: 2_049 }, () => 'a') }],
    ['encoding_format', { encoding_format: 'int8' }],
    ['user', { user: 5 }],
  ])('is refused by the name of %s', (param, changes) => {
    expect(() => openaiEmbeddings.readRequest({ ...BODY, ...changes }, {})).toThrow(refusedFor(param));
  });
});

describe('embeddings', () => {
  const response = {
    model: 'm',
    vectors: [
      [0.5, -1],
      [2, 0],
    ],
    usage: { source: 'provider' as const, tokens: { input: 5 } },
  };

  it('are lists of numbers', () => {
    expect(openaiEmbeddings.encodeResponse(response, BODY)).toEqual({
      object: 'list',
      data: [
        { object: 'embedding', index: 0, embedding: [0.5, -1] },
        { object: 'embedding', index: 1, embedding: [2, 0] },
      ],
      model: 'm',
      usage: { prompt_tokens: 5, total_tokens: 5 },
    });
  });

  it('are base64 of their 32-bit numbers where that is asked for', () => {
    const encoded = openaiEmbeddings.encodeResponse(response, { ...BODY, encoding_format: 'base64' }) as {
      data: { embedding: string }[];
    };
    const bytes = Buffer.from(encoded.data[0]?.embedding ?? '', 'base64');
    expect([bytes.readFloatLE(0), bytes.readFloatLE(4), bytes.length]).toEqual([0.5, -1, 8]);
  });

  it('have no usage that nobody knows', () => {
    const usage = { source: 'none' as const, tokens: {} };
    expect(openaiEmbeddings.encodeResponse({ ...response, usage }, BODY)).not.toHaveProperty('usage');
  });
});
