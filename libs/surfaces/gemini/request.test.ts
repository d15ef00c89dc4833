import { describe, expect, it } from 'vitest';
import { FloError } from '#domain/errors';
import { Inexpressible } from '#domain/inexpressible';
import { wrapSeal } from '../seal-text.ts';
import { decodeGenerateRequest, readGenerateRequest } from './request.ts';

const BODY = { contents: [{ role: 'user', parts: [{ text: 'hello' }] }] };

const decode = (body: object, inexpressible = new Inexpressible({ drop: false })) =>
  decodeGenerateRequest({ body, stream: false, inexpressible });

const paramOf = (run: () => unknown): string | undefined => {
  try {
    run();
  } catch (error) {
    if (error instanceof FloError && error.code === 'invalid_request') return error.param;
    throw error;
  }
  throw new Error('nothing was refused');
};

describe('what admission reads of a request', () => {
  it('is the model and the stream of the path, and the bound of the body', () => {
    expect(
      readGenerateRequest(
        { ...BODY, generation_config: { max_output_tokens: 7 } },
        { model: 'google/gemini-2.5-flash', stream: true, streamFraming: 'json_array' },
      ),
    ).toEqual({
      model: 'google/gemini-2.5-flash',
      stream: true,
      streamFraming: 'json_array',
      maxOutputTokens: 7,
      endUser: null,
      metadata: {},
    });
  });

  it('leaves what it does not know to the provider', () => {
    expect(() => readGenerateRequest({ ...BODY, unheard_of: 1 }, { model: 'm' })).not.toThrow();
  });

  it.each([
    ['contents', {}],
    ['contents', { contents: 'hello' }],
    ['contents', { contents: [] }],
    ['contents.0', { contents: ['hello'] }],
    ['contents.0.parts', { contents: [{ role: 'user' }] }],
    ['generationConfig', { ...BODY, generationConfig: 5 }],
    ['generationConfig.maxOutputTokens', { ...BODY, generationConfig: { maxOutputTokens: 0 } }],
  ])('names %s where it is wrong', (param, body) => {
    expect(paramOf(() => readGenerateRequest(body, { model: 'm' }))).toBe(param);
  });
});

