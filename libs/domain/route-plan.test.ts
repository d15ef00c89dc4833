import { describe, expect, it } from 'vitest';
import type { ProviderId } from '#contracts/vocabulary';
import { FloError } from './errors.ts';
import { IdMint } from './mint-id.ts';
import { planRequest } from './route-plan.ts';
import type { RoutableProviderKey, Route } from './tenant-routing.ts';

const mint = new IdMint({ nowMs: () => 1, fillRandom: (bytes) => crypto.getRandomValues(bytes) });

const key = (provider: ProviderId, changes: Partial<RoutableProviderKey> = {}): RoutableProviderKey => ({
  id: mint.mint('pkey'),
  provider,
  models: null,
  weight: 1,
  account: null,
  limits: {},
  ...changes,
});

const OPENAI = key('openai');
const ANTHROPIC = key('anthropic');
const LISTED: Partial<Record<ProviderId, string[]>> = {
  openai: ['gpt-4o-mini', 'shared'],
  anthropic: ['claude-haiku-4-5', 'shared'],
};

const inputOf = (
  model: string,
  changes: {
    keys?: RoutableProviderKey[];
    routes?: Partial<Route>[];
    models?: string[];
    random?: () => number;
  } = {},
) => ({
  model,
  routing: {
    providerKeys: changes.keys ?? [OPENAI, ANTHROPIC],
    routes: new Map(
      (changes.routes ?? []).map((route): [string, Route] => [
        route.name ?? 'safe',
        { name: 'safe', strategy: 'fallback', targets: [], maxAttempts: null, timeoutMs: null, ...route },
      ]),
    ),
    weight: 1,
    shares: { teams: {}, features: {} },
  },
  apiKey: { models: changes.models ?? null },
  isListed: (provider: ProviderId, name: string) => LISTED[provider]?.includes(name) ?? false,
  random: changes.random ?? (() => 0.5),
});

const codeOf = (input: ReturnType<typeof inputOf>): string => {
  try {
    planRequest(input);
    return 'planned';
  } catch (error) {
    return error instanceof FloError ? `${error.code}: ${error.message}` : 'other';
  }
};

describe('planRequest', () => {
  it('takes provider/model for any model, listed or not', () => {
    const { plan, route } = planRequest(inputOf('openai/gpt-unheard-of'));
    expect(plan).toEqual({
      steps: [{ provider: 'openai', model: 'gpt-unheard-of', providerKeyIds: [OPENAI.id] }],
      maxAttempts: 3,
      attemptTimeoutMs: null,
    });
    expect(route).toBeNull();
  });

  it('takes a bare name that one provider serves', () => {
    expect(planRequest(inputOf('claude-haiku-4-5')).plan.steps[0]?.provider).toBe('anthropic');
    const own = key('openai', { models: ['my-*'] });
    expect(planRequest(inputOf('my-model', { keys: [own] })).plan.steps[0]?.providerKeyIds).toEqual([own.id]);
  });

  it('says what to write for a name that none or several serve', () => {
    expect(codeOf(inputOf('unheard-of'))).toMatch(/^model_not_found: .*provider\/model/);
    expect(codeOf(inputOf('shared'))).toMatch(/openai\/shared, anthropic\/shared/);
    expect(codeOf(inputOf('nobody/x'))).toMatch(/no provider "nobody"/);
    expect(codeOf(inputOf('anthropic/x', { keys: [OPENAI] }))).toMatch(/No provider key of anthropic/);
    expect(codeOf(inputOf('openai/gpt-4o', { keys: [key('openai', { models: ['o3*'] })] }))).toMatch(
      /No provider key/,
    );
    expect(codeOf(inputOf('x'.repeat(300)))).toMatch(/256/);
  });

  it('follows a route, its limits and its choice of key', () => {
    const second = key('openai');
    const targets = [
      { model: 'openai/gpt-4o-mini', providerKeyId: second.id },
      { model: 'claude-haiku-4-5' },
    ];
    const { plan, route } = planRequest(
      inputOf('safe', {
        keys: [OPENAI, second, ANTHROPIC],
        routes: [{ targets, maxAttempts: 2, timeoutMs: 900 }],
      }),
    );
    expect(route).toBe('safe');
    expect(plan).toEqual({
      steps: [
        { provider: 'openai', model: 'gpt-4o-mini', providerKeyIds: [second.id] },
        { provider: 'anthropic', model: 'claude-haiku-4-5', providerKeyIds: [ANTHROPIC.id] },
      ],
      maxAttempts: 2,
      attemptTimeoutMs: 900,
    });
  });

  it('takes the provider of a bare target from the key it names', () => {
    const targets = [{ model: 'ft:own-model', providerKeyId: OPENAI.id }];
    const { plan } = planRequest(inputOf('safe', { routes: [{ targets }] }));
    expect(plan.steps).toEqual([{ provider: 'openai', model: 'ft:own-model', providerKeyIds: [OPENAI.id] }]);
  });

  it('knows a bare name by the list of a key, too', () => {
    const local = key('openai', { listedModelIds: new Set(['house-blend']) });
    const { plan } = planRequest(inputOf('house-blend', { keys: [ANTHROPIC, local] }));
    expect(plan.steps).toMatchObject([{ model: 'house-blend', providerKeyIds: [local.id] }]);
    const restricted = { ...local, models: ['gpt-*'] };
    expect(codeOf(inputOf('house-blend', { keys: [restricted] }))).toMatch(/^model_not_found/);
  });

  it('passes over targets without a key, and tells when none is left', () => {
    const targets = [{ model: 'openai/gpt-4o-mini' }, { model: 'anthropic/claude-haiku-4-5' }];
    const { plan } = planRequest(inputOf('safe', { keys: [ANTHROPIC], routes: [{ targets }] }));
    expect(plan.steps.map((step) => step.provider)).toEqual(['anthropic']);
    expect(codeOf(inputOf('safe', { keys: [], routes: [{ targets }] }))).toMatch(/None of the targets/);
  });

  it('keeps to the API key’s globs, over models and over routes', () => {
    const routes = [{ targets: [{ model: 'openai/gpt-4o-mini' }] }];
    expect(codeOf(inputOf('openai/gpt-4o-mini', { models: ['anthropic/*'] }))).toMatch(/^forbidden/);
    expect(codeOf(inputOf('gpt-4o-mini', { models: ['anthropic/*'] }))).toMatch(/^forbidden/);
    expect(codeOf(inputOf('openai/gpt-4o-mini', { models: ['gpt-4o-*'] }))).toBe('planned');
    expect(codeOf(inputOf('safe', { models: ['openai/*'], routes }))).toMatch(/^forbidden/);
    expect(codeOf(inputOf('safe', { models: ['sa*'], routes }))).toBe('planned');
  });

  it('begins with a heavier key more often, in proportion', () => {
    let state = 42;
    const random = () => {
      state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
      return state / 2_147_483_648;
    };
    const heavy = key('openai', { weight: 3 });
    let first = 0;
    for (let count = 0; count < 4_000; count += 1) {
      const { plan } = planRequest(inputOf('openai/x', { keys: [OPENAI, heavy], random }));
      if (plan.steps[0]?.providerKeyIds[0] === heavy.id) first += 1;
    }
    expect(first / 4_000).toBeCloseTo(0.75, 1);
  });
});
