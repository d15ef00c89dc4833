import { z } from 'zod';
import { behaviour, mergeBehaviours } from './behaviour.ts';
import type { Behaviour } from './behaviour.ts';
import { OPERATIONS, type Operation } from './provider.ts';

/** A behaviour for the calls that match; a rule for a model never matches a listing of models. */
export const behaviourRule = z.strictObject({
  match: z
    .strictObject({
      provider: z.string().optional(),
      operation: z.enum(OPERATIONS).optional(),
      model: z.string().optional(),
      key: z.string().optional(),
      /** Lines of a batch that carry one of these. */
      customIds: z.array(z.string()).optional(),
    })
    .default({}),
  behaviour,
  /** How many calls it is good for; without it, all until the rules are cleared. */
  times: z.int().positive().optional(),
});
export type BehaviourRule = z.input<typeof behaviourRule>;

type Call = {
  provider: string;
  operation: Operation;
  model: string | null;
  key: string | null;
  customId?: string;
};
type ActiveRule = z.infer<typeof behaviourRule> & { remaining: number };

const matches = (rule: ActiveRule, call: Call): boolean => {
  const { provider, operation, model, key, customIds } = rule.match;
  return (
    (provider === undefined || provider === call.provider) &&
    (operation === undefined || operation === call.operation) &&
    (model === undefined || model === call.model) &&
    (key === undefined || key === call.key) &&
    (customIds === undefined || (call.customId !== undefined && customIds.includes(call.customId)))
  );
};

/** The rules set by tests, newest first. */
export class BehaviourRules {
  #rules: ActiveRule[] = [];

  get count(): number {
    return this.#rules.length;
  }

  add(rule: BehaviourRule): void {
    const parsed = behaviourRule.parse(rule);
    this.#rules.unshift({ ...parsed, remaining: parsed.times ?? Number.POSITIVE_INFINITY });
  }

  clear(): void {
    this.#rules = [];
  }

  /** The newest matching rule over what the model's name asks for; uses up one of the rule's times. */
  apply(call: Call, fromModel: Behaviour): Behaviour {
    const rule = this.#rules.find((candidate) => matches(candidate, call));
    if (rule === undefined) return fromModel;
    rule.remaining -= 1;
    if (rule.remaining === 0) this.#rules.splice(this.#rules.indexOf(rule), 1);
    return mergeBehaviours(fromModel, rule.behaviour);
  }
}
