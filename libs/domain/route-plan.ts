import { KEYS_PER_TARGET_MAX, type PlanStep, type RequestPlan } from '#contracts/dispatch';
import { PROVIDER_IDS, type ProviderId } from '#contracts/vocabulary';
import type { ApiKey } from './api-key.ts';
import { FloError } from './errors.ts';
import { matchesAnyGlob } from './glob.ts';
import {
  byWeightedDraw,
  fittingTargets,
  orderTargets,
  type TargetFacts,
  type WeighedStep,
} from './route-strategy.ts';
import type { RoutableProviderKey, Route, RouteTarget, TenantRouting } from './tenant-routing.ts';

const ATTEMPTS_DEFAULT = 3;
/** Enough to try every key of the targets, and no more than a client should wait for. */
const ATTEMPTS_MAX = 16;
const NAME_LENGTH_MAX = 256;

export type PlanInput = {
  /** What the client wrote in `model`. */
  model: string;
  routing: TenantRouting;
  apiKey: Pick<ApiKey, 'models'>;
  /** Whether the price book knows the model, dated names of it included. */
  isListed: (provider: ProviderId, model: string) => boolean;
  /** In [0, 1). */
  random: () => number;
  /** What orders and leaves out a route's targets; without them `weighted` alone is more than the order. */
  facts?: Partial<TargetFacts>;
};

const isProvider = (name: string): name is ProviderId => PROVIDER_IDS.some((provider) => provider === name);

const quote = (name: string): string => `"${name.slice(0, 100)}"`;

/** Whether a key is meant for a model: by its own globs, else for anything of its provider. */
const mayServe = (key: RoutableProviderKey, model: string): boolean =>
  key.models === null || matchesAnyGlob(key.models, model);

/** Whether a key is known to have a model: by its own globs, else by its provider's list or the price book. */
const isKnownToServe = (key: RoutableProviderKey, model: string, input: PlanInput): boolean =>
  key.models === null
    ? key.listedModelIds?.has(model) === true || input.isListed(key.provider, model)
    : matchesAnyGlob(key.models, model);

const factsOf = ({ facts, random }: PlanInput): TargetFacts => ({
  costOf: () => null,
  firstTokenMsOf: () => null,
  listedOf: () => null,
  needs: { imageInput: false, tools: false, promptTokens: 0 },
  draw: random,
  random,
  ...facts,
});

const stepOf = (
  provider: ProviderId,
  model: string,
  keys: RoutableProviderKey[],
  input: PlanInput,
): PlanStep => {
  const { draw } = factsOf(input);
  const ordered = byWeightedDraw(keys, ({ id }) => draw(id)).slice(0, KEYS_PER_TARGET_MAX);
  return {
    provider,
    model,
    providerKeyIds: ordered.map((key) => key.id),
    ...(ordered.some(({ account }) => account !== null) && {
      accounts: ordered.map(({ account }) => account),
    }),
  };
};

/** One for each target, and one more for each further key that may turn out not to work. */
const attemptsFor = (steps: readonly PlanStep[]): number => {
  const keys = steps.reduce((sum, { providerKeyIds }) => sum + providerKeyIds.length, 0);
  return Math.max(ATTEMPTS_DEFAULT, steps.length, Math.min(ATTEMPTS_MAX, keys));
};

const planQualified = (
  provider: string,
  model: string,
  keys: readonly RoutableProviderKey[],
  input: PlanInput,
): PlanStep => {
  if (!isProvider(provider)) {
    throw new FloError(
      'model_not_found',
      `There is no provider ${quote(provider)}: write one of ${PROVIDER_IDS.map((id) => `${id}/<model>`).join(', ')}.`,
      { param: 'model' },
    );
  }
  const usable = keys.filter((key) => key.provider === provider && mayServe(key, model));
  if (model === '' || usable.length === 0) {
    throw new FloError(
      'model_not_found',
      `No provider key of ${provider} serves ${quote(model)}: register one, or let an existing one serve it.`,
      { param: 'model' },
    );
  }
  return stepOf(provider, model, usable, input);
};

