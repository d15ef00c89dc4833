import { describe, expect, it } from 'vitest';
import type { ChatMessage, ChatRequest } from '#contracts/inference';
import { Inexpressible } from '#domain/inexpressible';
import { embedContent } from './embed-wire.ts';
import { countTokens } from './count-tokens-wire.ts';
import { generateContent } from './generate-wire.ts';

const HELLO: ChatMessage = { role: 'user', content: [{ type: 'text', text: 'hello' }] };
const TOOL = { name: 'look', inputSchema: { type: 'object' } };

const ask = (changes: Partial<ChatRequest>, model = 'gemini-2.5-flash', drop = false) => {
  const request: ChatRequest = {
    stream: false,
    system: [],
    messages: [HELLO],
    tools: [],
    stop: [],
    ...changes,
  };
  const inexpressible = new Inexpressible({ drop });
  const call = generateContent.encodeRequest({ request, model, inexpressible });
  const sent: unknown = JSON.parse(Buffer.from(call.body).toString('utf8'));
  return { path: call.path, sent, dropped: inexpressible.dropped };
};
const answerOf = (answer: object) => generateContent.decodeResponse(Buffer.from(JSON.stringify(answer)));
const candidate = (parts: object[], more: object = {}) => ({
  candidates: [{ content: { role: 'model', parts }, finishReason: 'STOP', ...more }],
  responseId: 'r1',
  modelVersion: 'gemini-x',
});

describe('a request to the Gemini API', () => {
  it('names the model in the path, and how it is to be answered', () => {
    expect(ask({}).path).toBe('/models/gemini-2.5-flash:generateContent');
    expect(ask({ stream: true }, 'tunedModels/my model').path).toBe(
      '/tunedModels/my%20model:streamGenerateContent?alt=sse',
    );
  });

  it('says everything that was asked', () => {
    expect(
      ask({
        system: [{ type: 'text', text: 'Be brief.' }],
        tools: [{ ...TOOL, strict: true }],
        outputFormat: { type: 'json_schema', schema: { type: 'object' } },
        logprobs: 2,
        seed: 7,
        topK: 4,
        stop: ['END'],
        serviceTier: 'flex',
      }).sent,
    ).toEqual({
      systemInstruction: { parts: [{ text: 'Be brief.' }] },
      contents: [{ role: 'user', parts: [{ text: 'hello' }] }],
      tools: [{ functionDeclarations: [{ name: 'look', parametersJsonSchema: { type: 'object' } }] }],
      toolConfig: { functionCallingConfig: { mode: 'VALIDATED' } },
      generationConfig: {
        stopSequences: ['END'],
        topK: 4,
        seed: 7,
        responseLogprobs: true,
        logprobs: 2,
        responseMimeType: 'application/json',
        responseJsonSchema: { type: 'object' },
      },
      serviceTier: 'flex',
    });
  });

  it.each([
    ['gemini-2.5-flash', { effort: 'high' }, { thinkingBudget: 24_576 }],
    ['gemini-2.5-flash', {}, { thinkingBudget: -1 }],
    ['gemini-2.5-flash', { budgetTokens: 9, shown: true }, { thinkingBudget: 9, includeThoughts: true }],
    ['gemini-3-pro', { effort: 'low' }, { thinkingLevel: 'LOW' }],
    ['gemini-3-pro', {}, {}],
    ['gemini-3-flash', { effort: 'none' }, { thinkingBudget: 0 }],
  ] as const)('asks %s to think %j', (model, reasoning, thinkingConfig) => {
    expect(ask({ reasoning }, model).sent).toMatchObject({ generationConfig: { thinkingConfig } });
  });

  it.each([
    [{ verbosity: 'low' }, 'verbosity'],
    [{ reasoning: { effort: 'max' } }, 'reasoning.effort'],
    [{ parallelToolCalls: false, tools: [TOOL] }, 'parallelToolCalls'],
  ] as const)('refuses %j by name', (changes, param) => {
    expect(() => ask(changes as Partial<ChatRequest>)).toThrow(expect.objectContaining({ param }));
    expect(ask(changes as Partial<ChatRequest>, 'gemini-3-pro', true).dropped).toEqual([param]);
  });

  it('answers calls by their names, and signs calls that another model made', () => {
    const call = (id: string, seal?: string) => ({
      type: 'tool_call' as const,
      id,
      name: `look_${id}`,
      argumentsJson: '{"a":1}',
      ...(seal !== undefined && {
        seal: { origin: 'google' as const, kind: 'signature' as const, value: seal },
      }),
    });
    const messages: ChatMessage[] = [
      HELLO,
      { role: 'assistant', content: [call('a'), call('b')] },
      {
        role: 'user',
        content: [
          { type: 'text', text: 'And now?' },
          { type: 'tool_result', toolCallId: 'b', content: [{ type: 'text', text: 'no' }], isError: true },
        ],
      },
      { role: 'assistant', content: [call('c', 'sig')] },
    ];
    const functionCall = (id: string) => ({ id, name: `look_${id}`, args: { a: 1 } });
    expect(ask({ messages }, 'gemini-3-pro').sent).toMatchObject({
      contents: [
        {},
        {
          role: 'model',
          parts: [
            { functionCall: functionCall('a'), thoughtSignature: 'skip_thought_signature_validator' },
            { functionCall: functionCall('b') },
          ],
        },
        {
          role: 'user',
          parts: [
            { functionResponse: { id: 'b', name: 'look_b', response: { error: 'no' } } },
            { text: 'And now?' },
          ],
        },
        { role: 'model', parts: [{ functionCall: functionCall('c'), thoughtSignature: 'sig' }] },
      ],
    });
    expect(JSON.stringify(ask({ messages }).sent)).not.toContain('skip_thought');
  });
});

