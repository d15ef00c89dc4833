/** What each server of the dialect is asked, and by what words. */
import { describe, expect, it } from 'vitest';
import type { AssistantPart, ChatRequest } from '#contracts/inference';
import { COMPATIBLE_DIALECTS, type CompatibleDialect, type ProviderId } from '#contracts/vocabulary';
import { Inexpressible } from '#domain/inexpressible';
import type { ChatWire } from '../provider.ts';
import { providerFor } from '../registry.ts';

type Server = ProviderId | CompatibleDialect;

const wireOf = (server: Server): ChatWire => {
  const dialect = COMPATIBLE_DIALECTS.find((name) => name === server && name !== 'openai');
  const { wires } = providerFor(
    dialect === undefined
      ? { provider: server as ProviderId, baseUrl: null, dialect: null }
      : { provider: 'openai_compatible', baseUrl: 'https://host.example/v1', dialect },
  );
  const wire = wires.find(({ operation }) => operation === 'chat');
  if (wire?.operation !== 'chat') throw new TypeError(`no chat at ${server}`);
  return wire;
};

const ASKED: ChatRequest = {
  stream: false,
  system: [],
  messages: [{ role: 'user', content: [{ type: 'text', text: 'Hi' }] }],
  tools: [],
  stop: [],
};
const TOOL = { name: 'look', inputSchema: { type: 'object' } };

const ask = (server: Server, changes: Partial<ChatRequest>, drop = false) => {
  const inexpressible = new Inexpressible({ drop });
  const request = { ...ASKED, ...changes };
  const { body } = wireOf(server).encodeRequest({ request, model: 'm', inexpressible });
  const sent = JSON.parse(Buffer.from(body).toString('utf8')) as Record<string, unknown>;
  return { sent, dropped: inexpressible.dropped };
};

