/** Real recorded answers, read event by event and error by error; their usage has a test of its own. */
import { describe, expect, it } from 'vitest';
import type { FinishReason, StreamPart } from '#contracts/inference';
import { FloError } from '#domain/errors';
import { readRecordings, RECORDED_ADDRESSES, RECORDINGS_ARE_THERE, type Recording } from './recordings.ts';
import { listOf, objectOf, textOf, type JsonObject } from '#providers/json-fields';
import { providerFor } from '#providers/registry';
import { createSseReader, type SseEvent } from '#providers/sse';

/** What a stream says, read without the code under test: whole JSON lines alone. */
const readDataLines = (text: string): JsonObject[] =>
  text
    .split(/\r\n|\n|\r/)
    .filter((line) => line.startsWith('data:'))
    .flatMap((line) => {
      try {
        return [objectOf(JSON.parse(line.slice(5)))];
      } catch {
        return [];
      }
    });

const last = <Value>(values: readonly (Value | null)[]): Value | null =>
  values.filter((value) => value !== null).at(-1) ?? null;

type Wire = {
  api: string;
  /** Whether the model refused, which the dialect may say beside an ordinary end. */
  hasRefused: (told: JsonObject) => boolean;
  finishOf: (answer: JsonObject) => string | null;
  /** The object that holds id and model in the stream's first event. */
  startOf: (line: JsonObject) => JsonObject;
  finishOfEvent: (line: JsonObject) => string | null;
  textOfEvent: (line: JsonObject) => string;
  argumentsOfEvent: (line: JsonObject) => string;
  isWhole: (text: string) => boolean;
};

const FINISH_REASONS: Readonly<Record<string, FinishReason>> = {
  stop: 'stop',
  length: 'length',
  tool_calls: 'tool_calls',
  function_call: 'tool_calls',
  content_filter: 'content_filter',
  end_turn: 'stop',
  stop_sequence: 'stop_sequence',
  max_tokens: 'length',
  tool_use: 'tool_calls',
  refusal: 'content_filter',
};

const choiceOf = (value: JsonObject): JsonObject => objectOf(listOf(value['choices'])[0]);
const deltaOf = (value: JsonObject): JsonObject => objectOf(choiceOf(value)['delta']);

const OPENAI_CHAT: Wire = {
  api: 'chat',
  hasRefused: (told) =>
    ['message', 'delta'].some((field) => textOf(objectOf(choiceOf(told)[field])['refusal'])),
  finishOf: (answer) => textOf(choiceOf(answer)['finish_reason']),
  startOf: (line) => line,
  finishOfEvent: (line) => textOf(choiceOf(line)['finish_reason']),
  textOfEvent: (line) => (textOf(deltaOf(line)['content']) ?? '') + (textOf(deltaOf(line)['refusal']) ?? ''),
  argumentsOfEvent: (line) =>
    listOf(deltaOf(line)['tool_calls'])
      .map((call) => textOf(objectOf(objectOf(call)['function'])['arguments']) ?? '')
      .join(''),
  isWhole: (text) => text.includes('data: [DONE]'),
};

/** By the folder of the recordings. */
const WIRES: Readonly<Record<string, Wire>> = {
  openai: {
    ...OPENAI_CHAT,
  },
  anthropic: {
    api: 'messages',
    hasRefused: () => false,
    finishOf: (answer) => textOf(answer['stop_reason']),
    startOf: (line) => objectOf(line['message']),
    finishOfEvent: (line) => textOf(objectOf(line['delta'])['stop_reason']),
    textOfEvent: (line) => textOf(objectOf(line['delta'])['text']) ?? '',
    // Arguments of tools that the provider runs itself are none of the client's.
    argumentsOfEvent: (line) => textOf(objectOf(line['delta'])['partial_json']) ?? '',
    isWhole: (text) => text.includes('"message_stop"'),
  },
  mistral: {
    ...OPENAI_CHAT,
  },
  groq: {
    ...OPENAI_CHAT,
  },
  openrouter: {
    ...OPENAI_CHAT,
  },
  azure: {
    ...OPENAI_CHAT,
  },
  deepseek: {
    ...OPENAI_CHAT,
  },
  xai: {
    ...OPENAI_CHAT,
  },
  ollama: {
    ...OPENAI_CHAT,
  },
  vllm: OPENAI_CHAT,
  llamacpp: OPENAI_CHAT,
};

type ReadStream = { events: SseEvent[]; parts: StreamPart[]; failure: unknown };

const isAnswer = ({ body, file }: Recording): boolean =>
  file.endsWith('.json') && readJson(body)['error'] === undefined;

const readJson = (body: Buffer): JsonObject => objectOf(JSON.parse(body.toString('utf8')));

