import { describe, expect, it } from 'vitest';
import type { ChatRequest } from '#contracts/inference';
import { Inexpressible } from '#domain/inexpressible';
import { createResponsesWire, OPENAI_RESPONSES, OTHER_RESPONSES } from './responses-wire.ts';

const responsesWire = createResponsesWire(OPENAI_RESPONSES);
const RESPONSE = { id: 'resp_1', model: 'gpt-x', status: 'completed', output: [] };

describe('zeros for usage', () => {
  const zeros = { input_tokens: 0, output_tokens: 0, total_tokens: 0 };
  const usageOf = (output: object[]) =>
    responsesWire.readAnswer(Buffer.from(JSON.stringify({ ...RESPONSE, output, usage: zeros }))).usage;

  it('beside an answer are no count of it', () => {
    expect(usageOf([{ type: 'message', content: [{ type: 'output_text', text: 'Hi' }] }]).source).toBe(
      'none',
    );
    expect(usageOf([])).toMatchObject({ source: 'provider', tokens: { input: 0, output: 0 } });
  });
});

describe('a server of the dialect that is not OpenAI', () => {
  const wire = createResponsesWire(OTHER_RESPONSES);

  it("is neither given OpenAI's proofs of reasoning nor asked for its own", () => {
    const seal = { origin: 'openai', kind: 'encrypted', value: 'g' } as const;
    const request: ChatRequest = {
      stream: false,
      system: [],
      messages: [
        { role: 'user', content: [{ type: 'text', text: 'hello' }] },
        {
          role: 'assistant',
          content: [
            { type: 'reasoning', text: 'hm', seal },
            { type: 'text', text: 'Hi' },
          ],
        },
      ],
      tools: [],
      stop: [],
      reasoning: { shown: true },
    };
    const inexpressible = new Inexpressible({ drop: false });
    const { body } = wire.encodeRequest({ request, model: 'grok-x', inexpressible });
    expect(Buffer.from(body).toString()).not.toContain('encrypted_content":"g"');
    expect(wire.suits).toBeUndefined();
    expect(responsesWire.suits?.(request)).toBe(true);
    const output = [{ type: 'reasoning', id: 'rs_1', summary: [], encrypted_content: 'g' }];
    const answer = Buffer.from(JSON.stringify({ ...RESPONSE, output }));
    expect(wire.decodeResponse(answer).content).toEqual([]);
    expect(responsesWire.decodeResponse(answer).content).toHaveLength(1);
  });
});
