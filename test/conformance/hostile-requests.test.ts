/** Whatever a client sends, a surface reads it or refuses it by a sentence; it never fails otherwise. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SURFACE_IDS, type SurfaceId } from '#contracts/vocabulary';
import { FloError } from '#domain/errors';
import { Inexpressible } from '#domain/inexpressible';
import { surfaceOf } from '#surfaces/registry';

const RUNS = { seed: 13, numRuns: 400 };

const TOOL_SCHEMA = { type: 'object', properties: { a: { type: 'string' } } };
const CHAT = {
  model: 'm',
  messages: [
    { role: 'system', content: 'x' },
    {
      role: 'user',
      content: [
        { type: 'text', text: 'x', cache_control: { type: 'ephemeral' } },
        { type: 'image_url', image_url: { url: 'https://a.b/c.png', detail: 'low' } },
        { type: 'file', file: { file_data: 'data:application/pdf;base64,AAAA', filename: 'a' } },
        { type: 'input_audio', input_audio: { data: 'AAAA', format: 'wav' } },
      ],
    },
    {
      role: 'assistant',
      content: null,
      reasoning_details: [{ type: 'reasoning.text', text: 'x', signature: 'y' }],
      tool_calls: [{ id: 'a', type: 'function', function: { name: 'f', arguments: '{}' } }],
    },
    { role: 'tool', tool_call_id: 'a', content: 'x' },
  ],
  tools: [{ type: 'function', function: { name: 'f', parameters: TOOL_SCHEMA } }],
  tool_choice: { type: 'function', function: { name: 'f' } },
  response_format: { type: 'json_schema', json_schema: { name: 'a', schema: TOOL_SCHEMA } },
  reasoning: { max_tokens: 1 },
  metadata: { a: 'b' },
  stream_options: { include_usage: true },
  stop: ['a'],
};
const RESPONSES = {
  model: 'm',
  instructions: 'x',
  input: [
    { role: 'user', content: [{ type: 'input_text', text: 'x' }] },
    { type: 'reasoning', id: 'r', summary: [{ type: 'summary_text', text: 'x' }], encrypted_content: 'y' },
    { type: 'message', role: 'assistant', content: [{ type: 'output_text', text: 'x' }] },
    { type: 'function_call', call_id: 'a', name: 'f', arguments: '{}' },
    { type: 'function_call_output', call_id: 'a', output: [{ type: 'input_text', text: 'x' }] },
  ],
  tools: [{ type: 'function', name: 'f', parameters: TOOL_SCHEMA }],
  tool_choice: { type: 'allowed_tools', mode: 'auto', tools: [{ type: 'function', name: 'f' }] },
  text: { format: { type: 'json_schema', name: 'a', schema: TOOL_SCHEMA }, verbosity: 'low' },
  reasoning: { effort: 'low', summary: 'auto' },
  include: ['message.output_text.logprobs'],
};
const MESSAGES = {
  model: 'm',
  max_tokens: 9,
  system: [{ type: 'text', text: 'x', cache_control: { type: 'ephemeral' } }],
  messages: [
    {
      role: 'user',
      content: [
        { type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'AAAA' } },
        { type: 'document', source: { type: 'text', data: 'x' }, title: 'x' },
      ],
    },
    {
      role: 'assistant',
      content: [
        { type: 'thinking', thinking: 'x', signature: 'y' },
        { type: 'redacted_thinking', data: 'y' },
        { type: 'tool_use', id: 'a', name: 'f', input: {} },
      ],
    },
    {
      role: 'user',
      content: [{ type: 'tool_result', tool_use_id: 'a', content: [{ type: 'text', text: 'x' }] }],
    },
  ],
  tools: [{ name: 'f', input_schema: TOOL_SCHEMA }],
  tool_choice: { type: 'tool', name: 'f' },
  thinking: { type: 'enabled', budget_tokens: 1_024 },
  output_config: { effort: 'low', format: { type: 'json_schema', schema: TOOL_SCHEMA } },
  metadata: { user_id: 'u' },
};
const GENERATE = {
  systemInstruction: { parts: [{ text: 'x' }] },
  contents: [
    {
      role: 'user',
      parts: [
        { text: 'x' },
        { inline_data: { mime_type: 'image/png', data: 'AAAA' } },
        { fileData: { mimeType: 'application/pdf', fileUri: 'https://a.b/c.pdf' } },
      ],
    },
    {
      role: 'model',
      parts: [
        { text: 'x', thought: true, thoughtSignature: 'y' },
        { functionCall: { name: 'f', args: {} }, thoughtSignature: 'y' },
      ],
    },
    { role: 'user', parts: [{ functionResponse: { name: 'f', response: { output: 'x' } } }] },
  ],
  tools: [{ functionDeclarations: [{ name: 'f', parameters: { type: 'OBJECT', nullable: true } }] }],
  toolConfig: { functionCallingConfig: { mode: 'ANY', allowedFunctionNames: ['f'] } },
  generationConfig: {
    responseMimeType: 'application/json',
    responseSchema: { type: 'ARRAY', items: { anyOf: [{ type: 'STRING' }] } },
    thinkingConfig: { thinkingBudget: 1 },
  },
  safetySettings: [{ threshold: 'OFF' }],
};

const WELL_FORMED: Readonly<Record<SurfaceId, object>> = {
  'openai-chat': CHAT,
  'openai-responses': RESPONSES,
  'openai-count-tokens': RESPONSES,
  'openai-embeddings': { model: 'm', input: ['a', 'b'], dimensions: 2, user: 'u' },
  'anthropic-messages': MESSAGES,
  'anthropic-count-tokens': MESSAGES,
  'gemini-generate-content': GENERATE,
  'gemini-count-tokens': { generateContentRequest: GENERATE },
  'gemini-embed-content': { requests: [{ content: { parts: [{ text: 'x' }] }, taskType: 'T' }] },
};

const isContainer = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null;

/** The paths to every value of a body, the body itself left out. */
const pathsOf = (value: unknown, path: readonly string[] = []): string[][] =>
  isContainer(value)
    ? Object.keys(value).flatMap((key) => [[...path, key], ...pathsOf(value[key], [...path, key])])
    : [];

