/**
 * Every official client library, unmodified, against a model of every provider: what a client asks in its
 * dialect reaches a simulated provider that refuses whatever its real one would, and comes back.
 */
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { PROVIDER_IDS } from '#contracts/vocabulary';
import {
  ANSWER_SCHEMA,
  missing,
  TOOL_ARGUMENTS,
  TOOL_RESULT,
  type Feature,
  type SdkDriver,
} from '#test/support/sdk/driver';
import { SDK_DRIVERS } from '#test/support/sdk/drivers';
import { targetsOf, upstreamName, type Target } from '#test/support/sdk/targets';
import { countedTokens, startStack, type Stack } from '#test/support/stack';
import { vectorOf } from '#test/simulators/embedding';

const TARGETS = PROVIDER_IDS.flatMap((provider) =>
  targetsOf(provider).map((target) => ({ ...target, provider })),
);

let stack: Stack;
let apiKey: string;

beforeAll(async () => {
  stack = await startStack();
  const own = TARGETS.filter(({ dialect }) => dialect === undefined).map(({ provider }) => provider);
  const compatible = TARGETS.filter(({ dialect }) => dialect !== undefined).map(
    ({ provider, name, dialect, model, thinker, embedder }) => ({
      provider,
      name,
      ...(dialect === undefined ? {} : { dialect }),
      // Which of them a model belongs to is told by the lists of their keys.
      models: [
        ...new Set([model, `${model}-sim-error-400`, thinker ?? model, embedder ?? model].map(upstreamName)),
      ],
    }),
  );
  ({ apiKey } = await stack.createTenant({
    providerKeys: [...[...new Set(own)].map((provider) => ({ provider })), ...compatible],
  }));
});

afterAll(() => stack.close());

/** Servers that do not say how much of their output is reasoning. */
const SILENT_ON_REASONING = new Set(['mistral', 'vllm', 'ollama', 'together']);

const EXAMPLE = { city: 'the "city"\né', days: 3, tags: ['the "tags"\né'] };

const read = async (pieces: AsyncIterable<string>): Promise<string[]> => {
  const said: string[] = [];
  for await (const piece of pieces) if (piece !== '') said.push(piece);
  return said;
};

const errorOf = async (call: Promise<unknown>): Promise<unknown> => {
  try {
    return { succeeded: await call };
  } catch (error) {
    return error;
  }
};

/** How much to think is said by effort or by a budget: a provider without the word refuses it by name; null then. */
const unlessRefused = async <Result>(sdk: SdkDriver, call: Promise<Result>): Promise<Result | null> => {
  try {
    return await call;
  } catch (error) {
    if (
      sdk.isOwnError(error, 400) &&
      /(thinking|reasoning|disable_parallel_tool_use)\S*: cannot be asked/i.test(String(error))
    )
      return null;
    throw error;
  }
};

