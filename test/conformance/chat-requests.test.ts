/**
 * What a surface writes, the provider of its dialect reads, and the reverse: each dialect is held to the
 * other room's idea of it, over random requests.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ChatMessage, ChatRequest } from '#contracts/inference';
import type { SurfaceId } from '#contracts/vocabulary';
import { Inexpressible } from '#domain/inexpressible';
import { CHAT_PAIRS, chatSurfaceOf, OWN_WIRES } from './chat-wires.ts';
import type { ChatWire } from '#providers/provider';

const RUNS = { seed: 11, numRuns: 150 };

const text = fc.string({ minLength: 1, maxLength: 20, unit: 'grapheme' });
const name = fc.stringMatching(/^[a-zA-Z0-9_-]{1,12}$/);
const textPart = fc.record({ type: fc.constant('text' as const), text });
const imagePart = fc.record({
  type: fc.constant('image' as const),
  source: fc.oneof(
    fc.record({ kind: fc.constant('url' as const), url: fc.webUrl() }),
    fc.record({
      kind: fc.constant('base64' as const),
      mediaType: fc.constantFrom('image/png', 'image/jpeg', 'image/webp'),
      data: fc.base64String({ minLength: 4 }),
    }),
  ),
});
const toolCall = fc.record({
  type: fc.constant('tool_call' as const),
  id: name,
  name,
  argumentsJson: fc
    .dictionary(fc.string(), fc.jsonValue({ maxDepth: 2 }))
    .map((input) => JSON.stringify(input)),
});
const toolResult = fc.record({
  type: fc.constant('tool_result' as const),
  toolCallId: name,
  // One, since a dialect may join the texts of a result.
  content: fc.tuple(textPart),
  isError: fc.constant(false),
});
const tool = fc.record(
  {
    name,
    description: text,
    inputSchema: fc
      .dictionary(name, fc.constant({ type: 'string' }))
      .map((properties) => ({ type: 'object', properties })),
  },
  { requiredKeys: ['name', 'inputSchema'] },
);

const userMessage = fc
  .tuple(
    fc.array(toolResult, { maxLength: 2 }),
    fc.array(fc.oneof(textPart, imagePart), { minLength: 1, maxLength: 3 }),
  )
  .map(([results, parts]): ChatMessage => ({ role: 'user', content: [...results, ...parts] }));
const assistantMessage = fc
  .tuple(textPart, fc.array(toolCall, { maxLength: 2 }))
  .map(([said, calls]): ChatMessage => ({ role: 'assistant', content: [said, ...calls] }));

/** A tool that must be called is one of those that are defined. */
const withDefinedTool = (request: ChatRequest): ChatRequest => {
  const [first] = request.tools;
  return request.toolChoice?.type === 'tool' && first !== undefined
    ? { ...request, toolChoice: { type: 'tool', name: first.name } }
    : request;
};

const chatRequest: fc.Arbitrary<ChatRequest> = fc
  .record(
    {
      stream: fc.boolean(),
      system: fc.array(textPart, { maxLength: 2 }),
      messages: fc
        .tuple(userMessage, fc.array(fc.tuple(assistantMessage, userMessage), { maxLength: 2 }))
        .map(([first, more]) => [first, ...more.flat()]),
      tools: fc.array(tool, { minLength: 1, maxLength: 2 }),
      toolChoice: fc.oneof(
        fc.record({ type: fc.constantFrom('auto' as const, 'none' as const, 'required' as const) }),
        fc.record({ type: fc.constant('tool' as const), name }),
      ),
      parallelToolCalls: fc.constant(false),
      maxOutputTokens: fc.integer({ min: 1, max: 100_000 }),
      temperature: fc.double({ min: 0, max: 1, noNaN: true }),
      topP: fc.double({ min: 0, max: 1, noNaN: true }),
      topK: fc.integer({ min: 1, max: 500 }),
      stop: fc.array(text, { maxLength: 3 }),
      endUser: text,
    },
    { requiredKeys: ['stream', 'system', 'messages', 'tools', 'stop', 'maxOutputTokens'] },
  )
  .map(withDefinedTool);

