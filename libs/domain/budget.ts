import type { BudgetPeriod, BudgetScope } from '#contracts/budget';
import type { ApiKeyId, BudgetId, TenantId } from '#contracts/ids';
import type { ProviderId } from '#contracts/vocabulary';
import { matchesGlob } from './glob.ts';

export type Budget = {
  id: BudgetId;
  tenantId: TenantId;
  scope: BudgetScope;
  period: BudgetPeriod;
  timeZone: string;
  limitPicoUsd: bigint;
  /** `warn` only counts and tells; nothing is held or refused. */
  mode: 'enforce' | 'warn';
  onUnpriced: 'allow' | 'refuse';
  assumedOutputTokens: number;
};

/** Whose request it is, known when it is admitted. */
export type RequestFacts = {
  apiKeyId: ApiKeyId;
  attribution: { team?: string | undefined; feature?: string | undefined; user?: string | undefined };
};

/** Where an attempt goes. */
export type TargetFacts = { provider: ProviderId; model: string };

const isOrAny = (wanted: string | undefined, value: string | undefined): boolean =>
  wanted === undefined || wanted === value;

export const coversRequest = ({ scope }: Pick<Budget, 'scope'>, facts: RequestFacts): boolean =>
  isOrAny(scope.api_key, facts.apiKeyId) &&
  isOrAny(scope.team, facts.attribution.team) &&
  isOrAny(scope.feature, facts.attribution.feature) &&
  isOrAny(scope.user, facts.attribution.user);

export const coversTarget = ({ scope }: Pick<Budget, 'scope'>, target: TargetFacts): boolean =>
  isOrAny(scope.provider, target.provider) &&
  (scope.model === undefined || matchesGlob(scope.model, target.model));

const FIELDS = ['team', 'feature', 'user', 'api_key', 'provider', 'model'] as const;

/** `team search, model gpt-*`, for messages; `the whole tenant` without any field. */
export const describeScope = (scope: BudgetScope): string => {
  const parts = FIELDS.flatMap((field) => {
    const value = scope[field];
    return value === undefined ? [] : [`${field.replace('_', ' ')} ${value.slice(0, 100)}`];
  });
  return parts.length === 0 ? 'the whole tenant' : parts.join(', ');
};