describe('a request in canonical form', () => {
  it('holds everything the API can ask of any provider', () => {
    const request = decode({
      systemInstruction: { parts: [{ text: 'Be brief.' }] },
      contents: [
        {
          parts: [
            { text: 'Look.' },
            { inlineData: { mimeType: 'image/png', data: 'AA-_' } },
            { fileData: { mimeType: 'image/jpeg', fileUri: 'https://example.com/a.jpg' } },
            { inline_data: { mime_type: 'application/pdf', data: 'BBBB' } },
            { inlineData: { mimeType: 'audio/mpeg', data: 'CCCC' } },
          ],
        },
        {
          role: 'model',
          parts: [
            { text: 'I th', thought: true },
            { text: 'ink.', thought: true },
            { text: '', thought: true, thoughtSignature: 'sig1' },
            { text: 'Looking.' },
            { functionCall: { name: 'look', args: { place: 'Köln' } }, thoughtSignature: 'sig2' },
            { functionCall: { name: 'look', args: {} } },
          ],
        },
        {
          role: 'user',
          parts: [
            { functionResponse: { name: 'look', response: { output: 'fog' } } },
            { functionResponse: { name: 'look', response: { error: 'dark' } } },
          ],
        },
      ],
      tools: [
        {
          functionDeclarations: [
            {
              name: 'look',
              description: 'Looks',
              parameters: {
                type: 'OBJECT',
                properties: { place: { type: 'STRING', nullable: true } },
                propertyOrdering: ['place'],
              },
            },
          ],
        },
        { functionDeclarations: [{ name: 'now' }] },
      ],
      toolConfig: { functionCallingConfig: { mode: 'ANY' } },
      generationConfig: {
        stopSequences: ['END'],
        responseMimeType: 'application/json',
        responseJsonSchema: { type: 'object' },
        candidateCount: 1,
        maxOutputTokens: 9,
        temperature: 0.5,
        topP: 0.9,
        topK: 4,
        seed: -3,
        presencePenalty: 0.1,
        frequencyPenalty: 0.2,
        responseLogprobs: true,
        logprobs: 2,
        thinkingConfig: { includeThoughts: true, thinkingBudget: 512 },
        responseModalities: ['TEXT'],
      },
      safetySettings: [{ category: 'HARM_CATEGORY_HARASSMENT', threshold: 'BLOCK_NONE' }],
      serviceTier: 'flex',
    });
    expect(request).toEqual({
      stream: false,
      system: [{ type: 'text', text: 'Be brief.' }],
      messages: [
        {
          role: 'user',
          content: [
            { type: 'text', text: 'Look.' },
            { type: 'image', source: { kind: 'base64', mediaType: 'image/png', data: 'AA+/' } },
            { type: 'image', source: { kind: 'url', url: 'https://example.com/a.jpg' } },
            { type: 'document', source: { kind: 'base64', mediaType: 'application/pdf', data: 'BBBB' } },
            { type: 'audio', format: 'mp3', data: 'CCCC' },
          ],
        },
        {
          role: 'assistant',
          content: [
            {
              type: 'reasoning',
              text: 'I think.',
              seal: { origin: 'google', kind: 'signature', value: 'sig1' },
            },
            { type: 'text', text: 'Looking.' },
            {
              type: 'tool_call',
              id: 'call_0',
              name: 'look',
              argumentsJson: '{"place":"Köln"}',
              seal: { origin: 'google', kind: 'signature', value: 'sig2' },
            },
            { type: 'tool_call', id: 'call_1', name: 'look', argumentsJson: '{}' },
          ],
        },
        {
          role: 'user',
          content: [
            {
              type: 'tool_result',
              toolCallId: 'call_0',
              content: [{ type: 'text', text: 'fog' }],
              isError: false,
            },
            {
              type: 'tool_result',
              toolCallId: 'call_1',
              content: [{ type: 'text', text: 'dark' }],
              isError: true,
            },
          ],
        },
      ],
      tools: [
        {
          name: 'look',
          description: 'Looks',
          inputSchema: { type: 'object', properties: { place: { type: ['string', 'null'] } } },
        },
        { name: 'now', inputSchema: { type: 'object', properties: {} } },
      ],
      toolChoice: { type: 'required' },
      outputFormat: { type: 'json_schema', schema: { type: 'object' }, strict: true },
      reasoning: { budgetTokens: 512, shown: true },
      maxOutputTokens: 9,
      temperature: 0.5,
      topP: 0.9,
      topK: 4,
      seed: -3,
      presencePenalty: 0.1,
      frequencyPenalty: 0.2,
      logprobs: 2,
      serviceTier: 'flex',
      stop: ['END'],
    });
  });

  it('takes ids of calls where they are given, in any order', () => {
    const { messages } = decode({
      contents: [
        ...BODY.contents,
        { role: 'model', parts: ['a', 'b'].map((id) => ({ functionCall: { id, name: 'f', args: {} } })) },
        {
          role: 'user',
          parts: ['b', 'a'].map((id) => ({ functionResponse: { id, name: 'f', response: { x: id } } })),
        },
      ],
    });
    expect(messages[2]?.content).toMatchObject([
      { toolCallId: 'b', content: [{ text: '{"x":"b"}' }] },
      { toolCallId: 'a', content: [{ text: '{"x":"a"}' }] },
    ]);
  });

  it('gives another provider its own proof back', () => {
    const seal = { origin: 'anthropic', kind: 'signature', value: 'EqQB' } as const;
    const { messages } = decode({
      contents: [
        ...BODY.contents,
        { role: 'model', parts: [{ text: 'hm', thought: true, thoughtSignature: wrapSeal(seal) }] },
        ...BODY.contents,
      ],
    });
    expect(messages[1]?.content).toEqual([{ type: 'reasoning', text: 'hm', seal }]);
  });

  it('reads a choice among some functions as one among these alone', () => {
    const asked = (names: string[]) =>
      decode({
        ...BODY,
        tools: [{ functionDeclarations: [{ name: 'a' }, { name: 'b' }, { name: 'c' }] }],
        toolConfig: { functionCallingConfig: { mode: 'ANY', allowedFunctionNames: names } },
      });
    expect(asked(['a'])).toMatchObject({ tools: [{ name: 'a' }], toolChoice: { type: 'tool', name: 'a' } });
    expect(asked(['c', 'a'])).toMatchObject({
      tools: [{ name: 'a' }, { name: 'c' }],
      toolChoice: { type: 'required' },
    });
    expect(() => asked(['z'])).toThrow(/allowedFunctionNames/);
  });

  it.each([
    [{ thinkingBudget: -1 }, {}],
    [{ thinkingBudget: 0 }, { budgetTokens: 0 }],
    [{ thinkingLevel: 'low' }, { effort: 'low' }],
    [{ includeThoughts: false }, { shown: false }],
  ])('reads the thinking %j as %j', (thinkingConfig, reasoning) => {
    expect(decode({ ...BODY, generationConfig: { thinkingConfig } }).reasoning).toEqual(reasoning);
  });

  it.each([
    ['tools.0.googleSearch', { tools: [{ googleSearch: {} }] }],
    ['tools.1.codeExecution', { tools: [{ functionDeclarations: [] }, { codeExecution: {} }] }],
    ['cachedContent', { cachedContent: 'cachedContents/1' }],
    ['safetySettings', { safetySettings: [{ threshold: 'BLOCK_LOW_AND_ABOVE' }] }],
    ['generationConfig.candidateCount', { generationConfig: { candidateCount: 2 } }],
    ['generationConfig.speechConfig', { generationConfig: { speechConfig: {} } }],
    ['generationConfig.responseModalities', { generationConfig: { responseModalities: ['IMAGE'] } }],
    ['toolConfig.retrievalConfig', { toolConfig: { retrievalConfig: {} } }],
    ['contents.0.parts.0.videoMetadata', { contents: [{ parts: [{ text: 'x', videoMetadata: {} }] }] }],
    [
      'tools.0.functionDeclarations.0.behavior',
      { tools: [{ functionDeclarations: [{ name: 'f', behavior: 'NON_BLOCKING' }] }] },
    ],
    ['unheardOf', { unheardOf: 1 }],
  ])('names %s, which no other provider knows, or drops it where that is asked for', (param, changes) => {
    expect(paramOf(() => decode({ ...BODY, ...changes }))).toBe(param);
    const lenient = new Inexpressible({ drop: true });
    decode({ ...BODY, ...changes }, lenient);
    expect(lenient.dropped).toEqual([param]);
  });

  it.each([
    ['contents.0.parts.0', [{ parts: [{}] }]],
    ['contents.0.role', [{ role: 'system', parts: [] }]],
    ['contents.0.parts.0.fileData.fileUri', [{ parts: [{ fileData: { fileUri: 'gs://a/b' } }] }]],
    [
      'contents.0.parts.0.fileData.fileUri',
      [{ parts: [{ fileData: { fileUri: 'https://generativelanguage.googleapis.com/v1beta/files/x' } }] }],
    ],
    [
      'contents.0.parts.0.inlineData.mimeType',
      [{ parts: [{ inlineData: { mimeType: 'video/mp4', data: '' } }] }],
    ],
    ['contents.0.parts.0.functionResponse.name', [{ parts: [{ functionResponse: { name: 'f' } }] }]],
    ['contents.0.parts.0.executableCode', [{ role: 'model', parts: [{ executableCode: {} }] }]],
  ])('refuses by its name %s, which would change the question', (param, contents) => {
    expect(paramOf(() => decode({ contents }, new Inexpressible({ drop: true })))).toBe(param);
  });
});
