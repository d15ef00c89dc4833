/** Every provider against what its servers answer, each wire and each error of it; none may have no fixtures. */
import { describe, expect, it } from 'vitest';
import type { AssistantPart, StreamPart } from '#contracts/inference';
import { PROVIDER_IDS, type CompatibleDialect, type ProviderId } from '#contracts/vocabulary';
import type { Usage } from '#contracts/usage';
import { FloError } from '#domain/errors';
import type { ChatWire, Provider, Wire } from '#providers/provider';
import { providerFor, providerOf } from '#providers/registry';
import { createSseReader } from '#providers/sse';
import { fixturesOf, type Fixture } from './fixtures.ts';

/** Where a compatible server is called; Azure's newer address, which has OpenAI's own paths. */
const addressOf = (provider: ProviderId, dialect: CompatibleDialect | null): Provider =>
  dialect === null
    ? providerOf(provider)
    : providerFor({ provider, baseUrl: 'https://server.example/openai/v1', dialect });

const wireOf = ({ wires }: Provider, { api }: Fixture): Wire => {
  const wire = wires.find(({ surface }) => surface === api);
  if (wire === undefined) throw new TypeError(`there is no wire for ${api}`);
  return wire;
};

const isStream = ({ name }: Fixture): boolean => name.startsWith('stream-');

/** Classes that are not there are zeros. */
const countsOf = ({ tokens, reasoning }: Usage): Record<string, number> =>
  Object.fromEntries(
    Object.entries({ ...tokens, reasoning }).filter(
      (entry): entry is [string, number] => (entry[1] ?? 0) > 0,
    ),
  );

const readStream = (wire: ChatWire, { body }: Fixture, pieceLength: number) => {
  const reader = createSseReader({ maxEventBytes: 1_000_000 });
  const decoder = wire.createStreamDecoder({ usageInjected: false });
  const parts: StreamPart[] = [];
  for (let start = 0; start < body.length; start += pieceLength)
    for (const event of reader.read(body.subarray(start, start + pieceLength)))
      parts.push(...decoder.decode(event).parts);
  for (const event of reader.finish()) parts.push(...decoder.decode(event).parts);
  parts.push(...(decoder.finish?.().parts ?? []));
  return { parts, facts: decoder.facts() };
};

type Said = { text: string; calls: { name: string; arguments: unknown }[] };

const saidWhole = (content: readonly AssistantPart[]): Said => ({
  text: content.map((part) => (part.type === 'text' ? part.text : '')).join(''),
  calls: content.flatMap((part) =>
    part.type === 'tool_call' ? [{ name: part.name, arguments: JSON.parse(part.argumentsJson) }] : [],
  ),
});

const saidStreamed = (parts: readonly StreamPart[]): Said => ({
  text: parts.map((part) => (part.type === 'text_delta' ? part.text : '')).join(''),
  calls: parts.flatMap((part) => {
    if (part.type !== 'tool_call_start') return [];
    const json = parts
      .map((other) =>
        other.type === 'tool_call_delta' && other.index === part.index ? other.argumentsDelta : '',
      )
      .join('');
    return [{ name: part.name, arguments: JSON.parse(json) }];
  }),
});

/** Mistral does not tell how much of its output was reasoning. */
const expectedTokens = (provider: ProviderId, { meta }: Fixture): Record<string, number> => {
  const { reasoning = 0, ...tokens } = meta.expect.tokens ?? {};
  return provider === 'mistral' || reasoning === 0 ? tokens : { ...tokens, reasoning };
};

const expectSaid = (said: Said, { meta }: Fixture): void => {
  if (meta.expect.text !== undefined) expect(said.text).toBe(meta.expect.text);
  expect(said.calls).toEqual(meta.expect.calls ?? []);
};