describe('an answer of the Gemini API', () => {
  const seal = { origin: 'google', kind: 'signature', value: 'sig' };

  it('becomes thoughts, text and calls, each with its seal', () => {
    expect(
      answerOf(
        candidate([
          { text: 'Hm.', thought: true },
          { text: 'Yes.', thoughtSignature: 'sig' },
          { executableCode: { code: 'x' } },
          { functionCall: { name: 'now', args: {} }, thoughtSignature: 'sig' },
          { functionCall: { id: 'own', name: 'look', args: { a: 1 } } },
        ]),
      ),
    ).toMatchObject({
      id: 'r1',
      model: 'gemini-x',
      finishReason: 'tool_calls',
      content: [
        { type: 'reasoning', text: 'Hm.' },
        { type: 'text', text: 'Yes.' },
        { type: 'reasoning', text: '', seal },
        { type: 'tool_call', id: 'call_r1_0', name: 'now', argumentsJson: '{}', seal },
        { type: 'tool_call', id: 'own', name: 'look', argumentsJson: '{"a":1}' },
      ],
    });
  });

  it('cites by positions in the text, which the API counts in bytes', () => {
    const grounding = {
      groundingMetadata: {
        webSearchQueries: ['q'],
        groundingChunks: [{ web: { uri: 'https://a', title: 'A' } }],
        groundingSupports: [
          { segment: { startIndex: 8, endIndex: 11, text: 'zwo' }, groundingChunkIndices: [0, 9] },
        ],
      },
    };
    const response = answerOf(candidate([{ text: 'Größe zwo' }], grounding));
    expect(response.content).toEqual([
      {
        type: 'text',
        text: 'Größe zwo',
        citations: [{ url: 'https://a', title: 'A', citedText: 'zwo', start: 6, end: 9 }],
      },
    ]);
    expect(response.usage).toMatchObject({ source: 'none', serverToolCalls: { google_search: 1 } });
  });

  it('without candidates is a refusal of the prompt, or none at all', () => {
    expect(answerOf({ promptFeedback: { blockReason: 'SAFETY' } })).toMatchObject({
      content: [],
      finishReason: 'content_filter',
    });
    expect(() => answerOf({})).toThrow(expect.objectContaining({ code: 'malformed_answer' }));
  });
});

describe('a stream of the Gemini API', () => {
  const decode = (...answers: object[]) => {
    const decoder = generateContent.createStreamDecoder({ usageInjected: false });
    const parts = answers.flatMap((answer) => {
      const data = JSON.stringify(answer);
      return decoder.decode({ data }).parts;
    });
    return { parts, decoder };
  };

  it('is whole where it ends in good order after a reason, whose last one counts', () => {
    const { parts, decoder } = decode(
      { ...candidate([{ text: 'Half ' }]), usageMetadata: { promptTokenCount: 3 } },
      {
        ...candidate([{ text: 'a text' }], { finishReason: 'MAX_TOKENS' }),
        usageMetadata: { promptTokenCount: 3, candidatesTokenCount: 2, thoughtsTokenCount: 5 },
      },
    );
    expect(parts.map(({ type }) => type)).toEqual(['start', 'text_delta', 'text_delta']);
    expect(decoder.facts().usage.source).toBe('provider_partial');
    const usage = { source: 'provider', tokens: { input: 3, output: 7 }, reasoning: 5 };
    expect(decoder.finish?.().parts).toMatchObject([
      { type: 'finish', reason: 'length' },
      { type: 'usage', usage },
      { type: 'end' },
    ]);
    expect(decoder.facts().usage).toMatchObject(usage);
  });

  it('is cut without one', () => {
    const { decoder } = decode({ candidates: [{ content: { parts: [{ text: 'Half' }] } }] });
    expect(decoder.finish?.().parts).toEqual([]);
  });
});

describe('a body passed through to the Gemini API', () => {
  const pass = (wire: typeof embedContent | typeof countTokens | typeof generateContent, body: string) => {
    const call = wire.encodePassThrough({
      body: Buffer.from(body),
      model: 'm',
      stream: false,
      forwardedHeaders: {},
    });
    return { path: call.path, body: Buffer.from(call.body).toString('utf8') };
  };

  it('keeps its bytes but for the models it names', () => {
    const contents = '{ "contents":[1.0], "new":1e400 }';
    expect(pass(generateContent, contents)).toEqual({ path: '/models/m:generateContent', body: contents });
    expect(pass(countTokens, '{"generateContentRequest": {"model":"models/x","new":1.0}}').body).toBe(
      '{"generateContentRequest": {"model":"models/m","new":1.0}}',
    );
    expect(pass(embedContent, '{"requests":[ {"model":"x","new":1.0} , {"new":2}]}')).toEqual({
      path: '/models/m:batchEmbedContents',
      body: '{"requests":[ {"model":"models/m","new":1.0} , {"new":2}]}',
    });
    expect(pass(embedContent, '{"content":{}}').path).toBe('/models/m:embedContent');
  });
});