describe('a request to a server of the dialect', () => {
  it.each([
    ['openai', { maxOutputTokens: 5, seed: 7 }, { max_completion_tokens: 5, seed: 7 }],
    ['mistral', { maxOutputTokens: 5, seed: 7 }, { max_tokens: 5, random_seed: 7 }],
    [
      'groq',
      { maxOutputTokens: 5, serviceTier: 'standard' },
      { max_completion_tokens: 5, service_tier: 'on_demand' },
    ],
    ['openrouter', { topK: 3, seed: 1 }, { top_k: 3, seed: 1 }],
    ['deepseek', { maxOutputTokens: 5 }, { max_tokens: 5 }],
    ['openai', { tools: [TOOL], toolChoice: { type: 'required' } }, { tool_choice: 'required' }],
    ['mistral', { tools: [TOOL], toolChoice: { type: 'required' } }, { tool_choice: 'any' }],
    ['openai', { logprobs: 2 }, { logprobs: true, top_logprobs: 2 }],
    ['openai', { serviceTier: 'standard', verbosity: 'low' }, { service_tier: 'default', verbosity: 'low' }],
    ['openai', { outputFormat: { type: 'json' } }, { response_format: { type: 'json_object' } }],
    [
      'mistral',
      { outputFormat: { type: 'json_schema', schema: { type: 'object' }, strict: true } },
      {
        response_format: {
          type: 'json_schema',
          json_schema: { name: 'answer', schema: { type: 'object' }, strict: true },
        },
      },
    ],
    ['openai', { reasoning: { effort: 'low' } }, { reasoning_effort: 'low' }],
    ['openai', { reasoning: { budgetTokens: 0 } }, { reasoning_effort: 'none' }],
    [
      'groq',
      { reasoning: { effort: 'low', shown: false } },
      { reasoning_effort: 'low', include_reasoning: false },
    ],
    [
      'openrouter',
      { reasoning: { budgetTokens: 900, shown: true } },
      { reasoning: { max_tokens: 900, exclude: false } },
    ],
    ['openrouter', { reasoning: {} }, { reasoning: { enabled: true } }],
    [
      'deepseek',
      { reasoning: { effort: 'medium' } },
      { thinking: { type: 'enabled' }, reasoning_effort: 'high' },
    ],
    ['deepseek', { reasoning: { effort: 'none' } }, { thinking: { type: 'disabled' } }],
    ['openai', { stream: true }, { stream: true, stream_options: { include_usage: true } }],
  ] satisfies [Server, Partial<ChatRequest>, object][])('%s: %j becomes %j', (server, changes, members) => {
    const { sent, dropped } = ask(server, changes);
    expect(sent).toMatchObject(members);
    expect(dropped).toEqual([]);
  });

  it.each([
    ['openai', { topK: 3 }, 'topK'],
    ['openai', { reasoning: { budgetTokens: 900 } }, 'reasoning.budgetTokens'],
    ['openai', { reasoning: { shown: true } }, 'reasoning.shown'],
    ['mistral', { reasoning: { effort: 'medium' } }, 'reasoning.effort'],
    ['mistral', { logprobs: 0 }, 'logprobs'],
    ['mistral', { serviceTier: 'flex' }, 'serviceTier'],
    ['groq', { presencePenalty: 1 }, 'presencePenalty'],
    ['deepseek', { outputFormat: { type: 'json_schema', schema: {} } }, 'outputFormat'],
    ['ollama', { tools: [TOOL], parallelToolCalls: false }, 'parallelToolCalls'],
  ] satisfies [Server, Partial<ChatRequest>, string][])(
    '%s: %j is refused as %s',
    (server, changes, param) => {
      expect(() => ask(server, changes)).toThrow(expect.objectContaining({ code: 'invalid_request', param }));
      expect(ask(server, changes, true).dropped).toEqual([param]);
    },
  );

  it('tells what changes no answer and is left out', () => {
    const cached = { type: 'text' as const, text: 'Hi', cacheControl: { ttl: '1h' as const } };
    const changes = { messages: [{ role: 'user' as const, content: [cached] }], endUser: 'u' };
    expect(ask('mistral', changes)).toMatchObject({
      sent: { messages: [{ role: 'user', content: 'Hi' }] },
      dropped: ['endUser', 'cacheControl'],
    });
    expect(ask('openrouter', changes)).toMatchObject({
      sent: {
        user: 'u',
        messages: [
          {
            role: 'user',
            content: [{ type: 'text', text: 'Hi', cache_control: { type: 'ephemeral', ttl: '1h' } }],
          },
        ],
      },
      dropped: [],
    });
  });

  it('gives thoughts back as each server wants them, and none of another’s', () => {
    const thought: AssistantPart = { type: 'reasoning', text: 'Hm.' };
    const foreign: AssistantPart = {
      type: 'reasoning',
      text: 'Secret.',
      seal: { origin: 'anthropic', kind: 'signature', value: 'x' },
    };
    const said: AssistantPart = { type: 'text', text: 'Yes.' };
    const turn = (server: Server): unknown => {
      const messages: ChatRequest['messages'] = [
        ...ASKED.messages,
        { role: 'assistant', content: [foreign, thought, said] },
      ];
      return (ask(server, { messages }).sent['messages'] as unknown[])[1];
    };
    expect(turn('openai')).toEqual({ role: 'assistant', content: 'Yes.' });
    expect(turn('deepseek')).toEqual({ role: 'assistant', content: 'Yes.', reasoning_content: 'Hm.' });
    expect(turn('groq')).toEqual({ role: 'assistant', content: 'Yes.', reasoning: 'Hm.' });
    expect(turn('mistral')).toEqual({
      role: 'assistant',
      content: [
        { type: 'thinking', thinking: [{ type: 'text', text: 'Hm.' }] },
        { type: 'text', text: 'Yes.' },
      ],
    });
  });

  it('gives OpenRouter its own items of reasoning as they came', () => {
    const items = [
      { type: 'reasoning.text', text: 'Hm.', signature: 'sig', format: 'anthropic-claude-v1', index: 0 },
      { type: 'reasoning.encrypted', data: 'abc', id: 'rs_1', format: 'xai-responses-v1', index: 1 },
    ];
    const wire = wireOf('openrouter');
    const answer = wire.decodeResponse(
      Buffer.from(
        JSON.stringify({
          choices: [
            {
              finish_reason: 'stop',
              message: { content: 'Yes.', reasoning: 'Hm.', reasoning_details: items },
            },
          ],
        }),
      ),
    );
    const messages: ChatRequest['messages'] = [
      ...ASKED.messages,
      { role: 'assistant', content: answer.content },
    ];
    expect((ask('openrouter', { messages }).sent['messages'] as unknown[])[1]).toMatchObject({
      reasoning_details: items,
    });
  });
});

describe('a request passed through to a server of the dialect', () => {
  const pass = (server: Server, body: string, stream = true): string => {
    const call = wireOf(server).encodePassThrough({
      body: Buffer.from(body),
      model: 'm',
      stream,
      forwardedHeaders: {},
    });
    return Buffer.from(call.body).toString('utf8');
  };

  it('has names the server knows', () => {
    expect(
      pass('mistral', '{"model":"x","max_completion_tokens":5,"seed":1,"stream_options":{},"new":[1.0]}'),
    ).toBe('{"model":"m","max_tokens":5,"random_seed":1,"new":[1.0]}');
    expect(pass('deepseek', '{"model":"x","max_completion_tokens":5,"seed":1}', false)).toBe(
      '{"model":"m","max_tokens":5,"seed":1}',
    );
  });

  it('has its own words untouched', () => {
    const body = '{"model":"x", "random_seed":7,"tool_choice":"any","safe_prompt":true,"max_tokens":9}';
    expect(pass('mistral', body)).toBe(body.replace('"x"', '"m"'));
  });
});
