import { describe, expect, it } from 'vitest';
import { Inexpressible } from '#domain/inexpressible';
import { decodeAnthropicRequest } from './request.ts';

const BODY = {
  model: 'anthropic/claude-haiku-4-5',
  max_tokens: 100,
  messages: [{ role: 'user', content: 'hello' }],
};

const decode = (body: object) =>
  decodeAnthropicRequest({ body, stream: false, inexpressible: new Inexpressible({ drop: false }) });

const refusalOf = (param: string) => expect.objectContaining({ code: 'invalid_request', param });

describe('message requests for a model of another provider', () => {
  const say = (role: string, block: object) => ({ messages: [{ role, content: [block] }] });
  it.each([
    ['container', { container: 'c1' }],
    ['mcp_servers', { mcp_servers: [{}] }],
    ['context_management', { context_management: { edits: [] } }],
    ['service_tier', { service_tier: 'priority' }],
    ['unheard_of', { unheard_of: 1 }],
    ['tools.0', { tools: [{ type: 'web_search_20250305', name: 'web_search' }] }],
    ['tools.0.input_schema', { tools: [{ name: 'look' }] }],
    ['tools', { tools: {} }],
    ['tool_choice.type', { tool_choice: { type: 'some' } }],
    ['tool_choice.name', { tool_choice: { type: 'tool' } }],
    ['tool_choice', { tool_choice: 'auto' }],
    ['temperature', { temperature: 'hot' }],
    ['top_k', { top_k: 'few' }],
    ['stop_sequences.1', { stop_sequences: ['a', 5] }],
    ['system', { system: 5 }],
    ['system.0.type', { system: [{ type: 'image' }] }],
    ['messages.0.role', { messages: [{ role: 'system', content: 'x' }] }],
    ['messages.0.content.0.source.type', say('user', { type: 'document', source: {} })],
    [
      'messages.0.content.0.citations',
      say('user', {
        type: 'document',
        source: { type: 'text', data: 'x' },
        citations: { enabled: true },
      }),
    ],
    ['messages.0.content.0.context', say('user', { type: 'document', source: {}, context: 'x' })],
    ['messages.0.content.0.type', say('user', { type: 'search_result' })],
    ['tools.0.defer_loading', { tools: [{ name: 'a', input_schema: {}, defer_loading: true }] }],
    ['output_config.task_budget', { output_config: { task_budget: {} } }],
    ['thinking.budget_tokens', { thinking: { type: 'enabled' } }],
    ['speed', { speed: 'fast' }],
    ['messages.0.content.0.type', say('user', { type: 'tool_use' })],
    ['messages.0.content.0.type', say('assistant', { type: 'server_tool_use' })],
    ['messages.0.content.0.text', say('user', { type: 'text' })],
    [
      'messages.0.content.0.source.type',
      say('user', { type: 'image', source: { type: 'file', file_id: 'f' } }),
    ],
    [
      'messages.0.content.0.source.data',
      say('user', { type: 'image', source: { type: 'base64', media_type: 'x' } }),
    ],
    ['messages.0.content.0.tool_use_id', say('user', { type: 'tool_result' })],
    [
      'messages.0.content.0.content.0.type',
      say('user', { type: 'tool_result', tool_use_id: 'a', content: [{ type: 'search_result' }] }),
    ],
    ['messages.0.content.0.input', say('assistant', { type: 'tool_use', id: 'a', name: 'b', input: '{}' })],
  ])('refuse %s by name where it cannot be expressed', (param, changes) => {
    expect(() => decode({ ...BODY, ...changes })).toThrow(refusalOf(param));
  });
});
