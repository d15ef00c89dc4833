/**
 * The golden corpus: answers as providers give them, composed for this purpose, each with the charges that a
 * person has worked out from the providers' price pages. Read by the wires and priced by the book that flo2
 * is seeded with; all exact.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { attemptOutcome, type AttemptEvent } from '#contracts/attempt-event';
import { usageSource } from '#contracts/usage';
import {
  COMPATIBLE_DIALECTS,
  compatibleDialect,
  PROVIDER_IDS,
  surfaceId,
  type ProviderId,
  type SurfaceId,
} from '#contracts/vocabulary';
import { FloError } from '#domain/errors';
import { encodeUsd, encodeUsdPerMillion, ratePicoUsdFromUsdPerMillion } from '#domain/money';
import { NegotiatedRates } from '#domain/negotiated-rate';
import { PriceBook } from '#domain/price-book';
import { priceAttempt, type Agreements } from '#domain/price';
import type { AnswerFacts, Wire } from '#providers/provider';
import { providerFor, providerOf } from '#providers/registry';
import { createSseReader } from '#providers/sse';
import { readPriceSources } from '#services/metering/price-sources';
import { attemptEventOf } from '#test/support/attempt-events';

const golden = z.strictObject({
  name: z.string(),
  /** The dialect the answer is in. */
  api: surfaceId,
  model: z.string(),
  /** A whole answer, or the events of a streamed one. */
  body: z.unknown().optional(),
  events: z.array(z.unknown()).optional(),
  /** The tier of a line that ran in a provider's batch, whose answer does not say so. */
  servedTier: z.literal('batch').optional(),
  outcome: attemptOutcome.default('succeeded'),
  source: usageSource.optional(),
  /** How a compatible server speaks. */
  dialect: compatibleDialect.optional(),
  /** What the tenant has agreed on, in USD per million units, by component; nobody lists a compatible server. */
  agreed: z.record(z.string(), z.string()).default({}),
  kind: z.enum(['priced', 'unpriced', 'unknown']).default('priced'),
  /** Component, quantity, USD per million units, USD, and who is paid where that is not the provider. */
  charges: z.array(
    z
      .tuple([z.string(), z.int(), z.string(), z.string()])
      .or(z.tuple([z.string(), z.int(), z.string(), z.string(), z.string()])),
  ),
  cost: z.string().nullable(),
  /** How a person came to it. */
  worked: z.string().min(10),
});
type Golden = z.infer<typeof golden>;

const book = new PriceBook(
  readPriceSources()
    .flatMap((source) => source.prices)
    .map((price, index) => ({ id: BigInt(index), ...price })),
);

const corpus = readdirSync(import.meta.dirname)
  .filter((file) => file.endsWith('.json'))
  .map((file) => {
    const provider = PROVIDER_IDS.find((id) => `${id}.json` === file);
    if (provider === undefined) throw new TypeError(`${file} is named for no provider`);
    const text = readFileSync(new URL(file, import.meta.url), 'utf8');
    return { provider, cases: z.array(golden).parse(JSON.parse(text)) };
  });

const named = z.object({ event: z.string(), data: z.unknown() });

const encodeEvent = (event: unknown): string => {
  if (typeof event === 'string') return `data: ${event}\n\n`;
  const parsed = named.safeParse(event);
  return parsed.success
    ? `event: ${parsed.data.event}\ndata: ${JSON.stringify(parsed.data.data)}\n\n`
    : `data: ${JSON.stringify(event)}\n\n`;
};

const readFacts = (wire: Wire, { body, events }: Golden): AnswerFacts => {
  if (events === undefined) return wire.readAnswer(Buffer.from(JSON.stringify(body)));
  if (wire.operation !== 'chat') throw new TypeError('only chat is streamed');
  const reader = createSseReader({ maxEventBytes: 1_000_000 });
  const decoder = wire.createStreamDecoder({ usageInjected: false });
  for (const event of [...reader.read(Buffer.from(events.map(encodeEvent).join(''))), ...reader.finish()]) {
    decoder.decode(event);
  }
  try {
    decoder.finish?.();
  } catch (error) {
    if (!(error instanceof FloError)) throw error;
  }
  return decoder.facts();
};

const agreementsOf = (event: AttemptEvent, agreed: Golden['agreed']): Agreements => ({
  rates: new NegotiatedRates(
    Object.entries(agreed).map(([component, value]) => ({
      id: `rate of ${component}`,
      tenantId: event.tenantId,
      provider: event.provider,
      model: event.model,
      component,
      providerKeyId: null,
      kind: 'absolute',
      value: ratePicoUsdFromUsdPerMillion(value),
      volumeTiers: [],
      volumePeriod: null,
      effectiveFromMs: 0,
      effectiveToMs: null,
    })),
  ),
  takeVolume: () => 0n,
});

