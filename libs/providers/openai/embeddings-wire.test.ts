import { describe, expect, it } from 'vitest';
import { createEmbeddingsWire, OPENAI_EMBEDDINGS } from './embeddings-wire.ts';

const passThrough = (wire: ReturnType<typeof createEmbeddingsWire>, body: string): string => {
  const call = wire.encodePassThrough({
    body: Buffer.from(body),
    model: 'a-model',
    stream: false,
    forwardedHeaders: {},
  });
  return Buffer.from(call.body).toString();
};

describe("a client's own bytes", () => {
  const body = '{"model":"mistral/a-model","input":["one"],"dimensions":8,"unknown":1e2}';

  it('go through but for the model', () => {
    expect(passThrough(createEmbeddingsWire(), body)).toBe(
      '{"model":"a-model","input":["one"],"dimensions":8,"unknown":1e2}',
    );
  });

  it('name the dimensions as the server does', () => {
    const wire = createEmbeddingsWire({ ...OPENAI_EMBEDDINGS, dimensions: 'output_dimension' });
    expect(passThrough(wire, body)).toBe(
      '{"model":"a-model","input":["one"],"output_dimension":8,"unknown":1e2}',
    );
  });
});