const replaced = (body: object, path: readonly string[], value: unknown): unknown => {
  const copy: unknown = structuredClone(body);
  const last = path.at(-1) ?? '';
  const parent = path
    .slice(0, -1)
    .reduce<unknown>((inner, key) => (isContainer(inner) ? inner[key] : undefined), copy);
  if (isContainer(parent)) parent[last] = value;
  return copy;
};

const anything = fc.oneof(
  fc.jsonValue({ maxDepth: 3 }),
  fc.constantFrom<unknown>(null, '', 0, -1, 1.5, 1e21, [], {}, [null], [[]], 'text', 'function', true, '\0'),
);

const readWhole = (id: SurfaceId, body: unknown, drop: boolean): void => {
  const surface = surfaceOf(id);
  surface.readRequest(body, { model: 'm' });
  surface.decodeRequest({ body, stream: false, inexpressible: new Inexpressible({ drop }) });
};

const refusalOf = (run: () => void): unknown => {
  try {
    run();
    return null;
  } catch (error) {
    return error;
  }
};

const expectReadOrRefused = (error: unknown): void => {
  if (error === null) return;
  if (!(error instanceof FloError)) throw error;
  expect(error.code).toBe('invalid_request');
  expect(error.message).not.toBe('');
};

describe.each(SURFACE_IDS)('the surface %s', (id) => {
  it('reads the well-formed request that the others are made of', () => {
    expect(refusalOf(() => readWhole(id, WELL_FORMED[id], false))).toBeNull();
  });

  it('reads or refuses any JSON', () => {
    fc.assert(
      fc.property(anything, fc.boolean(), (body, drop) => {
        expectReadOrRefused(refusalOf(() => readWhole(id, body, drop)));
      }),
      RUNS,
    );
  });

  it('reads or refuses a request with anything in any place', () => {
    const paths = pathsOf(WELL_FORMED[id]);
    fc.assert(
      fc.property(fc.constantFrom(...paths), anything, fc.boolean(), (path, value, drop) => {
        const body = replaced(WELL_FORMED[id], path, value);
        expectReadOrRefused(refusalOf(() => readWhole(id, body, drop)));
      }),
      RUNS,
    );
  });
});
