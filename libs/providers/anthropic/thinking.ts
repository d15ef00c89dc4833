import type { Reasoning, ReasoningEffort } from '#contracts/inference';
import type { Inexpressible } from '#domain/inexpressible';

/** Models from before they could find the amount themselves: up to 4.5. */
const TAKES_BUDGETS = /claude-(?:2|3|instant)|claude-(?:opus|sonnet|haiku)-4(?:-[0-5](?!\d)|-\d{8}|@\d{8}|$)/;

/** What an effort stands for there, in tokens; the API's smallest budget is 1,024. */
const BUDGETS: Readonly<Record<Exclude<ReasoningEffort, 'none'>, number>> = {
  minimal: 1_024,
  low: 1_024,
  medium: 8_192,
  high: 24_576,
  xhigh: 32_000,
  max: 32_000,
};
const DEFAULT_BUDGET = BUDGETS.medium;

const EFFORTS: Readonly<Partial<Record<ReasoningEffort, string>>> = {
  low: 'low',
  medium: 'medium',
  high: 'high',
  xhigh: 'xhigh',
  max: 'max',
};

export type Thinking = {
  /** The member `thinking`; undefined where none is sent. */
  thinking: object | undefined;
  effort: string | undefined;
  /** What the answer's bound must leave room for beside the answer. */
  budgetTokens: number;
};

const withBudget = (budgetTokens: number): Thinking => ({
  thinking: { type: 'enabled', budget_tokens: budgetTokens },
  effort: undefined,
  budgetTokens,
});

/**
 * How much may be thought, as the model takes it: an effort with thinking as the model finds right, or, by
 * models up to 4.5, a budget. https://platform.claude.com/docs/en/build-with-claude/adaptive-thinking
 */
export const encodeThinking = (
  reasoning: Reasoning | undefined,
  model: string,
  inexpressible: Inexpressible,
): Thinking => {
  if (reasoning === undefined) return { thinking: undefined, effort: undefined, budgetTokens: 0 };
  const { effort, budgetTokens, shown } = reasoning;
  if (effort === 'none' || budgetTokens === 0) {
    return { thinking: { type: 'disabled' }, effort: undefined, budgetTokens: 0 };
  }
  if (budgetTokens !== undefined) return withBudget(budgetTokens);
  if (TAKES_BUDGETS.test(model)) return withBudget(effort === undefined ? DEFAULT_BUDGET : BUDGETS[effort]);
  const word = effort === undefined ? undefined : EFFORTS[effort];
  if (effort !== undefined && word === undefined) inexpressible.field('reasoning.effort');
  const display = shown === undefined ? {} : { display: shown ? 'summarized' : 'omitted' };
  return { thinking: { type: 'adaptive', ...display }, effort: word, budgetTokens: 0 };
};