describe.each(SDK_DRIVERS)('$name', (driver) => {
  const { create, showsThought, only = PROVIDER_IDS } = driver;
  let sdk: SdkDriver;
  beforeAll(() => {
    sdk = create({ url: stack.flo2.url, apiKey });
  });

  const targets = TARGETS.filter(({ provider }) => only.includes(provider));
  describe.each(targets)('with a model of $name', (target: Target) => {
    const { model, thinker = '', embedder = '', lacks } = target;
    /** Why a feature is not tried with the two; null where it is. */
    const whyNot = (feature: Feature): string | null =>
      driver.without[feature] ??
      driver.withoutAt?.[target.name]?.[feature] ??
      target.without[feature] ??
      null;

    it('gets an answer, whole and streamed', async () => {
      expect(await sdk.plain(model, 'echo: grüße 👋')).toBe('grüße 👋');
      const pieces = await read(sdk.stream(model, 'echo: one two three four'));
      expect(pieces.join('')).toBe('one two three four');
    });

    it('calls a tool and gives back its result', async () => {
      const { arguments: called, reply } = await sdk.callTool(model);
      expect(called).toEqual(TOOL_ARGUMENTS);
      expect(reply).toContain(TOOL_RESULT);
      if (sdk.streamTool !== undefined) expect(await sdk.streamTool(model)).toBeInstanceOf(Object);
    });

    it('gets an answer in the form of a schema', async () => {
      expect(Object.keys(EXAMPLE)).toEqual(Object.keys(ANSWER_SCHEMA.properties));
      if (lacks.includes('structured'))
        return expect(sdk.isOwnError(await errorOf(sdk.structured(model)), 400)).toBe(true);
      // Vercel's Anthropic client asks by a tool and for one call at most, which not every provider can be asked.
      const told = await unlessRefused(sdk, sdk.structured(model));
      if (told !== null) expect(told).toEqual(EXAMPLE);
    });

    it('sends an image', async () => {
      const answer = sdk.describeImage(model);
      if (lacks.includes('image')) await expect(answer).rejects.toThrow();
      else expect(await answer).toContain('image/png 70 bytes 1x1');
    });

    it('thinks, and goes on with its thought behind it', async ({ skip }) => {
      const reason = whyNot('thinking');
      if (reason !== null) skip(reason);
      const told = await unlessRefused(sdk, sdk.think(thinker));
      if (told === null) return;
      const { thought, round } = told;
      expect(round.reply).toContain(TOOL_RESULT);
      if (showsThought && target.showsThought) expect(thought).toMatch(/^Thinking .+\.$/);
    });

    it('embeds texts', async ({ skip }) => {
      const reason = whyNot('embeddings');
      if (reason !== null) skip(reason);
      const vectors = await (sdk.embed?.(embedder, ['one two', 'three']) ?? missing('way to embed'));
      expect(vectors).toHaveLength(2);
      vectors[1]?.forEach((value, index) =>
        expect(value).toBeCloseTo(vectorOf('three', 8)[index] ?? Number.NaN, 5),
      );
    });

    it('counts the tokens of a prompt', async ({ skip }) => {
      const reason = whyNot('counts');
      if (reason !== null) skip(reason);
      expect(await (sdk.countTokens?.(model) ?? missing('way to count'))).toBe(7);
    });

    it('throws its own error for a request that the provider refuses', async () => {
      const error = await errorOf(sdk.plain(`${model}-sim-error-400`, 'hello'));
      expect(sdk.isOwnError(error, 400), String(error)).toBe(true);
    });
  });

  it('throws its own error where the provider has no room', async () => {
    const tenant = await stack.createTenant({ providerKeys: [{ provider: 'openai' }] });
    const limited = create({ url: stack.flo2.url, apiKey: tenant.apiKey });
    const error = await errorOf(limited.plain('openai/gpt-4o-mini-sim-error-429-retry-100', 'hello'));
    expect(limited.isOwnError(error, 429), String(error)).toBe(true);
  });

  it('ends the call upstream when it is aborted', async () => {
    const before = stack.simulator.log.attempts.length;
    const controller = new AbortController();
    const stream = sdk.stream(
      'openai/gpt-4o-mini-sim-pace-20-tokens-400',
      'Tell me a lot.',
      controller.signal,
    );
    const reading = errorOf(
      (async () => {
        for await (const piece of stream) if (piece !== '') controller.abort();
      })(),
    );
    await vi.waitFor(() => {
      expect(stack.simulator.log.attempts.slice(before).map(({ outcome }) => outcome)).toEqual(['aborted']);
    }, 15_000);
    await reading;
  });
});

it('the ledger has every token that the providers charged, once', async () => {
  const charged = stack.simulator.log.attempts.filter(
    ({ attemptId, outcome, tokens }) =>
      attemptId !== null && outcome === 'whole' && tokens.input !== undefined,
  );
  expect(charged.length).toBeGreaterThan(SDK_DRIVERS.length * TARGETS.length);
  const ids = charged.map(({ attemptId }) => attemptId ?? '');
  expect(new Set(ids).size).toBe(ids.length);
  const counted = await vi.waitFor(
    async () => {
      const found = await stack.ledgerTokens(ids);
      expect(Object.keys(found)).toHaveLength(ids.length);
      return found;
    },
    { timeout: 15_000 },
  );
  const wrong = charged
    // Gemini's embeddings come without a count.
    .filter(({ path }) => !path.endsWith('mbedContents') && !path.endsWith('embedContent'))
    .map((call) => ({
      call: `${call.provider} ${call.path} ${call.model} ${call.stream ? 'stream' : 'whole'}`,
      charged: countedTokens(
        SILENT_ON_REASONING.has(call.provider) ? { ...call.tokens, reasoning: 0 } : call.tokens,
      ),
      counted: counted[call.attemptId ?? ''],
    }))
    .filter(
      ({ charged: theirs, counted: ours }) => JSON.stringify(sorted(theirs)) !== JSON.stringify(sorted(ours)),
    );
  expect(wrong).toEqual([]);
});

const sorted = (tokens: Readonly<Record<string, number>> = {}) =>
  Object.entries(tokens).sort(([one], [other]) => one.localeCompare(other));