describe.each(Object.entries(WIRES))('recorded answers of %s', (folder, wire) => {
  const address = RECORDED_ADDRESSES[folder];
  if (address === undefined) throw new TypeError(`nobody knows where ${folder} was recorded`);
  const provider = providerFor(address);
  const codec = provider.wires.find(({ operation }) => operation === 'chat');
  if (codec?.operation !== 'chat') throw new TypeError(`no chat at ${folder}`);
  const answers = readRecordings(`${folder}/${wire.api}`);

  it('are there', ({ skip }) => {
    skip(!RECORDINGS_ARE_THERE, 'FLO2_WIRE_RECORDINGS names no folder of recordings');
    expect(answers.length).toBeGreaterThan(0);
  });

  it.each(answers.filter(isAnswer))('$file is read whole', ({ body }) => {
    const answer = readJson(body);
    const facts = codec.readAnswer(body);
    expect(facts).toMatchObject({
      id: answer['id'],
      model: answer['model'],
      finishReason: wire.hasRefused(answer) ? 'content_filter' : FINISH_REASONS[wire.finishOf(answer) ?? ''],
    });
    expect(facts.usage.raw).toEqual(answer['usage']);
  });

  it.each(answers.filter(({ file }) => file.endsWith('.sse')))(
    '$file is read event by event',
    (recording) => {
      const { body } = recording;
      const text = body.toString('utf8');
      const lines = readDataLines(text);
      const reader = createSseReader({ maxEventBytes: 1_000_000 });
      const decoder = codec.createStreamDecoder({ usageInjected: false });
      const stream: ReadStream = { events: [], parts: [], failure: null };
      const chunks = Array.from({ length: Math.ceil(body.length / 61) }, (_, index) =>
        body.subarray(index * 61, index * 61 + 61),
      );
      stream.events = [...chunks.flatMap((chunk) => reader.read(chunk)), ...reader.finish()];
      let content = '';
      try {
        for (const event of stream.events) {
          const decoded = decoder.decode(event);
          expect(decoded.hidden).toBe(false);
          if (decoded.parts.some(({ type }) => type === 'text_delta' || type === 'tool_call_delta')) {
            expect(decoded.content).toBe(true);
          }
          if (decoded.content) content += Buffer.from(event.bytes).toString();
          stream.parts.push(...decoded.parts);
        }
      } catch (error) {
        stream.failure = error;
      }

      const facts = decoder.facts();
      // A router names neither in its first chunk.
      const named = lines.map(wire.startOf).filter(({ id }) => id !== '' && id !== undefined);
      const first = named[0] ?? {};
      expect(facts).toMatchObject({ id: first['id'], model: first['model'] });
      const finish = last(lines.map(wire.finishOfEvent));
      expect(facts.finishReason).toBe(
        finish !== null && lines.some(wire.hasRefused)
          ? 'content_filter'
          : (FINISH_REASONS[finish ?? ''] ?? null),
      );

      const isWhole = wire.isWhole(text);
      const hasFailed = lines.some((line) => line['error'] !== undefined);
      expect(stream.failure instanceof FloError).toBe(hasFailed);
      expect(stream.parts.filter(({ type }) => type === 'end')).toHaveLength(isWhole && !hasFailed ? 1 : 0);
      expect(stream.parts.filter(({ type }) => type === 'start')).toHaveLength(1);
      if (facts.usage.source !== 'none') {
        expect(facts.usage.source).toBe(isWhole ? 'provider' : 'provider_partial');
      }

      const told = (...types: StreamPart['type'][]): string =>
        stream.parts
          .map((part) => {
            if (!types.includes(part.type)) return '';
            if (part.type === 'tool_call_delta') return part.argumentsDelta;
            return part.type === 'text_delta' || part.type === 'refusal_delta' ? part.text : '';
          })
          .join('');
      expect(told('text_delta', 'refusal_delta')).toBe(lines.map(wire.textOfEvent).join(''));
      if (!/server_tool_use|mcp_tool_use/.test(text)) {
        const callCount = stream.parts.filter(({ type }) => type === 'tool_call_start').length;
        const sent = lines.map(wire.argumentsOfEvent).join('');
        // A call without arguments sends none; for other dialects it has an empty object.
        expect(told('tool_call_delta')).toBe(sent === '' && callCount > 0 ? '{}' : sent);
      }
      expect(content === '').toBe(
        stream.parts.every(
          ({ type }) =>
            type !== 'text_delta' &&
            type !== 'refusal_delta' &&
            type !== 'reasoning_delta' &&
            type !== 'tool_call_start',
        ),
      );

      const passedOn = Buffer.concat(stream.events.map(({ bytes }) => bytes)).toString();
      if (isWhole) expect(passedOn.trimEnd()).toBe(text.trimEnd());
      else expect(text.startsWith(passedOn.trimEnd())).toBe(true);
    },
  );
});