/** Neighbours of one role are one turn: where they are cut is not kept. */
const joinTurns = (messages: readonly ChatMessage[]): ChatMessage[] => {
  const turns: ChatMessage[] = [];
  for (const message of messages) {
    const last = turns.at(-1);
    if (last?.role === message.role) {
      turns[turns.length - 1] = {
        role: last.role,
        content: [...last.content, ...message.content],
      } as ChatMessage;
    } else turns.push(message);
  }
  return turns;
};

/** Without what the dialect has no field for. */
const KEPT: Readonly<Partial<Record<SurfaceId, (request: ChatRequest) => ChatRequest>>> = {
  'openai-chat': (request) => {
    const kept = { ...request };
    delete kept.topK;
    return kept;
  },
  'gemini-generate-content': (request) => {
    const kept = { ...request };
    delete kept.parallelToolCalls;
    delete kept.endUser;
    // One tool that must be called is the only one there.
    const { toolChoice } = kept;
    return toolChoice?.type === 'tool'
      ? { ...kept, tools: kept.tools.filter(({ name: called }) => called === toolChoice.name) }
      : kept;
  },
  'openai-responses': (request) => {
    const kept: ChatRequest = { ...request, stop: [] };
    delete kept.topK;
    return kept;
  },
  // Whether calls may be parallel is said with the choice there, and not where none may be made.
  'anthropic-messages': (request) => {
    if (request.parallelToolCalls !== false) return request;
    const kept: ChatRequest = { ...request, toolChoice: request.toolChoice ?? { type: 'auto' } };
    if (kept.toolChoice?.type === 'none') delete kept.parallelToolCalls;
    return kept;
  },
};

const keptBy = ({ surface }: ChatWire, request: ChatRequest): ChatRequest =>
  KEPT[surface]?.(request) ?? request;

/** A tool that is not strict says so in some dialects, and says nothing in others. */
const withoutLaxness = ({ strict, ...rest }: ChatRequest['tools'][number]) => ({
  ...rest,
  ...(strict === true && { strict }),
});

const joined = (request: ChatRequest): ChatRequest => ({
  ...request,
  tools: request.tools.map(withoutLaxness),
  messages: joinTurns(request.messages),
});

const sendRequest = (wire: ChatWire, request: ChatRequest): unknown => {
  const inexpressible = new Inexpressible({ drop: true });
  const { body } = wire.encodeRequest({ request, model: 'a-model', inexpressible });
  return JSON.parse(Buffer.from(body).toString('utf8'));
};

const readRequest = (wire: ChatWire, body: unknown, stream: boolean): ChatRequest =>
  chatSurfaceOf(wire).decodeRequest({ body, stream, inexpressible: new Inexpressible({ drop: false }) });

describe.each(OWN_WIRES)('the dialect of $name', ({ wire }) => {
  it('keeps a request from the canonical form to the wire and back', () => {
    fc.assert(
      fc.property(chatRequest, (request) => {
        const body = sendRequest(wire, request);
        expect(joined(readRequest(wire, body, request.stream))).toEqual(joined(keptBy(wire, request)));
        const path = { model: 'a-model', stream: request.stream };
        expect(chatSurfaceOf(wire).readRequest(body, path)).toMatchObject({
          model: 'a-model',
          stream: request.stream,
          maxOutputTokens: request.maxOutputTokens,
          endUser: keptBy(wire, request).endUser ?? null,
        });
      }),
      RUNS,
    );
  });
});

describe.each(CHAT_PAIRS)('a client of $own with a model of $other', ({ clientDialect, target }) => {
  it('asks the model what it wrote', () => {
    fc.assert(
      fc.property(chatRequest, (request) => {
        const read = readRequest(clientDialect, sendRequest(clientDialect, request), request.stream);
        const asked = readRequest(target, sendRequest(target, read), request.stream);
        expect(joined(asked)).toEqual(joined(keptBy(target, keptBy(clientDialect, request))));
      }),
      RUNS,
    );
  });
});