const checkWhole = (provider: ProviderId, wire: ChatWire, fixture: Fixture): void => {
  const response = wire.decodeResponse(fixture.body);
  expectSaid(saidWhole(response.content), fixture);
  const facts = wire.readAnswer(fixture.body);
  for (const { finishReason, usage } of [response, facts]) {
    expect(finishReason).toBe(fixture.meta.expect.finishReason);
    expect(usage.source).toBe('provider');
    expect(countsOf(usage)).toEqual(expectedTokens(provider, fixture));
  }
  expect(facts).toMatchObject({ id: response.id, model: response.model });
};

const checkStream = (provider: ProviderId, wire: ChatWire, fixture: Fixture): void => {
  for (const pieceLength of [1, 61, 100_000]) {
    const { parts, facts } = readStream(wire, fixture, pieceLength);
    expect(parts[0]?.type).toBe('start');
    expect(parts.at(-1)).toEqual({ type: 'end' });
    expectSaid(saidStreamed(parts), fixture);
    expect(facts.finishReason).toBe(fixture.meta.expect.finishReason);
    expect(facts.usage.source).toBe('provider');
    expect(countsOf(facts.usage)).toEqual(expectedTokens(provider, fixture));
  }
};

const checkCut = (wire: ChatWire, fixture: Fixture): void => {
  const half = { ...fixture, body: fixture.body.subarray(0, Math.floor(fixture.body.length / 2)) };
  expect(readStream(wire, half, 61).parts.map(({ type }) => type)).not.toContain('end');
};

const checkPlain = (wire: Exclude<Wire, ChatWire>, { body, meta }: Fixture): void => {
  if (wire.operation === 'token_count') {
    expect(wire.decodeResponse(body).inputTokens).toBe(meta.expect.inputTokens);
    return;
  }
  const { vectors } = wire.decodeResponse(body);
  expect(vectors.map((vector) => vector.length)).toEqual(
    Array.from({ length: meta.expect.vectors ?? 0 }, () => meta.expect.dimensions),
  );
};

const checkError = ({ decodeError }: Provider, { body, meta }: Fixture): void => {
  const { status, headers } = meta;
  const error = decodeError({ status, headers, body, nowMs: 1_795_000_000_000 });
  expect(error).toBeInstanceOf(FloError);
  expect(error).toMatchObject({ code: meta.expect.code, upstreamStatus: status });
  if (headers['retry-after'] !== undefined)
    expect(error.retryAfterMs).toBe(Number(headers['retry-after']) * 1_000);
};

const check = (provider: ProviderId, at: Provider, fixture: Fixture): void => {
  if (fixture.api === 'errors') return checkError(at, fixture);
  const wire = wireOf(at, fixture);
  if (wire.operation !== 'chat') return checkPlain(wire, fixture);
  if (!isStream(fixture)) return checkWhole(provider, wire, fixture);
  checkStream(provider, wire, fixture);
  return checkCut(wire, fixture);
};

describe.each(PROVIDER_IDS)('%s', (provider) => {
  const sources = fixturesOf(provider);

  it('has fixtures for each of its wires, whole and streamed, and for its errors', () => {
    const own = sources.flatMap(({ fixtures }) => fixtures);
    const wires = providerOf(provider).wires.map(({ surface }) => surface);
    expect(own.map(({ api }) => api)).toEqual(expect.arrayContaining(wires));
    expect(own.filter(({ api }) => api === 'errors').length).toBeGreaterThan(3);
    for (const { operation, surface } of providerOf(provider).wires)
      if (operation === 'chat')
        expect(own.some((fixture) => fixture.api === surface && isStream(fixture))).toBe(true);
  });

  for (const { dialect, fixtures } of sources) {
    const at = addressOf(provider, dialect);
    it(`has fixtures of ${dialect ?? provider} for each of its wires, and for its errors`, () => {
      const wires = at.wires.map(({ surface }) => surface);
      expect(fixtures.map(({ api }) => api)).toEqual(expect.arrayContaining(['errors', ...wires]));
    });
    it.each(
      fixtures.map((fixture) => ({ title: `${dialect ?? ''} ${fixture.api} ${fixture.name}`, fixture })),
    )('reads $title', ({ fixture }) => {
      check(provider, at, fixture);
    });
  }
});