const planBare = (model: string, keys: readonly RoutableProviderKey[], input: PlanInput): PlanStep => {
  const usable = keys.filter((key) => isKnownToServe(key, model, input));
  const providers = [...new Set(usable.map((key) => key.provider))];
  const [provider, ...others] = providers;
  if (provider === undefined) {
    throw new FloError(
      'model_not_found',
      `No route is called ${quote(model)} and no provider key serves a model of that name. Write provider/model, such as openai/gpt-4o-mini, or ask GET /v1/models.`,
      { param: 'model' },
    );
  }
  if (others.length > 0) {
    throw new FloError(
      'model_not_found',
      `Several providers serve ${quote(model)}: write one of ${providers.map((id) => `${id}/${model}`).join(', ')}.`,
      { param: 'model' },
    );
  }
  return stepOf(provider, model, usable, input);
};

const planTarget = (target: RouteTarget, input: PlanInput): PlanStep => {
  const { providerKeys } = input.routing;
  const keys =
    target.providerKeyId === undefined
      ? providerKeys
      : providerKeys.filter((key) => key.id === target.providerKeyId);
  const slash = target.model.indexOf('/');
  if (slash >= 0) {
    return planQualified(target.model.slice(0, slash), target.model.slice(slash + 1), keys, input);
  }
  // A key of one's own choice says the provider too.
  const pinned = target.providerKeyId === undefined ? undefined : keys[0];
  return pinned === undefined
    ? planBare(target.model, keys, input)
    : planQualified(pinned.provider, target.model, keys, input);
};

/** Targets that no key serves any more are passed over, as long as one is left. */
const planRoute = (route: Route, input: PlanInput): PlanStep[] => {
  const steps: WeighedStep[] = [];
  for (const target of route.targets) {
    try {
      steps.push({ step: planTarget(target, input), weight: target.weight ?? 1 });
    } catch (error) {
      if (!(error instanceof FloError)) throw error;
    }
  }
  if (steps.length === 0) {
    throw new FloError(
      'model_not_found',
      `None of the targets of the route ${quote(route.name)} is served by a provider key: register one that serves ${route.targets.map(({ model }) => quote(model)).join(' or ')}.`,
      { param: 'model' },
    );
  }
  const facts = factsOf(input);
  return orderTargets(route.strategy, fittingTargets(steps, facts), facts);
};

const isAllowed = (apiKey: PlanInput['apiKey'], ...names: string[]): boolean => {
  const { models } = apiKey;
  return models === null || names.some((name) => matchesAnyGlob(models, name));
};

const refuseModel = (name: string): never => {
  throw new FloError('forbidden', `This API key may not use ${quote(name)}.`, { param: 'model' });
};

/**
 * Where a request may go, in order. A route's name comes before a model's. Throws `FloError`:
 * `model_not_found` with what to write instead, `forbidden` where the API key's globs leave it out.
 */
export const planRequest = (input: PlanInput): { plan: RequestPlan; route: string | null } => {
  const { model, routing, apiKey } = input;
  if (model.length > NAME_LENGTH_MAX) {
    throw new FloError('model_not_found', `A model's name has at most ${NAME_LENGTH_MAX} characters.`, {
      param: 'model',
    });
  }
  const route = routing.routes.get(model);
  if (route !== undefined) {
    // A route is allowed by its name: what it leads to is the tenant's own choice.
    if (!isAllowed(apiKey, route.name)) refuseModel(route.name);
    const steps = planRoute(route, input);
    const maxAttempts = route.maxAttempts ?? attemptsFor(steps);
    return { plan: { steps, maxAttempts, attemptTimeoutMs: route.timeoutMs }, route: route.name };
  }
  const step = planTarget({ model }, input);
  if (!isAllowed(apiKey, `${step.provider}/${step.model}`, step.model)) refuseModel(model);
  return {
    plan: { steps: [step], maxAttempts: attemptsFor([step]), attemptTimeoutMs: null },
    route: null,
  };
};