const price = (provider: ProviderId, each: Golden) => {
  const baseUrl = each.dialect === undefined ? null : 'https://models.example/v1';
  const wire = providerFor({ provider, baseUrl, dialect: each.dialect ?? null }).wires.find(
    ({ surface }) => surface === each.api,
  );
  if (wire === undefined) throw new TypeError(`${provider} does not speak ${each.api}`);
  const facts = readFacts(wire, each);
  const event = attemptEventOf({
    provider,
    model: each.model,
    servedModel: facts.model,
    outcome: each.outcome,
    usage: each.servedTier === undefined ? facts.usage : { ...facts.usage, serviceTier: each.servedTier },
  });
  return { facts, pricing: priceAttempt(event, book, agreementsOf(event, each.agreed)) };
};

/** What each provider's answers can be, for which there is a case by the word that its name begins with. */
const CELLS: Readonly<Record<ProviderId, Partial<Record<SurfaceId, string>>>> = {
  openai: {
    'openai-chat': 'plain, stream, cut, tools, caches, audio, over a tier',
    // Sound is not spoken there.
    'openai-responses': 'plain, stream, cut, tools, caches, over a tier',
    'openai-embeddings': 'embeddings',
  },
  anthropic: {
    // It hears and makes no sound.
    'anthropic-messages': 'plain, stream, cut, tools, caches, over a tier',
  },
  google: {
    'gemini-generate-content': 'plain, stream, cut, tools, caches, audio, images, over a tier',
    'gemini-embed-content': 'embeddings',
  },
  // One rate for any length.
  mistral: { 'openai-chat': 'plain, stream, cut, tools, caches, audio', 'openai-embeddings': 'embeddings' },
  // One rate for any length, no sound in chats.
  groq: { 'openai-chat': 'plain, stream, cut, tools, caches' },
  // It says what it takes in one piece, whatever went in: caches, sound and length are in that figure.
  openrouter: {
    'openai-chat': 'plain, stream, cut, tools',
    'openai-responses': 'plain, stream, cut, tools',
    'openai-embeddings': 'embeddings',
  },
  // Rates are agreed on by component; nothing of that kind depends on a length.
  openai_compatible: {
    'openai-chat': 'plain, stream, cut, tools, caches, audio',
    // xAI's, which has no sound.
    'openai-responses': 'plain, stream, cut, tools, caches',
    'openai-embeddings': 'embeddings',
  },
};

const wiresOf = (provider: ProviderId): readonly Wire[] =>
  provider === 'openai_compatible'
    ? COMPATIBLE_DIALECTS.flatMap(
        (dialect) => providerFor({ provider, baseUrl: 'https://models.example/v1', dialect }).wires,
      )
    : providerOf(provider).wires;

it.each(corpus)('the corpus has a case for all that $provider can answer', ({ provider, cases }) => {
  // A count of tokens costs nothing, and leaves no event with usage.
  const answering = wiresOf(provider).filter(({ operation }) => operation !== 'token_count');
  const spoken = new Set(answering.map(({ surface }) => surface));
  expect(Object.keys(CELLS[provider]).sort()).toEqual([...spoken].sort());
  const missing = Object.entries(CELLS[provider]).flatMap(([api, cells]) =>
    cells
      .split(', ')
      .filter((cell) => !cases.some((each) => each.api === api && each.name.startsWith(cell)))
      .map((cell) => `${api}: ${cell}`),
  );
  expect(missing).toEqual([]);
});

describe.each(corpus)('answers of $provider', ({ provider, cases }) => {
  it.each(cases)('cost what they cost by hand: $api, $name', (each) => {
    const { facts, pricing } = price(provider, each);
    if (each.source !== undefined) expect(facts.usage.source).toBe(each.source);
    const charges = pricing.charges.map((charge) => [
      charge.component,
      Number(charge.quantity),
      encodeUsdPerMillion(charge.ratePicoUsd),
      encodeUsd(charge.amountPicoUsd),
      ...(charge.component === 'reported_cost' ? [charge.payee] : []),
    ]);
    expect(charges).toEqual(each.charges);
    expect(pricing.kind).toBe(each.kind);
    expect(pricing.costPicoUsd === null ? null : encodeUsd(pricing.costPicoUsd)).toBe(each.cost);
  });
});
