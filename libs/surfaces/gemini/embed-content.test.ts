import { describe, expect, it } from 'vitest';
import { Inexpressible } from '#domain/inexpressible';
import { geminiEmbedContent } from './embed-content.ts';

const content = (...texts: string[]) => ({ parts: texts.map((text) => ({ text })) });
const decode = (body: object) =>
  geminiEmbedContent.decodeRequest({
    body,
    stream: false,
    inexpressible: new Inexpressible({ drop: false }),
  });
const usage = { source: 'provider' as const, tokens: { input: 5 } };

describe('requests for embeddings', () => {
  const batch = {
    requests: ['a', 'b'].map((text) => ({
      model: 'models/m',
      content: content(text),
      taskType: 'RETRIEVAL_QUERY',
      outputDimensionality: 8,
    })),
  };

  it('are read one by one and in batches', () => {
    expect(decode({ content: content('a', 'b') })).toEqual({ inputs: ['a\nb'] });
    expect(decode(batch)).toEqual({ inputs: ['a', 'b'], taskType: 'RETRIEVAL_QUERY', dimensions: 8 });
    expect(geminiEmbedContent.readRequest(batch, { model: 'm' })).toMatchObject({
      model: 'm',
      stream: false,
    });
  });

  it('are answered in the shape they came in', () => {
    const response = { model: 'm', vectors: [[1, 2]], usage };
    expect(geminiEmbedContent.encodeResponse(response, { content: content('a') })).toEqual({
      embedding: { values: [1, 2] },
      usageMetadata: { promptTokenCount: 5, totalTokenCount: 5 },
    });
    expect(geminiEmbedContent.encodeResponse(response, batch)).toMatchObject({
      embeddings: [{ values: [1, 2] }],
    });
  });

  it.each([
    ['requests', { requests: [] }],
    ['requests.0.content', { requests: [{}] }],
    ['content', {}],
    ['content.parts', { content: {} }],
  ])('are refused by the name of %s', (param, body) => {
    expect(() => geminiEmbedContent.readRequest(body, { model: 'm' })).toThrow(
      expect.objectContaining({ code: 'invalid_request', param }),
    );
  });

  it.each([
    ['title', { content: content('a'), title: 'T' }],
    ['requests.1.taskType', { requests: [batch.requests[0], { content: content('b') }] }],
    ['content.parts.0.text', { content: { parts: [{ inlineData: {} }] } }],
  ])('name %s, which no other provider knows', (param, body) => {
    expect(() => decode(body)).toThrow(expect.objectContaining({ code: 'invalid_request', param }));
  });
});
