/** Real recorded answers, read where they lie: `FLO2_WIRE_RECORDINGS` names the folder. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import type { FinishReason, StreamPart } from '#contracts/inference';
import type { TokenClass, Usage } from '#contracts/usage';
import type { ProviderId } from '#contracts/vocabulary';
import { ERROR_CATALOGUE, FloError, type ErrorCode } from '#domain/errors';
import { CHAT_WIRES } from './chat-wires.ts';
import { listOf, objectOf, textOf, type JsonObject } from '#providers/json-fields';
import { providerOf } from '#providers/registry';
import { createSseReader, type SseEvent } from '#providers/sse';

const folder = process.env['FLO2_WIRE_RECORDINGS'];

const count = z.number().default(0);
const metaSchema = z.object({
  status: z.number().nullable(),
  headers: z.record(z.string(), z.string()),
  expect: z
    .object({
      input_uncached: count,
      cache_read: count,
      cache_write_5m: count,
      cache_write_1h: count,
      cache_write_other: count,
      output: count,
      reasoning: count,
      other: z.object({ input_audio: count, output_audio: count }).optional(),
    })
    .optional(),
});
type Meta = z.infer<typeof metaSchema>;
type Recording = { name: string; file: string; meta: Meta; body: Buffer };

const readRecordings = (...path: string[]): Recording[] => {
  if (folder === undefined || folder === '') return [];
  const directory = join(folder, ...path);
  return readdirSync(directory)
    .filter((file) => !file.endsWith('.meta.json'))
    .map((file) => {
      const name = file.replace(/\.[^.]+$/, '');
      const metaText = readFileSync(join(directory, `${name}.meta.json`), 'utf8');
      return {
        name,
        file,
        meta: metaSchema.parse(JSON.parse(metaText)),
        body: readFileSync(join(directory, file)),
      };
    });
};

const expectUsage = (usage: Usage, expected: Meta['expect']): void => {
  if (expected === undefined) {
    expect(usage.source).toBe('none');
    return;
  }
  const of = (component: TokenClass): number => usage.tokens[component] ?? 0;
  expect({
    input_uncached: of('input') + of('input_audio') + of('input_image'),
    cache_read: of('cache_read'),
    cache_write_5m: of('cache_write_5m'),
    cache_write_1h: of('cache_write_1h'),
    cache_write_other: of('cache_write_other'),
    output: of('output') + of('output_audio') + of('output_image'),
    reasoning: usage.reasoning ?? 0,
    other: { input_audio: of('input_audio'), output_audio: of('output_audio') },
  }).toEqual({
    ...expected,
    other: {
      input_audio: expected.other?.input_audio ?? 0,
      output_audio: expected.other?.output_audio ?? 0,
    },
  });
};

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
  errorCodes: Readonly<Record<string, ErrorCode>>;
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

const WIRES: Readonly<Record<ProviderId, Wire>> = {
  openai: {
    api: 'chat',
    hasRefused: (told) =>
      ['message', 'delta'].some((field) => textOf(objectOf(choiceOf(told)[field])['refusal'])),
    finishOf: (answer) => textOf(choiceOf(answer)['finish_reason']),
    startOf: (line) => line,
    finishOfEvent: (line) => textOf(choiceOf(line)['finish_reason']),
    textOfEvent: (line) =>
      (textOf(deltaOf(line)['content']) ?? '') + (textOf(deltaOf(line)['refusal']) ?? ''),
    argumentsOfEvent: (line) =>
      listOf(deltaOf(line)['tool_calls'])
        .map((call) => textOf(objectOf(objectOf(call)['function'])['arguments']) ?? '')
        .join(''),
    isWhole: (text) => text.includes('data: [DONE]'),
    errorCodes: {
      '400-context-length': 'context_length',
      '400-unsupported-parameter': 'invalid_request',
      '401-invalid-key': 'authentication',
      '403-country': 'permission',
      '404-model-not-found': 'upstream_not_found',
      '429-insufficient-quota': 'quota',
      '429-rate-limit-requests': 'rate_limit_requests',
      '429-rate-limit-tokens': 'rate_limit_tokens',
      '500-empty-body': 'server',
      '500-server-error': 'server',
      '502-html': 'server',
      '503-overloaded': 'overloaded',
    },
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
    errorCodes: {
      '400-prompt-too-long': 'context_length',
      '401-invalid-key': 'authentication',
      '401-old-shape': 'authentication',
      '403-permission': 'permission',
      '404-model': 'upstream_not_found',
      '413-too-large': 'too_large',
      '429-rate-limit': 'rate_limit_tokens',
      '500-api-error': 'server',
      '529-overloaded': 'overloaded',
    },
  },
};

type ReadStream = { events: SseEvent[]; parts: StreamPart[]; failure: unknown };

describe.each(Object.keys(WIRES) as ProviderId[])('recorded answers of %s', (id) => {
  const provider = providerOf(id);
  const codec = CHAT_WIRES.find(({ name }) => name.startsWith(id))?.wire;
  if (codec === undefined) throw new TypeError(`no wire of ${id}`);
  const wire = WIRES[id];
  const answers = readRecordings(id, wire.api);

  it('are there', ({ skip }) => {
    skip(folder === undefined || folder === '', 'FLO2_WIRE_RECORDINGS names no folder of recordings');
    expect(answers.length).toBeGreaterThan(10);
  });

  it.each(answers.filter(({ file }) => file.endsWith('.json')))('$file is read whole', ({ body, meta }) => {
    const answer = objectOf(JSON.parse(body.toString('utf8')));
    const facts = codec.readAnswer(body);
    expect(facts).toMatchObject({
      id: answer['id'],
      model: answer['model'],
      finishReason: wire.hasRefused(answer) ? 'content_filter' : FINISH_REASONS[wire.finishOf(answer) ?? ''],
    });
    expectUsage(facts.usage, meta.expect);
    expect(facts.usage.raw).toEqual(answer['usage']);
  });

  it.each(answers.filter(({ file }) => file.endsWith('.sse')))(
    '$file is read event by event',
    (recording) => {
      const { body, meta } = recording;
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
          if (decoded.content) content += event.text;
          stream.parts.push(...decoded.parts);
        }
      } catch (error) {
        stream.failure = error;
      }

      const facts = decoder.facts();
      const first = wire.startOf(lines[0] ?? {});
      expect(facts).toMatchObject({ id: first['id'], model: first['model'] });
      const finish = last(lines.map(wire.finishOfEvent));
      expect(facts.finishReason).toBe(
        finish !== null && lines.some(wire.hasRefused)
          ? 'content_filter'
          : (FINISH_REASONS[finish ?? ''] ?? null),
      );
      expectUsage(facts.usage, meta.expect);

      const isWhole = wire.isWhole(text);
      const hasFailed = lines.some((line) => line['error'] !== undefined);
      expect(stream.failure instanceof FloError).toBe(hasFailed);
      expect(stream.parts.filter(({ type }) => type === 'end')).toHaveLength(isWhole ? 1 : 0);
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
          ({ type }) => type !== 'text_delta' && type !== 'refusal_delta' && type !== 'tool_call_start',
        ),
      );

      const passedOn = stream.events.map((event) => event.text).join('');
      if (isWhole) expect(passedOn.trimEnd()).toBe(text.trimEnd());
      else expect(text.startsWith(passedOn.trimEnd())).toBe(true);
    },
  );

  it.each(readRecordings(id, 'errors'))('the error $file has its code', ({ name, body, meta }) => {
    const status = meta.status ?? 0;
    const error = provider.decodeError({ status, headers: meta.headers, body, nowMs: 0 });
    expect(error.code).toBe(wire.errorCodes[name]);
    expect(error.upstreamStatus).toBe(status);
    expect(error.message).not.toMatch(/<html|sk-|undefined/i);
    expect(ERROR_CATALOGUE[error.code]).toBeDefined();
    const { 'retry-after-ms': milliseconds, 'retry-after': seconds } = meta.headers;
    const expectedMs =
      milliseconds === undefined ? seconds && Number(seconds) * 1_000 : Math.ceil(Number(milliseconds));
    expect(error.retryAfterMs).toBe(expectedMs);
  });
});
